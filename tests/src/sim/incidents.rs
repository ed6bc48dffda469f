//! What breaks: disks, processes, clocks, phones, the server; and what the office does meanwhile.

use super::disk::{Call, DamageRates, Fault, Node};
use super::district::{GRIDS, RULER};
use super::phone::{Copy, Phone};
use super::plan::{DiskFault, Event};
use super::server::now;
use super::world::{PHONES_MAX, World};
use server::demo::Dice;
use server::service::ServiceError;
use server::service::administration::AdminRequest;
use std::collections::BTreeSet;
use sync_core::entry::RulingKind;
use sync_core::ids::{PersonId, Pos, ReplicaId, UnitId};
use sync_core::replica::ReplicaError;

fn arm(node: &Node, fault: DiskFault, call: u16, seed: u32) {
    let error = |on| Fault::IoError { on, once: true };
    let fault = match fault {
        DiskFault::PowerCut | DiskFault::Kill => Fault::Crash,
        DiskFault::Full(calls) => Fault::Full { calls: Some(calls) },
        DiskFault::WriteFails if seed.is_multiple_of(2) => Fault::ShortWrite,
        DiskFault::WriteFails => error(Call::Write),
        DiskFault::SyncFails => error(Call::Sync),
        DiskFault::ReadFails => error(Call::Read),
    };
    node.disarm();
    node.arm(fault, u64::from(call), u64::from(seed));
}

fn damage(node: &Node, fault: Option<(DiskFault, u32)>) {
    match fault {
        Some((DiskFault::PowerCut, seed)) => node.crash(u64::from(seed), &DamageRates::power()),
        // A process that ends leaves its page cache behind, unsynced as it is.
        _ => node.kill(),
    }
}

impl World {
    pub(super) fn incident(&mut self, event: &Event) {
        match *event {
            Event::Partition { phone, cut, events } => {
                let index = self.phone_of(phone);
                self.phones[index].partition = Some((cut, self.event + usize::from(events)));
            }
            Event::PhoneDisk {
                phone,
                fault,
                call,
                damage,
            } => {
                let index = self.phone_of(phone);
                arm(&self.phones[index].node, fault, call, damage);
                self.phones[index].disk_fault = Some((fault, damage));
            }
            Event::ServerDisk {
                fault,
                call,
                damage,
            } => {
                arm(&self.server.node, fault, call, damage);
                self.server_fault = Some((fault, damage));
            }
            Event::RestartServer => {
                self.server.stop();
                self.start_server(false);
            }
            Event::RestartApp { phone, reboot } => self.restart_app(self.phone_of(phone), reboot),
            Event::PhoneClock { phone, off_s } => {
                let index = self.phone_of(phone);
                self.phones[index].clock_off_ms = off_s.saturating_mul(1_000);
            }
            Event::ServerClock { jump_ms } => {
                use server::clock::Clock as _;
                let wall_ms = self.server.clock.wall_ms() + jump_ms;
                self.server.clock.set_wall_ms(wall_ms);
            }
            Event::AgreeClock => {
                let _ = self.office(AdminRequest::AgreeClock);
            }
            Event::Clone { phone } => self.clone_phone(self.phone_of(phone)),
            Event::Copy { phone } => self.copy_phone(self.phone_of(phone)),
            Event::PutBack { phone } => self.put_back(self.phone_of(phone)),
            Event::Reinstall { phone } => self.reinstall(self.phone_of(phone)),
            Event::Enrol { person } => self.enrol(PersonId(person)),
            Event::Transfer { pick } => self.transfer(pick),
            Event::Revoke { phone } => self.revoke(self.phone_of(phone)),
            Event::Rule { pick } => self.rule(pick),
            Event::CopyServer => self.copy_server(),
            Event::RestoreServer => self.restore_server(),
            Event::Replay { phone, pick } => self.replay(self.phone_of(phone), pick),
            Event::Rogue { pick } => self.rogue(pick),
            Event::Work { .. }
            | Event::Sync { .. }
            | Event::Together { .. }
            | Event::Pass { .. } => {
                unreachable!("BUG: {event:?} is ordinary life")
            }
        }
    }

