//! One operation, crashed at every storage call that it makes.

use super::Side;
use super::state::State;
use crate::sim::disk::{DamageRates, Disk, Fault, Files, Node};
use crate::sim::server::Server;
use rusqlite::Connection;
use serde::Serialize;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use sync_core::replica::Replica;

/// Violations of one operation that are told.
const VIOLATIONS_MAX: usize = 5;
/// Damages that are tried on a machine that was killed, went on, and then lost its power.
const LATE_CUTS: u64 = 4;

/// What runs on a node.
pub enum Machine {
    /// A server.
    Server(Box<Server>),
    /// A phone's database.
    Phone(Box<Replica>),
    /// A database alone.
    Database(Connection),
    /// Nothing: the operation starts it.
    Off,
}

impl Machine {
    /// The server.
    ///
    /// # Panics
    /// When it is none.
    pub fn server(&mut self) -> &mut Server {
        match self {
            Self::Server(server) => server,
            _ => panic!("BUG: not a server"),
        }
    }

    /// The phone's replica.
    ///
    /// # Panics
    /// When it is none.
    pub fn replica(&mut self) -> &mut Replica {
        match self {
            Self::Phone(replica) => replica,
            _ => panic!("BUG: not a phone"),
        }
    }
}

/// What must hold when an operation is asked for again after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The same answer and state as without the crash.
    Same,
    /// It works, and may say something else: it counts how often it was asked.
    Works,
}

/// Starts a machine on a node.
type Start = Box<dyn Fn(&Node) -> Result<Machine, String> + Send + Sync>;
/// Does the operation and says what it answered.
type Act = Box<dyn Fn(&Node, &mut Machine) -> Result<Vec<u8>, String> + Send + Sync>;

/// An operation and the state that it starts from.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Whose it is.
    pub side: Side,
    /// How many commits it makes at most; between two of them a crash may leave what is between them.
    pub commits: usize,
    /// What must hold when it is asked for again.
    pub expected: Expected,
    /// The databases of the node.
    pub databases: Vec<&'static str>,
    /// A table that each start fills in a way of its own, such as with codes that are drawn.
    pub passed_over: Option<&'static str>,
    /// The disk before it.
    pub files: Files,
    /// Starts the machine, also after a crash.
    pub start: Start,
    /// The operation.
    pub act: Act,
}

/// How thorough.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Power cuts that are tried at each call.
    pub damages: u64,
    /// Only each so-manyth call is crashed at, and the last one, which mostly is the sync of a commit.
    pub stride: u64,
}

/// What came of one operation.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// Storage calls that it makes.
    pub calls: u64,
    /// Calls at which it was crashed.
    pub crashes: u64,
    /// Times that the machine was started again and looked at.
    pub runs: u64,
    /// Different disks that the crashes left.
    pub distinct_images: u64,
    /// Promises that were broken.
    pub violations: Vec<String>,
}

/// Crashes one operation everywhere.
pub fn sweep_case(case: &Case, options: &Options) -> Report {
    static SWEEPS: AtomicU64 = AtomicU64::new(0);
    let number = SWEEPS.fetch_add(1, Ordering::Relaxed);
    let disk = Disk::install();
    let mut sweep = Sweep {
        case,
        victim: disk.node(&format!("sweep{number}.victim")),
        reborn: disk.node(&format!("sweep{number}.reborn")),
        seen: BTreeSet::new(),
        between: Vec::new(),
        report: Report {
            name: case.name,
            ..Report::default()
        },
    };
    let swept = catch_unwind(AssertUnwindSafe(|| sweep.everywhere(options)));
    let ended = swept.unwrap_or_else(|panic| Err(panic_text(&*panic)));
    if let Err(text) = ended {
        sweep.violation(text);
    }
    sweep.victim.remove();
    sweep.reborn.remove();
    sweep.report
}

/// How an operation goes when nothing happens.
struct Clean {
    before: State,
    first: Result<Vec<u8>, String>,
    after: State,
    again: Result<Vec<u8>, String>,
    after_again: State,
}

struct Sweep<'a> {
    case: &'a Case,
    victim: Node,
    reborn: Node,
    seen: BTreeSet<u64>,
    /// States that are neither the one before nor the one after.
    between: Vec<State>,
    report: Report,
}

