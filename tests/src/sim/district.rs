//! The small district in which every world plays: few units and people, but every relation that rights and scope know.

use server::service::ServiceError;
use server::service::district::District;
use std::sync::Arc;
use sync_core::directory::{DirectoryChange, Grant, Unit};
use sync_core::ids::{PersonId, UnitId};

/// The district's code.
pub const CODE: &str = "440399";
/// When every world begins: Monday 23 November 2026, 06:30 in Shanghai.
pub const BEGINS_MS: i64 = 1_795_386_600_000;

/// Number, the unit above, kind. Number 1 is the district itself.
const UNITS: [(u32, u32, &str); 12] = [
    (2, 1, "town"),
    (3, 1, "town"),
    (4, 2, "community"),
    (5, 2, "community"),
    (6, 3, "community"),
    (7, 4, "grid"),
    (8, 4, "grid"),
    (9, 5, "grid"),
    (10, 5, "grid"),
    (11, 6, "grid"),
    (12, 1, "department"),
    (13, 1, "department"),
];

/// Number and roles.
const PEOPLE: [(u32, &[(&str, u32)]); 12] = [
    (1, &[("duty_desk", 2)]),
    (2, &[("verifier", 2)]),
    (3, &[("grid_head", 4), ("grid_head", 5)]),
    (4, &[("worker", 7), ("worker", 8)]),
    (5, &[("worker", 4)]),
    (6, &[("worker", 9), ("worker", 10)]),
    (7, &[("department_handler", 12)]),
    (8, &[("patrol_leader", 4)]),
    (9, &[("patrol_member", 4), ("patrol_member", 5)]),
    (10, &[("district_lead", 1)]),
    (11, &[("privacy_officer", 1)]),
    (12, &[("worker", 11), ("duty_desk", 3)]),
];

/// The desk whose person rules about what waits.
pub const RULER: PersonId = PersonId(10);
/// The departments that a case may be sent to.
pub const DEPARTMENTS: [UnitId; 2] = [UnitId(12), UnitId(13)];
/// All grids.
pub const GRIDS: [UnitId; 5] = [UnitId(7), UnitId(8), UnitId(9), UnitId(10), UnitId(11)];

/// Where a person works when nothing else is known: one of the grids that they are there for.
pub fn home_grid(person: PersonId, pick: u32) -> UnitId {
    let grids: &[u32] = match person.0 {
        4 | 5 | 8 => &[7, 8],
        6 => &[9, 10],
        12 => &[11],
        _ => &[7, 8, 9, 10],
    };
    UnitId(grids[pick as usize % grids.len()])
}

/// Writes units, people and roles into a district that has its first entries.
///
/// # Errors
/// Storage's own.
pub async fn fill(district: &Arc<District>) -> Result<(), ServiceError> {
    let mut changes = Vec::new();
    for (unit, parent, kind) in UNITS {
        changes.push(DirectoryChange::Unit(Unit {
            unit: UnitId(unit),
            parent: Some(UnitId(parent)),
            code: format!("{CODE}.{unit}"),
            name: format!("{kind} {unit}"),
            kind: kind.to_owned(),
        }));
    }
    for (person, roles) in PEOPLE {
        let person = PersonId(person);
        changes.push(DirectoryChange::Person { person });
        for (role, unit) in roles {
            changes.push(DirectoryChange::Grant(Grant {
                person,
                role: (*role).to_owned(),
                unit: UnitId(*unit),
                from_ms: 0,
                until_ms: None,
            }));
        }
    }
    district
        .writer()
        .run(move |log, now_ms| {
            for change in changes {
                log.change_directory(change, now_ms)?;
            }
            Ok(())
        })
        .await
}
