//! The server's own replicas: one a person and epoch, entered when the person first acts online.
//!
//! The seed of its key lies in the control file. Whoever restores a district begins a new epoch, and so new replicas: the
//! chain of an old one may have gone on after the copy, and must not go on twice. A control file without the seed, or one
//! that was put back, has the same end.

use super::Hand;
use crate::ids::new_uuid;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::enrolment::{Origin, add_replica};
use crate::store::sqlite::control::OfficeReplica;
use std::sync::PoisonError;
use sync_core::change::SigningKey;
use sync_core::directory::Directory;
use sync_core::ids::{PersonId, ReplicaId};

impl Hand {
    /// The replica by which a person acts online, in the directory.
    ///
    /// # Errors
    /// That there is no such person; storage's own.
    pub(in crate::service) async fn office_replica(
        &self,
        district: &District,
        person: PersonId,
    ) -> Result<ReplicaId, ServiceError> {
        let state = district.state();
        if !state.directory.has_person(person) {
            return Err(ServiceError::NotFound);
        }
        let found = self.find_or_store(district, &state.directory, person)?;
        if state.directory.replica_by_id(found.replica).is_none() {
            let key = SigningKey::from_seed(&found.seed).verifying_key();
            add_replica(district, found.replica, key, person, Origin::Office).await?;
        }
        Ok(found.replica)
    }

    /// The newest one of this epoch that is good, or else a new one. It is in the control file before it is in the directory:
    /// one whose entry was not written is entered when it is next needed.
    fn find_or_store(
        &self,
        district: &District,
        directory: &Directory,
        person: PersonId,
    ) -> Result<OfficeReplica, ServiceError> {
        let epoch = district.state().facts.epoch().0;
        let control = self.control.lock();
        let control = control.unwrap_or_else(PoisonError::into_inner);
        let stored = control.list_office_replicas(district.code(), person, epoch)?;
        let good = stored
            .into_iter()
            .find(|stored| is_good(stored, directory, person));
        if let Some(good) = good {
            return Ok(good);
        }
        let mut new = OfficeReplica {
            replica: ReplicaId(new_uuid(&*self.clock, &*self.entropy)),
            seed: [0; 32],
        };
        self.entropy.fill(&mut new.seed);
        let now_ms = self.clock.wall_ms();
        control.insert_office_replica(district.code(), person, epoch, &new, now_ms)?;
        Ok(new)
    }
}

/// Whether the directory either does not know it yet, or knows it as this person's and under this key. One that was revoked
/// is not used again: what the person may do is said by their roles and by their own replica, which the token names.
fn is_good(stored: &OfficeReplica, directory: &Directory, person: PersonId) -> bool {
    directory.replica_by_id(stored.replica).is_none_or(|known| {
        known.office
            && known.person == person
            && known.revoked_ms.is_none()
            && known.key == SigningKey::from_seed(&stored.seed).verifying_key()
    })
}
