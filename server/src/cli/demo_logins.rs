//! The demo logins: one-time codes for a few people of the demo district, so that a newcomer can enrol at once.

use std::sync::Arc;

use crate::demo::DIVISION_CODE;
use crate::service::ServiceError;
use crate::service::gridwork::Gridwork;

/// A newcomer may look at other things first.
const DEMO_CODE_LIFETIME_MS: i64 = 12 * 3_600_000;

const ROLES: [&str; 5] = [
    "worker",
    "grid_head",
    "duty_desk",
    "department_handler",
    "patrol_leader",
];

/// Prints a code for one person of each role.
///
/// # Errors
/// That this is not the demo district, whose code no place has; storage's own.
pub(super) async fn print(gridwork: &Gridwork) -> Result<(), ServiceError> {
    let district = Arc::clone(gridwork.district(None)?);
    if district.code() != DIVISION_CODE {
        return Err(ServiceError::Conflict {
            reason: "not a demo district",
        });
    }
    let state = district.state();
    let people = district.read(|read, _| Ok(read.list_people()?)).await?;
    println!("演示登记码（12 小时内，各用一次）/ Demo codes (12 hours, one use each):");
    for role in ROLES {
        let found = people.iter().find(|person| {
            state
                .directory
                .grants(person.person)
                .iter()
                .any(|grant| grant.role == role && grant.until_ms.is_none())
        });
        let Some(person) = found else { continue };
        let code = gridwork.make_code_for(&district, person.person, DEMO_CODE_LIFETIME_MS)?;
        let name = district
            .documents()
            .role(role)
            .map(|role| role.name.clone())
            .unwrap_or_default();
        println!("  {code}  {} {} / {}", person.name, name.zh, name.en);
    }
    Ok(())
}
