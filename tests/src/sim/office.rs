//! What the office does meanwhile: roles, revocations, rulings.

use super::district::{GRIDS, RULER};
use super::server::now;
use super::world::World;
use server::demo::Dice;
use server::service::ServiceError;
use server::service::administration::AdminRequest;
use sync_core::entry::RulingKind;
use sync_core::ids::{PersonId, Pos, ReplicaId, UnitId};

impl World {
    /// What an operator does, on a server that may be down or troubled.
    pub(super) fn office(&mut self, request: AdminRequest) -> Option<serde_json::Value> {
        let gridwork = self.server.gridwork()?;
        if !self.server.is_up() {
            return None;
        }
        match now(Box::pin(gridwork.administer(None, request))) {
            Ok(value) => Some(value),
            Err(
                ServiceError::NotFound | ServiceError::Forbidden | ServiceError::Conflict { .. },
            ) => None,
            Err(error) => {
                self.refused("the office", &error);
                None
            }
        }
    }

    /// A worker's or volunteer's place changes.
    pub(super) fn transfer(&mut self, pick: u32) -> bool {
        let people = [
            (4, "worker"),
            (5, "worker"),
            (6, "worker"),
            (9, "patrol_member"),
        ];
        let mut dice = Dice::new(u64::from(pick));
        let (person, role) = *dice.pick(&people);
        let person = PersonId(person);
        let Some(district) = self.server.district() else {
            return false;
        };
        let held = district
            .state()
            .directory
            .grants(person)
            .iter()
            .find(|grant| grant.role == role && grant.until_ms.is_none())
            .map(|grant| grant.unit);
        drop(district);
        let mut moved = false;
        if let Some(unit) = held.filter(|_| dice.below(4) > 0) {
            let request = AdminRequest::Revoke {
                person,
                role: role.to_owned(),
                unit,
            };
            moved |= self.office(request).is_some();
        }
        let unit = if dice.below(3) == 0 {
            UnitId(4 + dice.below(3) as u32)
        } else {
            *dice.pick(&GRIDS)
        };
        let request = AdminRequest::Grant {
            person,
            role: role.to_owned(),
            unit,
        };
        moved |= self.office(request).is_some();
        moved
    }

    pub(super) fn revoke(&mut self, index: usize) -> bool {
        if self.phones[index].gone || self.phones[index].revoked || !self.goes_on_without(index) {
            return false;
        }
        let Some(replica) = self.phones[index]
            .replica
            .as_ref()
            .map(|replica| replica.replica_id())
        else {
            return false;
        };
        let revoked = self
            .office(AdminRequest::RevokeReplica { replica })
            .is_some();
        if revoked {
            self.note_revoked(replica);
        }
        revoked
    }

    fn note_revoked(&mut self, name: ReplicaId) {
        for phone in &mut self.phones {
            if phone
                .replica
                .as_ref()
                .is_some_and(|replica| replica.replica_id() == name)
            {
                phone.revoked = true;
            }
        }
    }

    /// Somebody at the desk rules about something that waits.
    pub(super) fn rule(&mut self, pick: u32) {
        let Some(inbox) = self.office(AdminRequest::Inbox) else {
            return;
        };
        let rows = inbox["inbox"].as_array().cloned().unwrap_or_default();
        if rows.is_empty() {
            return;
        }
        let row = &rows[pick as usize % rows.len()];
        let Some(pos) = row["pos"].as_u64() else {
            self.violation("the inbox has a row without a place");
            return;
        };
        let (ruling, mark) = if pick & 0x100 == 0 {
            (RulingKind::Admitted, "admitted")
        } else {
            (RulingKind::Rejected, "rejected")
        };
        let request = AdminRequest::Rule {
            pos: Pos(pos),
            ruling,
            by: RULER,
            reason: "看过了".to_owned(),
        };
        if self.office(request).is_some() {
            self.mark(mark);
        }
    }
}
