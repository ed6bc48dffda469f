//! The server's own hand: a person of the district who is the system, made when it is first needed. Nobody can log in as it.

use super::Steward;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::enrolment::put_new_person;
use std::sync::Arc;
use sync_core::cases::SYSTEM_ROLE;
use sync_core::directory::{Directory, DirectoryChange, Grant};
use sync_core::ids::{PersonId, ReplicaId};

/// What people see as its name.
const NAME: &str = "系统";

/// Whether a person is the system itself. Only the server gives that role.
pub(in crate::service) fn is_system(directory: &Directory, person: PersonId) -> bool {
    let mut grants = directory.grants(person).iter();
    grants.any(|grant| grant.role == SYSTEM_ROLE)
}

fn find_system(directory: &Directory) -> Option<PersonId> {
    directory
        .people()
        .find(|person| is_system(directory, *person))
}

impl Steward {
    /// The replica by which the system acts.
    ///
    /// # Errors
    /// Storage's own.
    pub(in crate::service) async fn system_replica(
        &self,
        district: &Arc<District>,
    ) -> Result<ReplicaId, ServiceError> {
        let person = match find_system(&district.state().directory) {
            Some(person) => person,
            None => enter_system(district).await?,
        };
        self.hand.office_replica(district, person).await
    }
}

async fn enter_system(district: &District) -> Result<PersonId, ServiceError> {
    district
        .writer()
        .run(|log, now_ms| {
            let directory = log.directory();
            if let Some(person) = find_system(&directory) {
                return Ok(person);
            }
            let person = put_new_person(log, NAME.to_owned(), None, None, now_ms)?
                .expect("BUG: the next number is free");
            let roots = directory.units().filter(|unit| unit.parent.is_none());
            for root in roots {
                let grant = Grant {
                    person,
                    role: SYSTEM_ROLE.to_owned(),
                    unit: root.unit,
                    from_ms: now_ms,
                    until_ms: None,
                };
                log.change_directory(DirectoryChange::Grant(grant), now_ms)?;
            }
            Ok(person)
        })
        .await
}
