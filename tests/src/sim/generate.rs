//! From a seed to a plan. Each seed draws which kinds of work and which faults it has at all, and how often (swarm
//! testing, Groce et al., ISSTA 2012): rare mixes come about that an even mix would never show.

use super::plan::{Cut, DiskFault, Event, Fate, Plan, Work};
use server::demo::Dice;

/// How much happens in a world.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Changes to be made at least.
    pub changes: u32,
    /// Faults to be met at least.
    pub faults: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            // Some are made on phones that are off, and some faults find nothing to strike at: so that at least 500 changes are
            // made and 20 faults strike.
            changes: 570,
            faults: 30,
        }
    }
}

/// What a phone's person may do, and how often of a hundred or so.
const WORK: [(Work, u32); 37] = [
    (Work::Report, 22),
    (Work::Amend, 18),
    (Work::Step, 18),
    (Work::Comment, 8),
    (Work::Move, 3),
    (Work::Visit, 8),
    (Work::AmendVisit, 3),
    (Work::VoidVisit, 2),
    (Work::Patrol, 4),
    (Work::CheckIn, 6),
    (Work::Join, 3),
    (Work::Finish, 2),
    (Work::Task, 2),
    (Work::Result, 2),
    (Work::Claim, 2),
    (Work::Attach, 2),
    (Work::Sealed, 3),
    (Work::Poison, 2),
    (Work::Repair, 3),
    (Work::Hearsay, 3),
    (Work::Needs, 2),
    (Work::OldForm, 4),
    (Work::Mediation, 2),
    (Work::Sign, 3),
    (Work::MediationStep, 3),
    (Work::Inspection, 2),
    (Work::Recheck, 2),
    (Work::InspectionStep, 3),
    (Work::ConfirmVisit, 2),
    (Work::Tick, 2),
    (Work::Confirm, 2),
    (Work::Doubt, 1),
    (Work::Pause, 1),
    (Work::Household, 1),
    (Work::Training, 1),
    (Work::SignIn, 1),
    (Work::GiveTask, 1),
];

/// The people who may have a phone from the start.
const PEOPLE: [u32; 8] = [1, 3, 4, 5, 6, 7, 8, 9];

/// The kinds of faults that are drawn apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Link,
    Partition,
    PhoneDisk,
    ServerDisk,
    Restart,
    PhoneClock,
    ServerClock,
    Clone,
    PutBack,
    Reinstall,
    Transfer,
    Revoke,
    Document,
    RestoreServer,
    RollBack,
    Backup,
    OlderApp,
    Replay,
    Rogue,
}

impl Kind {
    /// Whether a fault of this kind nearly always strikes, however often it comes.
    fn is_sure(self) -> bool {
        matches!(
            self,
            Kind::Link
                | Kind::Partition
                | Kind::Restart
                | Kind::PhoneClock
                | Kind::ServerClock
                | Kind::Replay
                | Kind::Rogue
        )
    }
}

const KINDS: [(Kind, u32); 19] = [
    (Kind::Link, 10),
    (Kind::Partition, 3),
    (Kind::PhoneDisk, 6),
    (Kind::ServerDisk, 6),
    (Kind::Restart, 3),
    (Kind::PhoneClock, 2),
    (Kind::ServerClock, 1),
    (Kind::Clone, 1),
    (Kind::PutBack, 1),
    (Kind::Reinstall, 1),
    (Kind::Transfer, 2),
    (Kind::Revoke, 1),
    (Kind::Document, 2),
    (Kind::RestoreServer, 1),
    (Kind::RollBack, 1),
    (Kind::Backup, 2),
    (Kind::OlderApp, 1),
    (Kind::Replay, 3),
    (Kind::Rogue, 2),
];

struct Generator {
    dice: Dice,
    work: Vec<(Work, u32)>,
    faults: Vec<(Kind, u32)>,
    /// Of a hundred events, so many are faults.
    fault_share: u64,
    /// Of a hundred exchanges, so many meet a bad link.
    link_share: u64,
    phones: u64,
    /// Updates that come when so many changes were made.
    updates: Vec<(u32, Event)>,
    events: Vec<Event>,
}

