//! A world: one server, some phones, what passes between them, and a private note of all that was made and promised.
//!
//! It knows no fault by itself: [`super::plan`] says what happens, [`super::exchange`] carries messages,
//! [`super::incidents`] breaks things, [`super::check`] looks at the end.

use super::disk::Disk;
use super::district::BEGINS_MS;
use super::judge::{Asked, Judge};
use super::marks::Marks;
use super::phone::Phone;
use super::plan::{DiskFault, Event, Plan, Work};
use super::restores::ServerCopy;
use super::rogue::Rogue;
use super::server::Server;
use super::template::{OLD, Template};
use server::clock::FixedClock;
use server::demo::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use sync_core::change::Hash;
use sync_core::ids::{PersonId, Pos, RecordId, ReplicaId, Seq, UnitId};
use sync_core::kinds::KnownIntents;
use sync_core::replica::MakeError;

/// Phones that a world holds at most; more are not enrolled.
pub const PHONES_MAX: usize = 14;

/// One change as its author remembers it.
#[derive(Clone, Debug)]
pub struct Made {
    /// The text that stands in it and in no other.
    pub mark: String,
    /// The name it was made under, and its place in the chain.
    pub id: (ReplicaId, Seq),
    /// Its hash, which tells it from a clone's.
    pub hash: Hash,
    /// Whether it is known to have reached the disk: the call that made it returned, or it was found there.
    pub is_certain: bool,
    /// The history of the log in which the server last acknowledged it.
    pub acknowledged: Option<u32>,
}

/// A verdict that left the server.
#[derive(Clone, Debug)]
pub struct Promise {
    /// In which history of the log.
    pub history: u32,
    /// The answer and the time that it fixed.
    pub bytes: Vec<u8>,
}

/// Something on its way.
pub enum Flight {
    /// A request; its answer goes to the phone when somebody still waits for it.
    Request {
        /// Whose.
        phone: usize,
        /// Its number; `None` when nobody waits for the answer.
        request_no: Option<u64>,
        /// The body.
        bytes: Vec<u8>,
    },
    /// An answer.
    Answer {
        /// For whom.
        phone: usize,
        /// The number of its request.
        request_no: u64,
        /// The body.
        bytes: Vec<u8>,
    },
}

/// How a world ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Promises that were broken, each in a sentence.
    pub violations: Vec<String>,
    /// Changes that were made.
    pub changes: u64,
    /// Faults that struck, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Situations that came about.
    pub marks: Marks,
    /// A hash over all that happened: the same for the same plan and code.
    pub trace: String,
    /// Entries of the log at the end.
    pub entries: u64,
    /// The log itself, a line an entry, when a promise was broken.
    pub log: Vec<String>,
}

/// See the module.
pub struct World {
    pub(super) disk: &'static Disk,
    pub(super) name: String,
    pub(super) server: Server,
    pub(super) server_fault: Option<(DiskFault, u32)>,
    pub(super) server_copy: Option<ServerCopy>,
    pub(super) backup: Option<ServerCopy>,
    pub(super) backups: u32,
    /// How often the log was put back to an earlier state, told or untold.
    pub(super) history: u32,
    /// Whether that ever happened without anybody telling the server.
    pub(super) rolled_back: bool,
    /// The head before the call in which the server died.
    pub(super) server_head_at_death: Option<Pos>,
    pub(super) phones: Vec<Phone>,
    pub(super) made: Vec<Made>,
    pub(super) by_id: BTreeMap<(ReplicaId, Seq), Vec<usize>>,
    pub(super) reports: Vec<(RecordId, UnitId)>,
    pub(super) promises: BTreeMap<(ReplicaId, Seq), Promise>,
    /// Of which history each copy was that was put back, and which one it ended.
    pub(super) put_back: Vec<(u32, u32)>,
    /// Names that two phones have had, the second as a copy of the first.
    pub(super) shared: BTreeSet<ReplicaId>,
    pub(super) flights: Vec<(usize, Flight)>,
    pub(super) event: usize,
    pub(super) dice: Dice,
    pub(super) rogue: Rogue,
    pub(super) judge: Judge,
    /// Requests that the model has not taken yet, since nobody knows whether the server has.
    pub(super) unjudged: Vec<Asked>,
    pub(super) outcome: Outcome,
    trace: Hash,
}

