//! What ended is started again, on the disk as the fault left it, and must have kept what it promised.

use super::disk::{DamageRates, Node};
use super::plan::{DiskFault, Event};
use super::world::World;
use sync_core::replica::ReplicaError;

fn damage(node: &Node, fault: Option<(DiskFault, u32)>) {
    match fault {
        Some((DiskFault::PowerCut, seed)) => node.crash(u64::from(seed), &DamageRates::power()),
        // A process that ends leaves its page cache behind, unsynced as it is.
        _ => node.kill(),
    }
}

impl World {
    /// A phone's database said no. That must have a reason that the world knows of; the app is then started anew.
    pub(super) fn phone_failed(&mut self, index: usize, error: &ReplicaError) {
        let phone = &mut self.phones[index];
        let is_full = matches!(error, ReplicaError::Database(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull));
        if phone.node.fired().is_none() && !phone.node.is_dead() {
            let mut text = format!("phone {index} failed on a sound disk: {error}");
            if let Some(cause) = std::error::Error::source(error) {
                text = format!("{text}: {cause}");
            }
            self.violation(text);
            return;
        }
        if is_full {
            self.mark("phone_full");
        }
        self.phones[index].replica = None;
    }

    /// Starts again what ended, on the disk as the fault left it.
    pub(super) fn tend(&mut self) {
        for index in 0..self.phones.len() {
            if !self.phones[index].gone
                && (self.phones[index].replica.is_none() || self.phones[index].node.is_dead())
            {
                self.revive_phone(index);
            }
        }
        if self.server.node.is_dead() || !self.server.is_up() {
            self.revive_server();
        }
        for index in 0..self.phones.len() {
            if self.phones[index]
                .partition
                .is_some_and(|(_, until)| until <= self.event)
            {
                self.phones[index].partition = None;
            }
        }
    }

    fn count_fault(&mut self, on_server: bool, fault: DiskFault) {
        let event = if on_server {
            Event::ServerDisk {
                fault,
                call: 0,
                damage: 0,
            }
        } else {
            Event::PhoneDisk {
                phone: 0,
                fault,
                call: 0,
                damage: 0,
            }
        };
        let name = event.fault().expect("BUG: a disk fault has a name");
        self.struck(name);
    }

    fn revive_phone(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        phone.replica = None;
        let fault = phone.disk_fault.take();
        damage(&phone.node, fault);
        if let Some((fault, _)) = fault {
            self.count_fault(false, fault);
        }
        let phone = &mut self.phones[index];
        // The next start may meet the rest of a fault; a phone with a bad disk is not this world's concern.
        phone.node.heal();
        phone.node.forget_fired();
        if let Err(error) = phone.open() {
            let mut text = format!("phone {index} does not open after {fault:?}: {error}");
            if let Some(cause) = std::error::Error::source(&error) {
                text = format!("{text}: {cause}");
            }
            self.violation(text);
            self.phones[index].gone = true;
            return;
        }
        self.check_phone_after_crash(index, fault);
        // As an app does after each start.
        self.wipe(index);
    }

    fn check_phone_after_crash(&mut self, index: usize, fault: Option<(DiskFault, u32)>) {
        let phone = &self.phones[index];
        let Some(replica) = &phone.replica else {
            return;
        };
        let sound: rusqlite::Result<String> =
            replica
                .connection()
                .query_row("PRAGMA integrity_check", [], |row| row.get(0));
        let (name, seq, maybe_more) = phone.last_made;
        let head = replica.head();
        let id = replica.replica_id();
        if sound.as_deref() != Ok("ok") {
            self.violation(format!(
                "phone {index} is damaged after {fault:?}: {sound:?}"
            ));
        }
        let Ok((head, hash)) = head else {
            self.violation(format!("phone {index} has no head after {fault:?}"));
            return;
        };
        if id != name {
            // It went on under a new name just before; `note_head` did not come to it.
            let _ = self.phones[index].note_head();
            return;
        }
        if head == seq {
            self.phones[index].last_made.2 = false;
            // The phone died right after it had told that the change was made, before its hash could be asked for.
            for number in self.by_id.get(&(id, head)).cloned().unwrap_or_default() {
                let made = &mut self.made[number];
                if made.is_certain && made.hash == sync_core::change::Hash::ZERO {
                    made.hash = hash;
                }
            }
        } else if maybe_more && head > seq {
            let last = self
                .by_id
                .get(&(id, head))
                .and_then(|numbers| {
                    numbers
                        .iter()
                        .rfind(|number| !self.made[**number].is_certain)
                })
                .copied();
            if let Some(number) = last {
                self.mark("made_although_crashed");
                self.made[number].is_certain = true;
                self.made[number].hash = hash;
                self.phones[index].holds.insert(number);
            }
            self.phones[index].last_made = (id, head, false);
        } else {
            self.violation(format!(
                "phone {index} had made {seq} changes, and {head} are there after {fault:?}"
            ));
        }
    }

    fn revive_server(&mut self) {
        let was_dead = self.server.node.is_dead();
        self.server.drop_process();
        let fault = self.server_fault.take();
        damage(&self.server.node, fault);
        if let Some((fault, _)) = fault {
            self.count_fault(true, fault);
        }
        self.server.node.heal();
        self.server.node.forget_fired();
        self.start_server(false);
        // What of the last requests it has kept shows before further ones come.
        self.judge(Vec::new());
        let before = self.server_head_at_death.take();
        if let (true, Some(before), Some(district)) = (was_dead, before, self.server.district()) {
            if district.state().head.0 > before {
                self.mark("commit_before_crash");
            } else {
                self.mark("crash_before_commit");
            }
            let path = district.path().to_owned();
            let sound = rusqlite::Connection::open(path).and_then(|connection| {
                connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
            });
            if sound.as_deref() != Ok("ok") {
                self.violation(format!(
                    "the server's file is damaged after {fault:?}: {sound:?}"
                ));
            }
        }
    }

    pub(super) fn start_server(&mut self, restored: bool) {
        if let Err(error) = self.server.start(restored) {
            let troubled = self.server.node.is_dead() || self.server.node.fired().is_some();
            if !troubled {
                let mut text = format!("the server does not start: {error}");
                let mut cause = std::error::Error::source(&error);
                while let Some(inner) = cause {
                    text = format!("{text}: {inner}");
                    cause = inner.source();
                }
                self.violation(text);
            }
        }
    }
}