/// The plan of a seed. One seed in a hundred has no faults, which shows that the checks themselves are sound.
pub fn generate(seed: u64, size: &Size) -> Plan {
    let mut dice = Dice::new(seed ^ 0x6772_6964_776f_726b);
    let mut people = PEOPLE.to_vec();
    dice.shuffle(&mut people);
    let count = 4 + dice.below(4) as usize;
    people.truncate(count);
    let calm = seed % 100 == 99;
    let everything = seed % 100 == 98;
    let chosen = |dice: &mut Dice, share: u64| everything || dice.below(100) < share;
    let mut work = Vec::new();
    for (kind, weight) in WORK {
        if kind == Work::Report || chosen(&mut dice, 80) {
            work.push((kind, 1 + weight * (1 + dice.below(4) as u32) / 2));
        }
    }
    let mut faults: Vec<_> = KINDS
        .into_iter()
        .filter(|_| !calm && chosen(&mut dice, 50))
        .collect();
    if !calm && !faults.iter().any(|(kind, _)| kind.is_sure()) {
        let sure: Vec<_> = KINDS
            .into_iter()
            .filter(|(kind, _)| kind.is_sure())
            .collect();
        faults.push(*dice.pick(&sure));
    }
    let (old_apps, old_server, updates) = if !calm && chosen(&mut dice, 20) {
        versions(&mut dice, &people, size.changes)
    } else {
        (Vec::new(), false, Vec::new())
    };
    let mut generator = Generator {
        work,
        fault_share: if calm { 0 } else { 3 + dice.below(7) },
        link_share: if faults.iter().any(|(kind, _)| *kind == Kind::Link) {
            10 + dice.below(50)
        } else {
            0
        },
        faults,
        phones: count as u64,
        updates,
        events: Vec::new(),
        dice,
    };
    generator.fill(size, calm);
    Plan {
        seed,
        phones: people,
        old_apps,
        old_server,
        events: generator.events,
    }
}

/// Some phones begin with an older app, and in one such world in three the server is older than all of them; most get the
/// newest version on the way.
fn versions(dice: &mut Dice, people: &[u32], changes: u32) -> (Vec<u32>, bool, Vec<(u32, Event)>) {
    let mut updates = Vec::new();
    let old_server = dice.below(3) == 0;
    if old_server {
        let at = dice.below(u64::from(changes / 3)) as u32;
        updates.push((at, Event::UpdateServer));
    }
    let mut old_apps = Vec::new();
    // Two people can work from the start.
    for (phone, person) in people.iter().enumerate().skip(2) {
        if dice.below(2) == 0 {
            old_apps.push(*person);
            let at = dice.below(u64::from(changes) * 6 / 5) as u32;
            let phone = phone as u8;
            updates.push((at, Event::UpdateApp { phone }));
        }
    }
    updates.sort_by_key(|(at, _)| *at);
    (old_apps, old_server, updates)
}

fn draw<T: Copy>(dice: &mut Dice, table: &[(T, u32)]) -> T {
    let total: u64 = table.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let mut point = dice.below(total);
    for (value, weight) in table {
        match point.checked_sub(u64::from(*weight)) {
            None => return *value,
            Some(rest) => point = rest,
        }
    }
    unreachable!("BUG: the point lies within the total")
}

