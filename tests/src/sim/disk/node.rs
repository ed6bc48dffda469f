//! One simulated machine, as a test handles it: its files, its faults, its end and its return.

use super::damage::{DamageRates, after_power_cut};
use super::faults::{Fault, Fired};
use super::tree::{Files, Tree};
use super::{Machine, Nodes, ROOT};
use server::demo::Dice;
use std::path::PathBuf;
use std::sync::Arc;

/// A bit that was turned over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    /// In which file.
    pub file: String,
    /// In which byte.
    pub offset: usize,
    /// Which bit of it, 0 is the lowest.
    pub bit: u8,
}

/// A simulated machine. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node {
    name: String,
    machine: Arc<Machine>,
    nodes: Arc<Nodes>,
}

impl Node {
    pub(super) fn new(name: &str, machine: Arc<Machine>, nodes: Arc<Nodes>) -> Self {
        Self {
            name: name.to_owned(),
            machine,
            nodes,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of a file, for SQLite.
    pub fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("{ROOT}{}/{file}", self.name))
    }

    /// How many writing calls there were: write, truncate, sync, create, delete. These are the points to crash at. Crashes do
    /// not set it back; calls to a dead node do not count.
    pub fn calls(&self) -> u64 {
        self.machine.lock().writing_calls
    }

    /// How many reads there were.
    pub fn reads(&self) -> u64 {
        self.machine.lock().reads
    }

    /// Sets a fault to strike at the `at_call`-th writing call from now, the next one being 1: the first call from there on that
    /// the fault concerns. A fault of reads with `at_call` 1 strikes the next read. Several may be armed. The seed says what a
    /// failed sync drops and where a short write ends.
    pub fn arm(&self, fault: Fault, at_call: u64, seed: u64) {
        let mut state = self.machine.lock();
        let strikes_at = state.writing_calls + at_call;
        state.faults.arm(fault, strikes_at, seed);
    }

    /// Takes away the faults that have not struck yet.
    pub fn disarm(&self) {
        self.machine.lock().faults.disarm();
    }

    /// Ends the faults that have struck: the disk has room and does its work again. A dead node stays dead.
    pub fn heal(&self) {
        self.machine.lock().faults.heal();
    }

    /// Looks at the files as no process on the machine does: no fault strikes meanwhile, and none is used up.
    pub fn without_faults<T>(&self, look: impl FnOnce() -> T) -> T {
        let faults = std::mem::take(&mut self.machine.lock().faults);
        let seen = look();
        self.machine.lock().faults = faults;
        seen
    }

    /// The latest fault that struck, with the first call it struck.
    pub fn fired(&self) -> Option<Fired> {
        self.machine.lock().faults.fired().cloned()
    }

    /// Takes the latest fault that struck off the record.
    pub fn forget_fired(&self) {
        self.machine.lock().faults.forget_fired();
    }

    /// The node is dead from now on: every call of every connection fails and changes nothing.
    pub fn die(&self) {
        self.machine.lock().dead = true;
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.machine.lock().dead
    }

    /// The power is cut and comes back. What was not synced is damaged as the seed says; what is there afterwards is durable.
    /// Connections from before are dead for ever, faults are gone, and the node lives.
    pub fn crash(&self, seed: u64, rates: &DamageRates) {
        let mut state = self.machine.lock();
        let files = after_power_cut(&state.tree, seed, rates);
        state.start_again(Tree::of(&files));
    }

    /// What [`Node::crash`] would leave, with nothing changed: to try many seeds on one crash.
    pub fn crash_image(&self, seed: u64, rates: &DamageRates) -> Files {
        after_power_cut(&self.machine.lock().tree, seed, rates)
    }

    /// The process is killed and starts again, the machine goes on: every file is as reads saw it, and what was not synced is
    /// still not synced, so that a power cut later may take it. Otherwise as [`Node::crash`].
    pub fn kill(&self) {
        let mut state = self.machine.lock();
        let mut tree = std::mem::take(&mut state.tree);
        tree.drop_handles();
        state.start_again(tree);
    }

    /// A copy of all files as reads see them now.
    pub fn snapshot(&self) -> Files {
        self.machine.lock().tree.copy()
    }

    /// Puts these files in the place of all others, durable. Connections from before are dead for ever, faults are gone, and the
    /// node lives.
    pub fn restore(&self, files: &Files) {
        self.machine.lock().start_again(Tree::of(files));
    }

    /// Frees all that the node has. Handles to it stay dead; [`super::Disk::node`] makes a new one of that name.
    pub fn remove(&self) {
        let mut by_name = self.nodes.lock();
        if by_name
            .get(&self.name)
            .is_some_and(|found| Arc::ptr_eq(found, &self.machine))
        {
            by_name.remove(&self.name);
        }
        drop(by_name);
        let mut state = self.machine.lock();
        state.start_again(Tree::default());
        state.dead = true;
    }

    /// Turns over one bit of what lies on the disk, in any file, each byte as likely as any. `None` when there is none.
    ///
    /// It is gone again if the byte is written, or if a power cut loses a pending write over it.
    pub fn flip_bit(&self, seed: u64) -> Option<Flip> {
        self.flip(seed, |_| true)
    }

    /// As [`Node::flip_bit`], in one file.
    pub fn flip_bit_in(&self, file: &str, seed: u64) -> Option<Flip> {
        self.flip(seed, |name| name == file)
    }

    /// The bytes of all files together.
    pub fn size_bytes(&self) -> usize {
        self.files().iter().map(|(_, size)| size).sum()
    }

    /// The files and their sizes, in the order of their names.
    pub fn files(&self) -> Vec<(String, usize)> {
        let state = self.machine.lock();
        let files = state.tree.files();
        files
            .map(|(name, file)| (name.to_owned(), file.content().len()))
            .collect()
    }

    /// How many operations a power cut would decide about now.
    pub fn unsynced(&self) -> usize {
        let state = self.machine.lock();
        let files = state.tree.files();
        let pending: usize = files.map(|(_, file)| file.open_calls().count()).sum();
        pending + state.tree.graves().len()
    }

    fn flip(&self, seed: u64, wanted: impl Fn(&str) -> bool) -> Option<Flip> {
        let mut state = self.machine.lock();
        let sizes: Vec<(String, usize)> = state
            .tree
            .files()
            .filter(|(name, _)| wanted(name))
            .map(|(name, file)| (name.to_owned(), file.content().len()))
            .collect();
        let total: usize = sizes.iter().map(|(_, size)| size).sum();
        if total == 0 {
            return None;
        }
        let mut dice = Dice::new(seed);
        let mut offset = dice.below(total as u64) as usize;
        let bit = dice.below(8) as u8;
        for (file, size) in sizes {
            if offset < size {
                let slot = state.tree.find(&file).expect("BUG: a file without a slot");
                state.tree.slot(slot).file.flip(offset, bit);
                return Some(Flip { file, offset, bit });
            }
            offset -= size;
        }
        None
    }
}