/// Node names must not meet those of a world in another thread.
static WORLDS: AtomicU64 = AtomicU64::new(0);

impl World {
    /// A world at its beginning: the small district with its phones enrolled.
    pub fn new(plan: &Plan) -> Self {
        let disk = Disk::install();
        let name = format!("w{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let clock = Arc::new(FixedClock::at(BEGINS_MS));
        let template = if plan.old_server {
            Template::old()
        } else {
            Template::get()
        };
        let node = disk.node(&format!("{name}.server"));
        node.restore(&template.server);
        let mut server = Server::new(node, clock, plan.seed);
        if plan.old_server {
            server.known = OLD;
        }
        server
            .start(false)
            .expect("BUG: the template's server starts");
        let mut world = Self {
            disk,
            name,
            server,
            server_fault: None,
            server_copy: None,
            backup: None,
            backups: 0,
            history: 0,
            rolled_back: false,
            server_head_at_death: None,
            phones: Vec::new(),
            made: Vec::new(),
            by_id: BTreeMap::new(),
            reports: Vec::new(),
            promises: BTreeMap::new(),
            put_back: Vec::new(),
            shared: BTreeSet::new(),
            flights: Vec::new(),
            event: 0,
            dice: Dice::new(plan.seed ^ 0x0077_6f72_6c64),
            rogue: template.rogue.clone(),
            judge: template.judge.clone(),
            unjudged: Vec::new(),
            outcome: Outcome::default(),
            trace: Hash::ZERO,
        };
        for person in &plan.phones {
            let is_old = plan.old_apps.contains(person);
            let (phones, known) = if is_old {
                (&template.old_phones, OLD)
            } else {
                (&template.phones, KnownIntents::ALL)
            };
            let files = phones
                .get(person)
                .expect("BUG: a plan names a person of the small district");
            let node = world.new_node();
            let dice = Dice::new(plan.seed ^ (u64::from(*person) << 40));
            let phone = Phone::from_files(node, PersonId(*person), files, dice, known)
                .expect("BUG: the template's phones open");
            world.phones.push(phone);
        }
        world
    }

    pub(super) fn new_node(&self) -> super::disk::Node {
        self.disk
            .node(&format!("{}.phone{}", self.name, self.phones.len()))
    }

    /// Lives through a plan and looks at the end.
    pub fn run(plan: &Plan) -> Outcome {
        let mut world = Self::new(plan);
        for (index, event) in plan.events.iter().enumerate() {
            world.event = index;
            world.land_flights();
            world.happen(event);
            world.tend();
            world.judge(Vec::new());
            world.note_trace(event);
            if !world.outcome.violations.is_empty() {
                return world.end();
            }
        }
        world.event = plan.events.len();
        world.heal();
        world.settle();
        // What did not come to rest fails every later check as well, and says nothing by it.
        if world.outcome.violations.is_empty() {
            world.check();
        }
        world.end()
    }

    fn end(mut self) -> Outcome {
        self.outcome.trace = self.trace.to_string();
        if !self.outcome.violations.is_empty() {
            self.outcome.log = self.describe_log();
        }
        self.outcome.changes = self.made.iter().filter(|made| made.is_certain).count() as u64;
        self.server.node.die();
        self.server.drop_process();
        self.server.node.remove();
        for phone in &mut self.phones {
            phone.node.die();
            phone.replica = None;
            phone.node.remove();
        }
        self.outcome
    }

    /// A promise was broken.
    pub(super) fn violation(&mut self, text: impl std::fmt::Display) {
        if self.outcome.violations.len() < 10 {
            self.outcome
                .violations
                .push(format!("event {}: {text}", self.event));
        }
    }

    /// A fault struck; one that is only set to strike, or finds nothing to strike at, does not count.
    pub(super) fn struck(&mut self, name: &'static str) {
        *self.outcome.faults.entry(name).or_default() += 1;
    }

    pub(super) fn mark(&mut self, name: &'static str) {
        self.outcome.marks.hit(name);
    }

    fn note_trace(&mut self, event: &Event) {
        let head = self.server.district().map_or((0, Hash::ZERO), |district| {
            let head = district.state().head;
            (head.0.0, head.1)
        });
        let line = format!("{event:?} {} {} {}", head.0, head.1, self.made.len());
        self.trace = Hash::of(&[&self.trace.0, line.as_bytes()]);
    }

    /// The phone that an event names: numbers go round, past those that are no more.
    pub(super) fn phone_of(&self, number: u8) -> usize {
        let (first, count) = (usize::from(number), self.phones.len());
        (first..first + count)
            .map(|index| index % count)
            .find(|index| !self.phones[*index].gone)
            .unwrap_or(first % count)
    }

    /// The same for work: an app that does not know an intent does not offer it, and somebody else does the work.
    fn worker_of(&self, number: u8) -> usize {
        let first = self.phone_of(number);
        let count = self.phones.len();
        let is_able = |index: &usize| {
            let phone = &self.phones[*index];
            !phone.gone && phone.known == KnownIntents::ALL
        };
        (first..first + count)
            .map(|index| index % count)
            .find(is_able)
            .unwrap_or(first)
    }

    /// Whether others are left who work, so that the rest of the world goes on when this phone does so no more. Databases
    /// under one name end together.
    pub(super) fn goes_on_without(&self, index: usize) -> bool {
        let name = |phone: &Phone| phone.replica.as_ref().map(|replica| replica.replica_id());
        let ends = name(&self.phones[index]);
        let works = |(other, phone): &(usize, &Phone)| {
            *other != index
                && (ends.is_none() || name(phone) != ends)
                && !phone.gone
                && !phone.revoked
                && phone.known == KnownIntents::ALL
        };
        self.phones.iter().enumerate().filter(works).count() >= 2
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Work { phone, work, pick } => self.work(self.worker_of(phone), work, pick),
            Event::Sync { phone, fate } => self.sync(self.phone_of(phone), fate),
            Event::Together { phone, count } => self.together(phone, count),
            Event::Pass { ms } => self.server.clock.advance_ms(ms),
            _ => {
                if self.incident(event)
                    && let Some(name) = event.fault()
                {
                    self.struck(name);
                }
            }
        }
    }