impl Generator {
    fn fill(&mut self, size: &Size, calm: bool) {
        let (mut changes, mut faults) = (0, 0);
        while changes < size.changes || (!calm && faults < size.faults) {
            let before = self.events.len();
            let phone = self.phone();
            while self.updates.first().is_some_and(|(at, _)| *at <= changes) {
                let (_, update) = self.updates.remove(0);
                self.events.push(update);
            }
            if changes < size.changes {
                for _ in 0..1 + self.dice.below(9) {
                    let work = draw(&mut self.dice, &self.work);
                    let pick = self.pick();
                    self.events.push(Event::Work { phone, work, pick });
                    changes += 1;
                }
            }
            if self.dice.below(3) > 0 {
                self.events.push(Event::Pass {
                    ms: 1_000 + self.dice.below(400_000) as u32,
                });
            }
            self.talk(phone);
            if !calm && changes >= size.changes {
                // The work is done, and too little went wrong: the rest is what cannot miss.
                let sure = self.faults.iter().filter(|(kind, _)| kind.is_sure());
                let sure: Vec<_> = sure.copied().collect();
                let kind = draw(&mut self.dice, &sure);
                self.fault(kind);
            } else if self.dice.below(100) < self.fault_share * 4 {
                let kind = draw(&mut self.dice, &self.faults);
                self.fault(kind);
            }
            if self.dice.below(12) == 0 {
                self.office();
            }
            faults += self.events[before..]
                .iter()
                .filter(|event| is_sure(event))
                .count() as u32;
        }
    }

    fn pick(&mut self) -> u32 {
        self.dice.next_u64() as u32
    }

    /// Phones that come to be on the way have numbers beyond the first; a number that is none is taken round.
    fn phone(&mut self) -> u8 {
        self.dice.below(self.phones) as u8
    }

    fn talk(&mut self, phone: u8) {
        match self.dice.below(6) {
            0 => {}
            1 => {
                let count = 2 + self.dice.below(2) as u8;
                self.events.push(Event::Together { phone, count });
            }
            _ => {
                let phone = if self.dice.below(3) == 0 {
                    self.phone()
                } else {
                    phone
                };
                let fate = if self.dice.below(100) < self.link_share {
                    self.bad_fate()
                } else {
                    Fate::Carried
                };
                self.events.push(Event::Sync { phone, fate });
            }
        }
    }

    fn bad_fate(&mut self) -> Fate {
        let permille = self.dice.below(1_000) as u16;
        let events = 1 + self.dice.below(30) as u8;
        match self.dice.below(12) {
            0 => Fate::RequestLost,
            1 => Fate::RequestCut(permille),
            2 => Fate::RequestSpoilt(permille),
            3 => Fate::RequestLate(events),
            4 => Fate::RequestTwice(events),
            5 | 6 => Fate::AnswerLost,
            7 => Fate::AnswerCut(permille),
            8 => Fate::AnswerSpoilt(permille),
            9 => Fate::AnswerLate(events),
            10 => Fate::CutShort,
            _ => Fate::CaptivePortal(permille as u8),
        }
    }

    fn disk_fault(&mut self) -> (DiskFault, u16, u32) {
        let fault = match self.dice.below(10) {
            0..=4 => DiskFault::PowerCut,
            5 | 6 => DiskFault::Kill,
            7 => DiskFault::Full(1 + self.dice.below(60) as u32),
            8 if self.dice.below(2) == 0 => DiskFault::WriteFails,
            8 => DiskFault::ReadFails,
            _ => DiskFault::SyncFails,
        };
        // Most commits take a handful of calls: the next few are hit as often as those of a while later.
        let reach = if self.dice.below(2) == 0 { 12 } else { 200 };
        let call = 1 + self.dice.below(reach) as u16;
        (fault, call, self.pick())
    }