    /// What an operator does, on a server that may be down or troubled.
    fn office(&mut self, request: AdminRequest) -> Option<serde_json::Value> {
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
        *self.outcome.faults.entry(name).or_default() += 1;
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

    fn restart_app(&mut self, index: usize, reboot: bool) {
        if self.phones[index].gone {
            return;
        }
        let now_ms = {
            use server::clock::Clock as _;
            self.server.clock.monotonic_ms()
        };
        let phone = &mut self.phones[index];
        if reboot {
            phone.boot = phone.dice.next_u64() | 1;
            phone.booted_ms = now_ms;
        }
        if let Err(error) = phone.open() {
            self.phone_failed(index, &error);
        }
    }

    fn copy_phone(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        if phone.gone || phone.replica.is_none() || phone.node.is_dead() {
            return;
        }
        phone.copy = Some(Copy {
            files: phone.node.snapshot(),
            holds: phone.holds.clone(),
        });
    }

    fn clone_phone(&mut self, index: usize) {
        if self.phones.len() >= PHONES_MAX
            || !self.is_on(index)
            || self.phones[index].node.is_dead()
        {
            return;
        }
        let node = self.new_node();
        let phone = &mut self.phones[index];
        let files = phone.node.snapshot();
        let dice = Dice::new(phone.dice.next_u64());
        match Phone::from_files(node, phone.person, &files, dice) {
            Ok(mut copy) => {
                copy.holds = phone.holds.clone();
                copy.clock_off_ms = phone.clock_off_ms;
                copy.revoked = phone.revoked;
                copy.taken = phone.taken.clone();
                self.phones.push(copy);
                self.mark("clone_forked");
            }
            Err(error) => self.violation(format!("a cloned phone does not open: {error}")),
        }
    }

    fn put_back(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        let Some(copy) = phone.copy.clone().filter(|_| !phone.gone) else {
            return;
        };
        phone.replica = None;
        phone.node.restore(&copy.files);
        phone.holds = copy.holds;
        // What it was told since the copy, it has forgotten with the rest.
        phone.taken.clear();
        phone.disk_fault = None;
        match phone.open().and_then(|()| phone.note_head()) {
            Ok(()) => self.mark("old_copy_forked"),
            Err(error) => self.violation(format!("a copy does not open: {error}")),
        }
    }

    fn reinstall(&mut self, index: usize) {
        if self.phones[index].gone {
            return;
        }
        let person = self.phones[index].person;
        let phone = &mut self.phones[index];
        phone.replica = None;
        phone.gone = true;
        // What was not handed in is lost with the phone, and its person knows.
        phone.holds = BTreeSet::new();
        self.mark("reinstalled");
        self.enrol(person);
    }

    fn enrol(&mut self, person: PersonId) {
        if self.phones.len() >= PHONES_MAX || !self.server.is_up() || self.server.node.is_dead() {
            return;
        }
        let node = self.new_node();
        let dice = Dice::new(self.dice.next_u64());
        match Phone::enrol(&self.server, node, person, dice) {
            Ok(phone) => self.phones.push(phone),
            Err(error) => self.refused("an enrolment", &error),
        }
    }

    /// A worker's or volunteer's place changes.
    fn transfer(&mut self, pick: u32) {
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
            return;
        };
        let held = district
            .state()
            .directory
            .grants(person)
            .iter()
            .find(|grant| grant.role == role && grant.until_ms.is_none())
            .map(|grant| grant.unit);
        drop(district);
        if let Some(unit) = held.filter(|_| dice.below(4) > 0) {
            self.office(AdminRequest::Revoke {
                person,
                role: role.to_owned(),
                unit,
            });
        }
        let unit = if dice.below(3) == 0 {
            UnitId(4 + dice.below(3) as u32)
        } else {
            *dice.pick(&GRIDS)
        };
        self.office(AdminRequest::Grant {
            person,
            role: role.to_owned(),
            unit,
        });
    }

    fn revoke(&mut self, index: usize) {
        let others = self
            .phones
            .iter()
            .filter(|phone| !phone.gone && !phone.revoked)
            .count();
        // Somebody must be left to see that the rest of the world goes on.
        if self.phones[index].gone || self.phones[index].revoked || others < 3 {
            return;
        }
        let Some(replica) = self.phones[index]
            .replica
            .as_ref()
            .map(|replica| replica.replica_id())
        else {
            return;
        };
        if self
            .office(AdminRequest::RevokeReplica { replica })
            .is_some()
        {
            self.note_revoked(replica);
        }
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
    fn rule(&mut self, pick: u32) {
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

    fn copy_server(&mut self) {
        if self.server.is_up() && !self.server.node.is_dead() {
            self.server_copy = Some(self.server.node.snapshot());
            self.judge.copy();
        }
    }

    fn restore_server(&mut self) {
        let Some(copy) = self.server_copy.clone() else {
            return;
        };
        if self.server.node.is_dead() {
            return;
        }
        self.server.node.disarm();
        self.server_fault = None;
        self.server.put_back(&copy);
        self.unjudged.clear();
        self.judge.restore();
        self.mark("restored");
        self.start_server(true);
    }
}
