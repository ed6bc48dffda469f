//! The district, its server, its phones and the hour: what the steps of the day act on.

use super::Plan;
use super::phone::{Fate, Phone};
use crate::clock::{Clock, FixedClock};
use crate::demo::{DIVISION_CODE, DemoDistrict, Dice};
use crate::ids::{Entropy, SeededEntropy};
use crate::import::{RoleCatalogue, export_people, export_units};
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::service::district::District;
use crate::service::gridwork::{Gridwork, OpenOptions};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use sync_core::ids::{PersonId, UnitId};

/// The roles whose people get a phone, and how many of each at least matter to the day.
const PHONE_ROLES: [&str; 8] = [
    "duty_desk",
    "verifier",
    "department_handler",
    "grid_head",
    "worker",
    "patrol_leader",
    "patrol_member",
    "district_lead",
];

/// The demo's world.
pub struct World {
    /// The engine; gone while the server is down.
    pub gridwork: Option<Gridwork>,
    /// The server's clock, which the day moves.
    pub clock: Arc<FixedClock>,
    /// The server's randomness.
    pub entropy: Arc<SeededEntropy>,
    /// The made-up district.
    pub district: DemoDistrict,
    /// The phones.
    pub phones: Vec<Phone>,
    /// The day's dice.
    pub dice: Dice,
    /// The data directory.
    pub data: PathBuf,
    /// Where the phones' files are.
    pub phone_files: tempfile::TempDir,
}

impl World {
    /// Makes the district and enrols the phones.
    pub async fn found(data: &Path, plan: &Plan) -> Result<Self, ServiceError> {
        let (seed, phones) = (plan.seed, plan.phones);
        let clock = Arc::new(FixedClock::at(plan.begins_ms));
        let entropy = Arc::new(SeededEntropy::new(seed));
        let district = DemoDistrict::generate(seed);
        let name = district.units[0].name.clone();
        Gridwork::init(
            data,
            DIVISION_CODE,
            &name,
            "Asia/Shanghai",
            &*clock,
            &*entropy,
        )?;
        let failed = |source| crate::store::StoreError::File {
            path: "a temporary directory".into(),
            source,
        };
        let mut world = Self {
            gridwork: None,
            clock,
            entropy,
            district,
            phones: Vec::new(),
            dice: Dice::new(seed ^ 0x5eed),
            data: data.to_owned(),
            phone_files: tempfile::tempdir().map_err(failed)?,
        };
        world.open()?;
        seed_district(world.gridwork(), &world.district).await?;
        world.enrol_phones(phones).await?;
        Ok(world)
    }

    /// Opens the engine on the data directory.
    pub fn open(&mut self) -> Result<(), ServiceError> {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let entropy: Arc<dyn Entropy> = Arc::clone(&self.entropy) as Arc<dyn Entropy>;
        self.gridwork = Some(Gridwork::open(
            &self.data,
            clock,
            entropy,
            OpenOptions::default(),
        )?);
        Ok(())
    }

    /// The engine.
    pub fn gridwork(&self) -> &Gridwork {
        self.gridwork
            .as_ref()
            .expect("BUG: the server is down at this hour")
    }

    /// The one district.
    pub fn open_district(&self) -> Arc<District> {
        Arc::clone(
            self.gridwork()
                .district(None)
                .expect("BUG: the demo has one district"),
        )
    }

    /// Does what `gridwork admin` does.
    pub async fn admin(&self, request: AdminRequest) -> Result<Value, ServiceError> {
        self.gridwork().administer(None, request).await
    }

    /// Lets time pass.
    pub fn pass_minutes(&self, minutes: u32) {
        self.clock.advance_ms(minutes * 60_000);
    }

