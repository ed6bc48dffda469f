//! What goes wrong on a day: concurrent edits, competing steps, clones, restored phones, moved records and people,
//! lying clocks, poison.

use super::phone::{Fate, Phone};
use super::world::World;
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use sync_core::ids::UnitId;
use sync_core::replica::Draft;

const YEAR_MS: i64 = 365 * 24 * 3_600_000;

impl World {
    /// One after the other.
    pub async fn incidents(&mut self) -> Result<(), ServiceError> {
        self.three_edit_one_report().await?;
        self.a_case_goes_to_a_department().await?;
        self.two_take_the_same_step().await?;
        self.an_amendment_comes_before_its_report().await?;
        self.a_phone_is_cloned().await?;
        self.a_phone_is_put_back_from_an_old_copy().await?;
        self.a_record_moves_while_work_on_it_waits().await?;
        self.two_clocks_lie().await?;
        self.a_worker_changes_grids().await?;
        self.a_poison_change_and_its_repair().await
    }

    /// Two workers and a grid head write the same field of one report without seeing each other; the desk settles it.
    async fn three_edit_one_report(&mut self) -> Result<(), ServiceError> {
        let first = self.find("worker", 0);
        let (record, unit) = self.report(first)?;
        self.sync(first).await?;
        let desk = self.find("duty_desk", 0);
        let mut writers = vec![first];
        writers.extend(self.find_worker_over(unit, &[first]));
        for index in writers.clone() {
            self.sync(index).await?;
        }
        for index in writers.clone() {
            self.pass_minutes(1);
            self.describe(index, record, unit)?;
        }
        for index in writers {
            self.sync_with(index, reply_lost_once()).await?;
            self.sync(index).await?;
        }
        // Somebody who sees both values writes a third.
        let settles = (0..self.phones.len()).find(|index| {
            matches!(self.phones[*index].role, "duty_desk" | "grid_head") && *index != desk
        });
        let over = self.desk_over(unit).or(settles).unwrap_or(desk);
        self.sync(over).await?;
        self.describe(over, record, unit)?;
        self.sync(over).await
    }

    /// The place of a duty desk or grid head over a unit.
    fn desk_over(&self, unit: UnitId) -> Option<usize> {
        self.role_over("duty_desk", unit)
    }

    fn role_over(&self, role: &str, unit: UnitId) -> Option<usize> {
        let directory = std::sync::Arc::clone(&self.open_district().state().directory);
        self.phones.iter().position(|phone| {
            directory
                .grants(phone.person)
                .iter()
                .any(|grant| grant.role == role && directory.is_within(unit, grant.unit))
        })
    }