    /// Makes one change and notes it.
    fn work(&mut self, index: usize, work: Work, pick: u32) {
        let phone = &self.phones[index];
        if phone.gone || phone.replica.is_none() || phone.known != KnownIntents::ALL {
            return;
        }
        // Where there is nothing to do it to, there is always something to report.
        let wish = self
            .wish(index, work, pick)
            .or_else(|| self.wish(index, Work::Report, pick));
        let Some(mut wish) = wish else {
            return;
        };
        wish.draft.open = serde_json::to_vec(&wish.fields).expect("BUG: fields are JSON");
        let (record, unit) = (wish.draft.record, wish.draft.unit);
        let at = self.phones[index].clocks(&self.server);
        if self.phones[index].clock_off_ms.abs() > 300 * 86_400_000 {
            self.mark("clock_a_year_off");
        }
        let Some(replica) = &mut self.phones[index].replica else {
            return;
        };
        let id = replica.replica_id();
        match replica.make_change(wish.draft, at) {
            Ok(seq) => {
                let head = replica.head().map_or(Hash::ZERO, |(_, hash)| hash);
                self.note_made(index, wish.mark, (id, seq), head, true);
                if matches!(work, Work::Report | Work::Sealed) {
                    self.reports.push((record, unit));
                }
            }
            Err(MakeError::Invalid(problems)) => {
                self.violation(format!(
                    "phone {index} refused its own {work:?}: {problems:?}"
                ));
            }
            Err(MakeError::Replica(error)) => {
                let seq = Seq(self.phones[index].last_made.1.0 + 1);
                // It may be on the disk all the same.
                self.phones[index].last_made.2 = true;
                self.note_made(index, wish.mark, (id, seq), Hash::ZERO, false);
                if self.phones[index].node.is_dead() {
                    self.mark("phone_crash_while_making");
                }
                self.phone_failed(index, &error);
            }
        }
    }

    fn note_made(
        &mut self,
        index: usize,
        mark: String,
        id: (ReplicaId, Seq),
        hash: Hash,
        is_certain: bool,
    ) {
        let number = self.made.len();
        self.made.push(Made {
            mark,
            id,
            hash,
            is_certain,
            acknowledged: None,
        });
        self.by_id.entry(id).or_default().push(number);
        if is_certain {
            self.phones[index].holds.insert(number);
            self.phones[index].last_made = (id.0, id.1, false);
        }
    }
}