impl Sweep<'_> {
    fn violation(&mut self, text: String) {
        if self.report.violations.len() < VIOLATIONS_MAX {
            self.report.violations.push(text);
        }
    }

    fn state(&self, node: &Node) -> Result<State, String> {
        let mut state = State::read(node, &self.case.databases)?;
        if let Some(table) = self.case.passed_over {
            state.pass_over(table);
        }
        Ok(state)
    }

    fn act(&self, node: &Node, machine: &mut Machine) -> Result<Vec<u8>, String> {
        (self.case.act)(node, machine)
    }

    fn everywhere(&mut self, options: &Options) -> Result<(), String> {
        let clean = self.without_a_crash()?;
        let mut at_call = 1;
        while at_call <= self.report.calls {
            if self.report.violations.len() >= VIOLATIONS_MAX {
                break;
            }
            self.crash_at(at_call, &clean, options);
            let is_last = at_call == self.report.calls;
            at_call = (at_call + options.stride.max(1)).min(self.report.calls);
            at_call += u64::from(is_last);
        }
        // A state between two commits is one state, however the disk came to it.
        let between_max = self.case.commits.saturating_sub(1);
        if self.between.len() > between_max {
            let count = self.between.len();
            self.violation(format!(
                "{count} states between before and after, {between_max} allowed"
            ));
        }
        Ok(())
    }

    fn without_a_crash(&mut self) -> Result<Clean, String> {
        let node = self.victim.clone();
        node.restore(&self.case.files);
        let mut machine = (self.case.start)(&node)?;
        let before = self.state(&node)?;
        if matches!(machine, Machine::Off) {
            // Looking at it took its log in.
            node.restore(&self.case.files);
        }
        let calls = node.calls();
        let first = self.act(&node, &mut machine);
        self.report.calls = node.calls() - calls;
        let after = self.state(&node)?;
        let again = self.act(&node, &mut machine);
        let after_again = self.state(&node)?;
        drop(machine);
        if let Err(error) = &first {
            return Err(format!("it fails without a crash: {error}"));
        }
        Ok(Clean {
            before,
            first,
            after,
            again,
            after_again,
        })
    }

    fn crash_at(&mut self, at_call: u64, clean: &Clean, options: &Options) {
        let node = self.victim.clone();
        node.restore(&self.case.files);
        let machine = (self.case.start)(&node);
        let Ok(mut machine) = machine else {
            self.violation(format!("call {at_call}: it did not start a second time"));
            return;
        };
        node.arm(Fault::Crash, at_call, 0);
        let answered = self.act(&node, &mut machine);
        if !node.is_dead() {
            // The storage layer made fewer calls this time, as when it waits with a sync for more.
            return;
        }
        drop(machine);
        self.report.crashes += 1;
        let power = DamageRates::power();
        let mut images = vec![node.crash_image(0, &DamageRates::none())];
        images.extend((0..options.damages).map(|seed| node.crash_image(seed, &power)));
        let mut fresh = Vec::new();
        for (index, image) in images.into_iter().enumerate() {
            if self.seen.insert(fingerprint(&image)) {
                self.report.distinct_images += 1;
                fresh.push((index, image));
            }
        }
        for (index, image) in &fresh {
            let place = format!("call {at_call}, image {index}");
            if let Err(text) = self.start_again(image, clean, answered.is_ok()) {
                self.violation(format!("{place}: {text}"));
            }
        }
        if let Some((_, image)) = fresh.last()
            && let Err(text) = self.crash_while_recovering(image, clean, at_call)
        {
            self.violation(format!("call {at_call}, crashed again: {text}"));
        }
        if let Err(text) = self.kill_then_cut(&node, at_call) {
            self.violation(format!("call {at_call}, killed and then cut: {text}"));
        }
    }

    /// What a crash left: sound, whole, and good for another try.
    fn start_again(
        &mut self,
        image: &Files,
        clean: &Clean,
        was_answered: bool,
    ) -> Result<(), String> {
        self.report.runs += 1;
        let node = self.reborn.clone();
        node.restore(image);
        let mut machine =
            (self.case.start)(&node).map_err(|error| format!("does not start: {error}"))?;
        let state = self.state(&node)?;
        let is_after = state == clean.after;
        if was_answered && !is_after {
            let where_ = state.differences(&clean.after).join(" ");
            return Err(format!(
                "it had been answered and is not there: {where_} differ"
            ));
        }
        let is_before = state == clean.before;
        if !is_before && !is_after && !self.between.contains(&state) {
            self.between.push(state.clone());
            if self.case.commits < 2 {
                let (before, after) = (
                    state.differences(&clean.before),
                    state.differences(&clean.after),
                );
                return Err(format!(
                    "neither before ({}) nor after ({})",
                    before.join(" "),
                    after.join(" ")
                ));
            }
        }
        if matches!(machine, Machine::Off) {
            // Looking at it took its log in; the operation is to find the disk as the crash left it.
            node.restore(image);
        }
        let answer = self.act(&node, &mut machine);
        let state = self.state(&node)?;
        drop(machine);
        if self.case.expected == Expected::Works {
            return answer
                .map(|_| ())
                .map_err(|error| format!("asked again: {error}"));
        }
        let (expected, expected_state) = if is_after && !is_before {
            (&clean.again, &clean.after_again)
        } else {
            (&clean.first, &clean.after)
        };
        if answer != *expected {
            return Err(format!(
                "asked again it says {} instead of {}",
                show(&answer),
                show(expected)
            ));
        }
        if state != *expected_state {
            let where_ = state.differences(expected_state).join(" ");
            return Err(format!("asked again it comes to another end: {where_}"));
        }
        Ok(())
    }

    /// A second crash, in what the start after the first one does.
    fn crash_while_recovering(
        &mut self,
        image: &Files,
        clean: &Clean,
        turn: u64,
    ) -> Result<(), String> {
        let node = self.reborn.clone();
        node.restore(image);
        let calls = node.calls();
        drop((self.case.start)(&node));
        let count = node.calls() - calls;
        if count == 0 {
            return Ok(());
        }
        node.restore(image);
        node.arm(Fault::Crash, 1 + turn % count, 0);
        // Whether it starts does not matter.
        let machine = (self.case.start)(&node);
        node.die();
        drop(machine);
        let second = node.crash_image(turn, &DamageRates::power());
        self.start_again(&second, clean, false)
    }

    /// The process is killed, the machine goes on; the process is started again, answers the same question, and then the
    /// power goes: what it had read as there must be there.
    fn kill_then_cut(&mut self, node: &Node, turn: u64) -> Result<(), String> {
        node.kill();
        let mut machine =
            (self.case.start)(node).map_err(|error| format!("does not start: {error}"))?;
        let started = self.state(node)?;
        self.cut(node, &started, turn, "what the restarted process had read")?;
        if matches!(machine, Machine::Off) {
            return Ok(());
        }
        // Whatever it says now relies on what it has read.
        let _ = self.act(node, &mut machine);
        let answered = self.state(node)?;
        let ended = self.cut(
            node,
            &answered,
            turn,
            "what the restarted process had answered from",
        );
        node.die();
        drop(machine);
        ended
    }

    fn cut(&mut self, node: &Node, state: &State, turn: u64, what: &str) -> Result<(), String> {
        for seed in 0..LATE_CUTS {
            self.report.runs += 1;
            let image = node.crash_image(turn * LATE_CUTS + seed, &DamageRates::power());
            let reborn = self.reborn.clone();
            reborn.restore(&image);
            let machine = (self.case.start)(&reborn)
                .map_err(|error| format!("does not start after the cut: {error}"))?;
            let found = self.state(&reborn)?;
            drop(machine);
            if found != *state {
                let where_ = found.differences(state).join(" ");
                return Err(format!("{what} is gone: {where_} differ"));
            }
        }
        Ok(())
    }
}

fn fingerprint(files: &Files) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in files.names() {
        name.hash(&mut hasher);
        files.get(name).hash(&mut hasher);
    }
    hasher.finish()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without a word"))
}

/// An answer, short enough for a line.
fn show(answer: &Result<Vec<u8>, String>) -> String {
    match answer {
        Ok(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if text.len() < 200 => format!("\"{text}\""),
            _ => format!("{} bytes", bytes.len()),
        },
        Err(text) => format!("no: {text}"),
    }
}