    async fn enrol_phones(&mut self, count: usize) -> Result<(), ServiceError> {
        let mut people: Vec<_> = self
            .district
            .people
            .iter()
            .filter_map(|person| {
                let (role, unit) = person
                    .roles
                    .iter()
                    .find(|(role, _)| PHONE_ROLES.contains(role))?;
                Some((person.number, *role, *unit))
            })
            .collect();
        // One of each role first, then workers, so that any number of phones has every kind of person in it.
        people.sort_by_key(|(number, role, _)| {
            let rank = people_rank(role);
            (rank, *number)
        });
        let mut chosen: Vec<(u32, &'static str, u32)> = Vec::new();
        for role in PHONE_ROLES {
            let wanted = match role {
                "worker" => 36,
                "department_handler" => 12,
                _ => 3,
            };
            chosen.extend(people.iter().filter(|(_, of, _)| *of == role).take(wanted));
        }
        let rest: Vec<_> = people
            .iter()
            .filter(|person| !chosen.contains(person))
            .copied()
            .collect();
        chosen.extend(rest);
        for (number, role, unit) in chosen.into_iter().take(count) {
            let district = self.open_district();
            let code = self.gridwork().make_code(&district, PersonId(number))?;
            let path = self.phone_files.path().join(format!("{number}.db"));
            let seed = self.dice.next_u64();
            let phone = Phone::enrol(self.gridwork(), code, role, UnitId(unit), path, seed).await?;
            self.phones.push(phone);
        }
        Ok(())
    }

    /// The place of the `n`th phone of a role.
    pub fn find(&self, role: &str, n: usize) -> usize {
        self.phones
            .iter()
            .enumerate()
            .filter(|(_, phone)| phone.role == role)
            .nth(n)
            .map(|(index, _)| index)
            .unwrap_or_else(|| panic!("BUG: the demo has no {role} number {n}"))
    }

    /// The place of a worker's phone that also holds what happens in `unit`, other than those given.
    pub fn find_worker_over(&self, unit: UnitId, except: &[usize]) -> Option<usize> {
        let directory = Arc::clone(&self.open_district().state().directory);
        self.phones.iter().enumerate().position(|(index, phone)| {
            phone.role == "worker"
                && !except.contains(&index)
                && directory.grants(phone.person).iter().any(|grant| {
                    grant.role == "worker"
                        && grant.until_ms.is_none()
                        && directory.is_within(unit, grant.unit)
                })
        })
    }

    /// A grid that a phone's person works in.
    pub fn grid_of(&mut self, index: usize) -> UnitId {
        let directory = Arc::clone(&self.open_district().state().directory);
        let person = self.phones[index].person;
        let grids: Vec<UnitId> = directory
            .grants(person)
            .iter()
            .filter(|grant| grant.until_ms.is_none())
            .flat_map(|grant| directory.subtree(grant.unit).collect::<Vec<_>>())
            .filter(|unit| {
                directory
                    .unit(*unit)
                    .is_some_and(|unit| unit.kind == "grid")
            })
            .collect();
        if grids.is_empty() {
            self.phones[index].unit
        } else {
            *self.dice.pick(&grids)
        }
    }

    /// What the device's clocks of a phone say now.
    pub fn clocks(&self, index: usize) -> sync_core::time::Evidence {
        self.phones[index].clocks(self.clock.wall_ms(), self.clock.monotonic_ms())
    }

    /// Lets a phone sync over a link that sometimes fails.
    pub async fn sync_weak(&mut self, index: usize) -> Result<(), ServiceError> {
        self.sync_with(index, |dice| match dice.below(20) {
            0 => Fate::RequestLost,
            1 | 2 => Fate::ReplyLost,
            3 => Fate::ReplyCut,
            4 => Fate::CaptivePortal,
            _ => Fate::Carried,
        })
        .await
    }

    /// Lets a phone sync over a good link.
    pub async fn sync(&mut self, index: usize) -> Result<(), ServiceError> {
        self.sync_with(index, |_| Fate::Carried).await
    }

    /// Lets a phone sync; `fate` says what the link does.
    pub async fn sync_with(
        &mut self,
        index: usize,
        fate: impl FnMut(&mut Dice) -> Fate,
    ) -> Result<(), ServiceError> {
        let at = self.clocks(index);
        let gridwork = self
            .gridwork
            .as_ref()
            .expect("BUG: the server is down at this hour");
        self.phones[index].sync(gridwork, at, fate).await
    }

    /// Every phone's first contact.
    pub async fn first_sync(&mut self) -> Result<(), ServiceError> {
        for index in 0..self.phones.len() {
            self.sync(index).await?;
        }
        Ok(())
    }
}

fn people_rank(role: &str) -> usize {
    PHONE_ROLES
        .iter()
        .position(|known| *known == role)
        .unwrap_or(PHONE_ROLES.len())
}

/// Imports the made-up district the way an operator imports a real one.
pub async fn seed_district(
    gridwork: &Gridwork,
    district: &DemoDistrict,
) -> Result<(), ServiceError> {
    let units = district.unit_rows();
    let roles = sync_core::documents::DEFAULTS
        .iter()
        .find(|(name, _)| *name == "roles")
        .map_or("", |(_, text)| text);
    let catalogue =
        RoleCatalogue::from_document(roles).expect("BUG: the default roles do not parse");
    gridwork
        .administer(
            None,
            AdminRequest::ImportUnits {
                text: export_units(&units),
            },
        )
        .await?;
    let people = export_people(&district.person_rows(), &catalogue);
    gridwork
        .administer(None, AdminRequest::ImportPeople { text: people })
        .await?;
    Ok(())
}