    fn fault(&mut self, kind: Kind) {
        let phone = self.phone();
        let event = match kind {
            Kind::Link => Event::Sync {
                phone,
                fate: self.bad_fate(),
            },
            Kind::Partition if self.dice.below(4) == 0 => return self.clog(),
            Kind::Partition => Event::Partition {
                phone,
                cut: *self.dice.pick(&[Cut::Up, Cut::Down, Cut::Both]),
                events: 5 + self.dice.below(60) as u8,
            },
            Kind::PhoneDisk => {
                let (fault, call, damage) = self.disk_fault();
                Event::PhoneDisk {
                    phone,
                    fault,
                    call,
                    damage,
                }
            }
            Kind::ServerDisk => {
                let (fault, call, damage) = self.disk_fault();
                Event::ServerDisk {
                    fault,
                    call,
                    damage,
                }
            }
            Kind::Restart if self.dice.below(2) == 0 => Event::RestartServer,
            Kind::Restart => Event::RestartApp {
                phone,
                reboot: self.dice.below(2) == 0,
            },
            Kind::PhoneClock => Event::PhoneClock {
                phone,
                off_s: self.clock_off_s(),
            },
            Kind::ServerClock => {
                let jump_ms = self.dice.around_zero(3 * 3_600_000);
                self.events.push(Event::ServerClock { jump_ms });
                let phone = self.phone();
                self.talk(phone);
                Event::AgreeClock
            }
            Kind::Clone => Event::Clone { phone },
            Kind::PutBack if self.dice.below(2) == 0 => Event::Copy { phone },
            Kind::PutBack => Event::PutBack { phone },
            Kind::Reinstall => Event::Reinstall { phone },
            Kind::Transfer => Event::Transfer { pick: self.pick() },
            Kind::Revoke => Event::Revoke { phone },
            Kind::Document => Event::Document { pick: self.pick() },
            Kind::RestoreServer => Event::RestoreServer,
            Kind::RollBack => Event::RollBackServer,
            Kind::Backup => match self.dice.below(4) {
                0 => Event::RestoreBackup,
                1 => Event::Backup {
                    dies_at: Some(1 + self.dice.below(60) as u16),
                    damage: self.pick(),
                },
                _ => Event::Backup {
                    dies_at: None,
                    damage: 0,
                },
            },
            Kind::OlderApp if self.dice.below(2) == 0 => Event::OlderApp { phone },
            Kind::OlderApp => Event::UpdateApp { phone },
            Kind::Replay => Event::Replay {
                phone,
                pick: self.pick(),
            },
            Kind::Rogue => Event::Rogue { pick: self.pick() },
        };
        self.events.push(event);
    }

    /// Some of the phones are cut off at once, and come back one after the other.
    fn clog(&mut self) {
        let cut = *self.dice.pick(&[Cut::Up, Cut::Down, Cut::Both]);
        for phone in 0..self.phones as u8 {
            if self.dice.below(2) == 0 {
                let events = 5 + self.dice.below(60) as u8;
                self.events.push(Event::Partition { phone, cut, events });
            }
        }
    }

    /// A little off, hours, years, or as far as a clock goes.
    fn clock_off_s(&mut self) -> i64 {
        const YEAR_S: i64 = 366 * 86_400;
        match self.dice.below(6) {
            0 => 0,
            1 => self.dice.around_zero(600),
            2 => self.dice.around_zero(86_400),
            3 => self.dice.around_zero(YEAR_S),
            4 => -56 * YEAR_S,
            _ => 8_000 * YEAR_S,
        }
    }

    fn office(&mut self) {
        let event = match self.dice.below(5) {
            0 => Event::CopyServer,
            1 => Event::Enrol {
                person: *self.dice.pick(&PEOPLE),
            },
            2 => Event::Copy {
                phone: self.phone(),
            },
            _ => Event::Rule { pick: self.pick() },
        };
        self.events.push(event);
    }
}

/// Whether an event will count as a fault, whatever the world is like then.
fn is_sure(event: &Event) -> bool {
    match event {
        Event::Sync { .. } | Event::Replay { .. } | Event::Rogue { .. } => event.fault().is_some(),
        Event::Partition { .. } | Event::RestartServer | Event::RestartApp { .. } => true,
        Event::PhoneClock { .. } | Event::ServerClock { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_and_enough_of_everything() {
        let size = Size::default();
        for seed in 0..200 {
            let plan = generate(seed, &size);
            assert_eq!(plan, generate(seed, &size));
            let works = plan
                .events
                .iter()
                .filter(|event| matches!(event, Event::Work { .. }));
            assert!(works.count() >= size.changes as usize);
            let faults = plan.events.iter().filter(|event| is_sure(event)).count();
            let is_calm = seed % 100 == 99;
            assert!(if is_calm {
                faults == 0
            } else {
                faults >= size.faults as usize
            });
        }
    }
}
