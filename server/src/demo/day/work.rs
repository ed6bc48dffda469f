//! Ordinary work: reports, comments, amendments, visits and patrols, made offline and handed in over weak links.

use super::world::World;
use crate::service::ServiceError;
use sync_core::ids::{RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::replica::Filter;

const CATEGORIES: [&str; 8] = [
    "SAN-01", "SAN-02", "FAC-01", "FAC-03", "FIR-01", "FIR-02", "ORD-01", "MED-01",
];
const TITLES: [&str; 6] = [
    "楼道堆放杂物",
    "路灯不亮",
    "井盖松动",
    "垃圾未清运",
    "电动车进楼",
    "消防通道被占",
];

impl World {
    /// Makes a report in a grid of the phone's person.
    pub fn report(&mut self, index: usize) -> Result<(RecordId, UnitId), ServiceError> {
        let grid = self.grid_of(index);
        let record = self.report_in(index, grid)?;
        Ok((record, grid))
    }

    /// Makes a report in a unit.
    pub fn report_in(&mut self, index: usize, unit: UnitId) -> Result<RecordId, ServiceError> {
        let at = self.clocks(index);
        let category = *self.dice.pick(&CATEGORIES);
        let title = *self.dice.pick(&TITLES);
        let (latitude, longitude) = (self.dice.below(90_000), self.dice.below(90_000));
        let phone = &mut self.phones[index];
        let record = phone.new_record(&at);
        let fields = format!(
            r#""category":"{category}","title":"{title}","description":"{title}，请尽快处理 {{mark}}","place":{{"latitude_e7":{},"longitude_e7":{},"accuracy_m":12}},"urgency":"normal""#,
            225_000_000 + latitude,
            1_140_000_000 + longitude,
        );
        phone.make(at, record, unit, "report.create", &fields)?;
        Ok(record)
    }

    /// Writes the description of a record.
    pub fn describe(
        &mut self,
        index: usize,
        record: RecordId,
        unit: UnitId,
    ) -> Result<(), ServiceError> {
        let at = self.clocks(index);
        let fields = r#""description":"现场情况有变 {mark}""#;
        self.phones[index]
            .make(at, record, unit, "report.amend", fields)
            .map(|_| ())
    }

    /// Comments on a record.
    pub fn comment(
        &mut self,
        index: usize,
        record: RecordId,
        unit: UnitId,
    ) -> Result<(), ServiceError> {
        let at = self.clocks(index);
        self.phones[index]
            .make(
                at,
                record,
                unit,
                "report.comment",
                r#""text":"已到现场 {mark}""#,
            )
            .map(|_| ())
    }

    /// Takes a step of a case. `more` are further fields, each with a comma in front.
    pub fn step(
        &mut self,
        index: usize,
        record: RecordId,
        unit: UnitId,
        to: &str,
        more: &str,
    ) -> Result<(), ServiceError> {
        let at = self.clocks(index);
        let fields = format!(r#""to":"{to}","note":"{{mark}}"{more}"#);
        self.phones[index]
            .make(at, record, unit, "report.transition", &fields)
            .map(|_| ())
    }

    /// Logs a visit.
    pub fn visit(&mut self, index: usize) -> Result<(), ServiceError> {
        let at = self.clocks(index);
        let grid = self.grid_of(index);
        let phone = &mut self.phones[index];
        let record = phone.new_record(&at);
        let fields = r#""outcome":"done","purpose":"care","note":"老人身体尚好 {mark}""#;
        phone
            .make(at, record, grid, "visit.log", fields)
            .map(|_| ())
    }

    /// A whole patrol round on the leader's phone.
    pub fn patrol(&mut self, index: usize) -> Result<(), ServiceError> {
        let at = self.clocks(index);
        let unit = self.phones[index].unit;
        let phone = &mut self.phones[index];
        let record = phone.new_record(&at);
        phone.make(
            at,
            record,
            unit,
            "patrol.start",
            r#""team":"T01","slot":"A","note":"{mark}""#,
        )?;
        for point in 1..=6 {
            self.pass_minutes(5);
            let at = self.clocks(index);
            let fields = format!(r#""point":"T01-P0{point}","method":"code","note":"{{mark}}""#);
            self.phones[index].make(at, record, unit, "patrol.check_in", &fields)?;
        }
        let at = self.clocks(index);
        self.phones[index]
            .make(
                at,
                record,
                unit,
                "patrol.finish",
                r#""summary":"一切正常 {mark}""#,
            )
            .map(|_| ())
    }

    /// A record of a kind that the phone holds; `None` when it holds none.
    pub fn any_record(&mut self, index: usize, kind: Kind) -> Option<(RecordId, UnitId)> {
        let rows = self.phones[index].replica.list(&Filter::of(kind)).ok()?;
        (!rows.is_empty()).then(|| {
            let row = self.dice.pick(&rows);
            (row.record, row.unit)
        })
    }

    /// Everybody works for some hours, offline most of the time.
    pub async fn morning(&mut self) -> Result<(), ServiceError> {
        for _ in 0..4 {
            for index in 0..self.phones.len() {
                match self.phones[index].role {
                    "worker" | "grid_head" => {
                        for _ in 0..1 + self.dice.below(3) {
                            self.report(index)?;
                        }
                        if self.dice.below(2) == 0 {
                            self.visit(index)?;
                        }
                        if let Some((record, unit)) = self.any_record(index, Kind::Report) {
                            if self.dice.below(2) == 0 {
                                self.comment(index, record, unit)?;
                            } else {
                                self.describe(index, record, unit)?;
                            }
                        }
                    }
                    "patrol_leader" if self.dice.below(3) == 0 => self.patrol(index)?,
                    _ => {}
                }
                if self.dice.below(3) == 0 {
                    self.sync_weak(index).await?;
                }
            }
            self.pass_minutes(40);
        }
        Ok(())
    }

    /// Everybody comes back to a good link until nothing more is new for anybody.
    pub async fn evening(&mut self) -> Result<(), ServiceError> {
        self.pass_minutes(60);
        for _ in 0..3 {
            for index in 0..self.phones.len() {
                self.sync(index).await?;
            }
            self.pass_minutes(20);
        }
        Ok(())
    }
}
