//! What breaks: disks, links, clocks, and what may become of a phone.

use super::disk::{Call, Fault, Node};
use super::phone::{Copy, Phone};
use super::plan::{DiskFault, Event};
use super::template::OLD;
use super::world::{PHONES_MAX, World};
use server::demo::Dice;
use server::service::administration::AdminRequest;
use std::collections::BTreeSet;
use sync_core::ids::PersonId;
use sync_core::kinds::KnownIntents;
use sync_core::replica::Replica;

pub(super) fn arm(node: &Node, fault: DiskFault, call: u16, seed: u32) {
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

impl World {
    /// Something goes wrong. Whether it found anything to strike at; a disk's fault counts when it strikes.
    pub(super) fn incident(&mut self, event: &Event) -> bool {
        match *event {
            Event::Partition { phone, cut, events } => {
                let index = self.phone_of(phone);
                self.phones[index].partition = Some((cut, self.event + usize::from(events)));
                true
            }
            Event::PhoneDisk { .. } | Event::ServerDisk { .. } => {
                self.set_disk_fault(event);
                false
            }
            Event::RestartServer => {
                self.server.stop();
                self.start_server(false);
                true
            }
            Event::RestartApp { phone, reboot } => self.restart_app(self.phone_of(phone), reboot),
            Event::UpdateApp { phone } => self.update_app(self.phone_of(phone)),
            Event::OlderApp { phone } => self.older_app(self.phone_of(phone)),
            Event::PhoneClock { phone, off_s } => {
                let index = self.phone_of(phone);
                self.phones[index].clock_off_ms = off_s.saturating_mul(1_000);
                true
            }
            Event::ServerClock { jump_ms } => {
                use server::clock::Clock as _;
                let wall_ms = self.server.clock.wall_ms() + jump_ms;
                self.server.clock.set_wall_ms(wall_ms);
                true
            }
            Event::AgreeClock => self.office(AdminRequest::AgreeClock).is_some(),
            Event::Clone { phone } => self.clone_phone(self.phone_of(phone)),
            Event::Copy { phone } => self.copy_phone(self.phone_of(phone)),
            Event::PutBack { phone } => self.put_back(self.phone_of(phone)),
            Event::Reinstall { phone } => self.reinstall(self.phone_of(phone)),
            Event::Enrol { person } => self.enrol(PersonId(person)),
            Event::Transfer { pick } => self.transfer(pick),
            Event::Revoke { phone } => self.revoke(self.phone_of(phone)),
            Event::Document { pick } => self.change_document(pick),
            Event::Rule { pick } => {
                self.rule(pick);
                false
            }
            Event::CopyServer
            | Event::RestoreServer
            | Event::RollBackServer
            | Event::Backup { .. }
            | Event::RestoreBackup
            | Event::UpdateServer => self.replace_server(event),
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

    fn set_disk_fault(&mut self, event: &Event) {
        match *event {
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
            _ => unreachable!("BUG: {event:?} is no fault of a disk"),
        }
    }

    /// The newest app on what an older one has left.
    fn update_app(&mut self, index: usize) -> bool {
        let phone = &mut self.phones[index];
        if phone.gone || phone.known == KnownIntents::ALL {
            return false;
        }
        let unread = phone.unread().unwrap_or_default();
        let has_unread = !unread.is_empty();
        phone.kept_unread.extend(unread);
        phone.known = KnownIntents::ALL;
        if has_unread {
            self.mark("kept_unread");
        }
        self.restart_app(index, false)
    }

    fn older_app(&mut self, index: usize) -> bool {
        if !self.goes_on_without(index) {
            return false;
        }
        let phone = &mut self.phones[index];
        if phone.gone || phone.known == OLD {
            return false;
        }
        phone.known = OLD;
        self.mark("older_app");
        self.restart_app(index, false)
    }

    fn restart_app(&mut self, index: usize, reboot: bool) -> bool {
        if self.phones[index].gone {
            return false;
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
        true
    }

    fn copy_phone(&mut self, index: usize) -> bool {
        let phone = &mut self.phones[index];
        if phone.gone || phone.replica.is_none() || phone.node.is_dead() {
            return false;
        }
        phone.copy = Some(Copy {
            files: phone.node.snapshot(),
            holds: phone.holds.clone(),
        });
        true
    }

    fn clone_phone(&mut self, index: usize) -> bool {
        if self.phones.len() >= PHONES_MAX
            || !self.is_on(index)
            || self.phones[index].node.is_dead()
        {
            return false;
        }
        let node = self.new_node();
        let phone = &mut self.phones[index];
        let files = phone.node.snapshot();
        let dice = Dice::new(phone.dice.next_u64());
        match Phone::from_files(node, phone.person, &files, dice, phone.known) {
            Ok(mut copy) => {
                let name = copy.replica.as_ref().map(Replica::replica_id);
                self.shared.extend(name);
                copy.holds = phone.holds.clone();
                copy.clock_off_ms = phone.clock_off_ms;
                copy.revoked = phone.revoked;
                copy.forks = phone.forks;
                copy.taken = phone.taken.clone();
                self.phones.push(copy);
                self.mark("clone_forked");
            }
            Err(error) => self.violation(format!("a cloned phone does not open: {error}")),
        }
        true
    }

    fn put_back(&mut self, index: usize) -> bool {
        let phone = &mut self.phones[index];
        let Some(copy) = phone.copy.clone().filter(|_| !phone.gone) else {
            return false;
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
        true
    }

    fn reinstall(&mut self, index: usize) -> bool {
        if self.phones[index].gone || !self.goes_on_without(index) {
            return false;
        }
        let person = self.phones[index].person;
        let phone = &mut self.phones[index];
        phone.replica = None;
        phone.gone = true;
        // What was not handed in is lost with the phone, and its person knows.
        phone.holds = BTreeSet::new();
        self.mark("reinstalled");
        self.enrol(person);
        true
    }

    fn enrol(&mut self, person: PersonId) -> bool {
        if self.phones.len() >= PHONES_MAX || !self.server.is_up() || self.server.node.is_dead() {
            return false;
        }
        let node = self.new_node();
        let dice = Dice::new(self.dice.next_u64());
        match Phone::enrol(&self.server, node, person, dice) {
            Ok(phone) => self.phones.push(phone),
            Err(error) => self.refused("an enrolment", &error),
        }
        true
    }
}