    /// Registered and dispatched by the desk, handled by a department, closed by a verifier.
    async fn a_case_goes_to_a_department(&mut self) -> Result<(), ServiceError> {
        let worker = self.find("worker", 1);
        let handler = self.find("department_handler", 0);
        let department = self.phones[handler].unit;
        let (record, unit) = self.report(worker)?;
        self.sync(worker).await?;
        let Some(desk) = self.desk_over(unit) else {
            return Ok(());
        };
        self.sync(desk).await?;
        self.step(desk, record, unit, "REGISTERED", r#","level":"III""#)?;
        let due = format!(
            r#","desk":{},"level":"III","due_ms":1795600000000"#,
            department.0
        );
        self.step(desk, record, unit, "DISPATCHED", &due)?;
        self.sync(desk).await?;
        self.sync(handler).await?;
        self.pass_minutes(30);
        self.step(handler, record, unit, "IN_PROGRESS", "")?;
        let proof = format!(r#","proof":["{}"]"#, "ab".repeat(32));
        self.step(handler, record, unit, "FEEDBACK", &proof)?;
        self.sync_weak(handler).await?;
        self.sync(handler).await?;
        if let Some(verifier) = self.role_over("verifier", unit) {
            self.sync(verifier).await?;
            self.step(verifier, record, unit, "CLOSED", "")?;
            self.sync(verifier).await?;
        }
        Ok(())
    }

    /// The desk and the grid head both move a report on without seeing each other: one step applies, the other is shown.
    async fn two_take_the_same_step(&mut self) -> Result<(), ServiceError> {
        let worker = self.find("worker", 2);
        let (record, unit) = self.report(worker)?;
        self.sync(worker).await?;
        let pair = self.desk_over(unit).zip(self.role_over("grid_head", unit));
        let Some((desk, head)) = pair else {
            return Ok(());
        };
        self.sync(desk).await?;
        self.sync(head).await?;
        self.step(desk, record, unit, "REGISTERED", r#","level":"II""#)?;
        self.step(
            head,
            record,
            unit,
            "NEEDS_INFO",
            r#","reason":"请补充照片""#,
        )?;
        self.sync(head).await?;
        self.sync(desk).await
    }

    /// A colleague who was told of a report amends it before its author has been on line: held, then released.
    async fn an_amendment_comes_before_its_report(&mut self) -> Result<(), ServiceError> {
        let author = self.find("worker", 0);
        let (record, unit) = self.report(author)?;
        if let Some(colleague) = self.find_worker_over(unit, &[author]) {
            let at = self.clocks(colleague);
            let mut draft = Draft::new(record, unit, "report.amend", Vec::new());
            draft.base = Some(
                self.phones[colleague]
                    .replica
                    .base_of(record)
                    .unwrap_or_default(),
            );
            self.phones[colleague].make_draft(at, draft, r#""description":"同事补充 {mark}""#)?;
            self.sync(colleague).await?;
        }
        self.sync(author).await
    }

    /// Two phones with one database: the second to come is told, and goes on under a new name.
    async fn a_phone_is_cloned(&mut self) -> Result<(), ServiceError> {
        let original = self.find("worker", 3);
        self.sync(original).await?;
        self.report(original)?;
        let path = self.phone_files.path().join("clone.db");
        let clone = self.phones[original].copy(&path, "c")?;
        self.phones.push(clone);
        let clone = self.phones.len() - 1;
        self.report(original)?;
        self.report(clone)?;
        self.report(clone)?;
        self.sync(original).await?;
        self.sync(clone).await
    }

    /// A phone's file as it was in the morning comes back: its head lies behind what the server has.
    async fn a_phone_is_put_back_from_an_old_copy(&mut self) -> Result<(), ServiceError> {
        let index = self.find("worker", 4);
        self.sync(index).await?;
        let path = self.phone_files.path().join("old-copy.db");
        self.phones[index].copy_file(&path)?;
        self.report(index)?;
        self.report(index)?;
        self.sync(index).await?;
        let mut restored = Phone::from_copy(&self.phones[index], &path, "r")?;
        // The person remembers what they made; the file does not.
        restored.made = std::mem::take(&mut self.phones[index].made);
        self.phones[index] = restored;
        self.report(index)?;
        self.sync(index).await
    }

    /// The desk moves a report to another unit while its author has unsent work on it.
    async fn a_record_moves_while_work_on_it_waits(&mut self) -> Result<(), ServiceError> {
        let author = self.find("worker", 5);
        let (record, unit) = self.report(author)?;
        self.sync(author).await?;
        let Some(desk) = self.desk_over(unit) else {
            return Ok(());
        };
        self.sync(desk).await?;
        self.describe(author, record, unit)?;
        self.comment(author, record, unit)?;
        let elsewhere = self.grid_beside(unit);
        let at = self.clocks(desk);
        let fields = format!(r#""unit":{},"reason":"归属更正 {{mark}}""#, elsewhere.0);
        self.phones[desk].make(at, record, unit, "report.move", &fields)?;
        self.sync(desk).await?;
        self.sync(author).await
    }

    /// A grid of the same town that another person works in.
    fn grid_beside(&self, unit: UnitId) -> UnitId {
        let directory = std::sync::Arc::clone(&self.open_district().state().directory);
        let community = directory.unit(unit).and_then(|found| found.parent);
        let town = community
            .and_then(|community| directory.unit(community))
            .and_then(|found| found.parent);
        directory
            .units()
            .find(|other| {
                other.kind == "grid"
                    && other.parent != community
                    && town.is_some_and(|town| directory.is_within(other.unit, town))
            })
            .map_or(unit, |other| other.unit)
    }

    /// One phone's clock is a year ahead, another's a year behind.
    async fn two_clocks_lie(&mut self) -> Result<(), ServiceError> {
        for (n, off_ms) in [(6, YEAR_MS), (7, -YEAR_MS)] {
            let index = self.find("worker", n);
            self.sync(index).await?;
            self.phones[index].clock_off_ms = off_ms;
            for _ in 0..3 {
                self.pass_minutes(5);
                self.report(index)?;
            }
            self.sync(index).await?;
        }
        Ok(())
    }

    /// A worker is sent to another community with work for the old one still on the phone.
    async fn a_worker_changes_grids(&mut self) -> Result<(), ServiceError> {
        let index = self.find("worker", 8);
        self.sync(index).await?;
        self.report(index)?;
        let person = self.phones[index].person;
        let directory = std::sync::Arc::clone(&self.open_district().state().directory);
        let old: Vec<UnitId> = directory
            .grants(person)
            .iter()
            .filter(|grant| grant.role == "worker" && grant.until_ms.is_none())
            .map(|grant| grant.unit)
            .collect();
        let other = self.phones[self.find("worker", 9)].person;
        let new = directory
            .grants(other)
            .iter()
            .find(|grant| grant.role == "worker")
            .map(|grant| grant.unit);
        for unit in old {
            self.admin(AdminRequest::Revoke {
                person,
                role: "worker".into(),
                unit,
            })
            .await?;
        }
        if let Some(unit) = new {
            self.admin(AdminRequest::Grant {
                person,
                role: "worker".into(),
                unit,
            })
            .await?;
        }
        self.pass_minutes(5);
        self.sync(index).await?;
        self.report(index)?;
        self.sync(index).await
    }

    /// A report for a unit that its author has nothing to do with, in the middle of good ones; then its repair.
    async fn a_poison_change_and_its_repair(&mut self) -> Result<(), ServiceError> {
        let index = self.find("worker", 10);
        self.sync(index).await?;
        self.report(index)?;
        let far = self.phones[self.find("department_handler", 1)].unit;
        let record = self.report_in(index, far)?;
        self.report(index)?;
        self.sync(index).await?;
        let poison = self.phones[index].replica.outbox().unwrap_or_default();
        let poison = poison.into_iter().find(|item| {
            item.record == record && item.standing == sync_core::words::Standing::Quarantined
        });
        let Some(poison) = poison else {
            return Err(ServiceError::Internal {
                what: "the poison change was not found out",
                source: "demo".into(),
            });
        };
        let at = self.clocks(index);
        let grid = self.grid_of(index);
        let mut repair = Draft::new(record, grid, "report.create", Vec::new());
        repair.repairs = Some(self.phones[index].change(poison.seq));
        self.phones[index].make_draft(
            at,
            repair,
            r#""category":"FAC-03","title":"路灯不亮","description":"改到正确的网格 {mark}""#,
        )?;
        self.sync(index).await
    }
}

/// The first reply is lost, the rest arrive.
fn reply_lost_once() -> impl FnMut(&mut crate::demo::Dice) -> Fate {
    let mut first = true;
    move |_| {
        if std::mem::take(&mut first) {
            Fate::ReplyLost
        } else {
            Fate::Carried
        }
    }
}
