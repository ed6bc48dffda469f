//! A district for load: grids under one district, a worker in each turn, and a reader who may see it all.

use std::path::Path;
use std::sync::Arc;

use sync_core::directory::{DirectoryChange, Grant, Unit};
use sync_core::ids::{PersonId, UnitId};

use crate::clock::SystemClock;
use crate::ids::SystemEntropy;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::gridwork::{Gridwork, OpenOptions};
use crate::store::StoreError;
use crate::store::sqlite::PersonRow;

/// The code of the district.
pub const CODE: &str = "990001";
/// Grids; with more people, several work in one.
const GRIDS_MAX: usize = 240;

/// One-time codes for all who may enrol.
#[derive(Clone, Debug)]
pub struct Codes {
    /// One for each worker.
    pub workers: Vec<String>,
    /// One for a person who reads the whole district.
    pub reader: String,
}

/// Makes the district in an empty directory, and codes that live ten minutes. The directory is closed again.
///
/// # Errors
/// Storage's own.
pub async fn make(data: &Path, workers: usize) -> Result<Codes, ServiceError> {
    let (clock, entropy) = (SystemClock::new(), SystemEntropy);
    Gridwork::init(data, CODE, "Fleet", "Asia/Shanghai", &clock, &entropy)?;
    let options = OpenOptions::default();
    let gridwork = Gridwork::open(data, Arc::new(clock), Arc::new(entropy), options)?;
    let district = Arc::clone(gridwork.district(Some(CODE))?);
    gridwork.write_first_entries(&district).await?;
    add_people(&district, workers).await?;
    let code_of = |person: usize| gridwork.make_code(&district, PersonId(person as u32));
    let codes = Codes {
        workers: (1..=workers).map(code_of).collect::<Result<_, _>>()?,
        reader: code_of(workers + 1)?,
    };
    gridwork.note_heads()?;
    Ok(codes)
}

/// Adds grids, workers 1 to `workers`, each with a grid, and after them one reader, in one commit.
///
/// # Errors
/// Storage's own.
pub async fn add_people(district: &District, workers: usize) -> Result<(), ServiceError> {
    let grids = workers.clamp(1, GRIDS_MAX);
    district
        .writer()
        .run(move |log, now_ms| {
            for grid in 0..grids as u32 {
                let unit = Unit {
                    unit: UnitId(grid + 2),
                    parent: Some(UnitId(1)),
                    code: format!("{CODE}.{grid:03}"),
                    name: format!("第{}网格", grid + 1),
                    kind: "grid".into(),
                };
                log.change_directory(DirectoryChange::Unit(unit), now_ms)?;
            }
            let mut add = |person: usize, unit: u32| -> Result<(), StoreError> {
                let person = PersonId(person as u32);
                log.change_directory(DirectoryChange::Person { person }, now_ms)?;
                let name = format!("第{}员", person.0);
                log.put_person(&PersonRow {
                    person,
                    name,
                    external_id: None,
                })?;
                let role = "worker".to_owned();
                let grant = Grant {
                    person,
                    role,
                    unit: UnitId(unit),
                    from_ms: now_ms,
                    until_ms: None,
                };
                log.change_directory(DirectoryChange::Grant(grant), now_ms)
                    .map(|_| ())
            };
            for worker in 0..workers {
                add(worker + 1, (worker % grids) as u32 + 2)?;
            }
            add(workers + 1, 1)
        })
        .await
}
