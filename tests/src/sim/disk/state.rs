//! What the storage calls of one node do to its files: counted, past its faults, and refused once it is dead.

use super::faults::{Call, Effect, Faults};
use super::locks::Holder;
use super::tree::{Slot, Tree};
use server::demo::Dice;
use sqlite_plugin::flags::LockLevel;

/// A file that grows beyond this is a runaway.
const FILE_BYTES_MAX: usize = 1 << 30;

/// Why a call was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The node is dead, or the handle is older than its last crash.
    Dead,
    /// The disk is full.
    Full,
    /// An input or output error; the seed is that of the call.
    Failed(u64),
    /// There is no such file, or there is one where none may be.
    Missing,
}

/// An open file. Good until the node's next crash.
#[derive(Clone, Copy)]
pub struct Opened {
    slot: usize,
    generation: u64,
    /// Its number as a holder of locks.
    pub holder: Holder,
}

/// One node: its files, its faults, its counts.
#[derive(Default)]
pub struct State {
    /// The files.
    pub tree: Tree,
    /// What is set to go wrong.
    pub faults: Faults,
    /// Whether every call fails.
    pub dead: bool,
    /// How many writing calls there were.
    pub writing_calls: u64,
    /// How many reads there were.
    pub reads: u64,
    generation: u64,
    handles_made: u64,
}

/// How a call that is allowed is to be done.
enum Pass {
    Whole,
    Short(u64),
}

impl State {
    /// Puts other files in place; every open handle is dead from now on, no fault is left, the node lives.
    pub fn start_again(&mut self, tree: Tree) {
        self.tree = tree;
        self.generation += 1;
        self.faults.clear();
        self.dead = false;
    }

    /// The slot of an open file, unless it is dead.
    pub fn slot(&mut self, file: &Opened) -> Result<&mut Slot, Refusal> {
        if self.dead || file.generation != self.generation {
            return Err(Refusal::Dead);
        }
        Ok(self.tree.slot(file.slot))
    }

    /// Opens a file, or makes it.
    pub fn open(&mut self, name: &str, create: bool, must_create: bool) -> Result<Opened, Refusal> {
        if self.dead {
            return Err(Refusal::Dead);
        }
        let slot = match self.tree.find(name) {
            Some(_) if must_create => return Err(Refusal::Missing),
            Some(slot) => slot,
            None if !create => return Err(Refusal::Missing),
            None => {
                self.writing_calls += 1;
                self.strike(Call::Create, false, name)?;
                self.tree.create(name, self.writing_calls)
            }
        };
        self.tree.opened(slot);
        self.handles_made += 1;
        Ok(Opened {
            slot,
            generation: self.generation,
            holder: self.handles_made,
        })
    }

    /// Closes a file and gives back its locks; of a handle from before a crash nothing is left to close.
    pub fn close(&mut self, file: &Opened) {
        if file.generation == self.generation {
            let slot = self.tree.slot(file.slot);
            slot.locks.unlock(file.holder, LockLevel::Unlocked);
            slot.memory.unmap(file.holder);
            self.tree.closed(file.slot);
        }
    }

    /// Deletes a file by name.
    pub fn delete(&mut self, name: &str) -> Result<(), Refusal> {
        if self.dead {
            return Err(Refusal::Dead);
        }
        if self.tree.find(name).is_none() {
            return Err(Refusal::Missing);
        }
        self.writing_calls += 1;
        self.strike(Call::Delete, false, name)?;
        self.tree.delete(name, self.writing_calls);
        Ok(())
    }

    /// Whether there is a file of that name with bytes in it.
    pub fn has_bytes(&mut self, name: &str) -> Result<bool, Refusal> {
        if self.dead {
            return Err(Refusal::Dead);
        }
        let slot = self.tree.find(name);
        Ok(slot.is_some_and(|slot| !self.tree.slot(slot).file.content().is_empty()))
    }

    /// Reads bytes and says how many there were.
    pub fn read(
        &mut self,
        file: &Opened,
        offset: usize,
        into: &mut [u8],
    ) -> Result<usize, Refusal> {
        self.slot(file)?;
        self.reads += 1;
        if !self.faults.is_empty() {
            let name = self.tree.name(file.slot).to_owned();
            self.strike(Call::Read, false, &name)?;
        }
        Ok(self.tree.slot(file.slot).file.content().read(offset, into))
    }

    /// Writes bytes.
    pub fn write(&mut self, file: &Opened, offset: usize, bytes: &[u8]) -> Result<(), Refusal> {
        let size = self.slot(file)?.file.content().len();
        let end = offset.saturating_add(bytes.len());
        if end > FILE_BYTES_MAX {
            return Err(Refusal::Full);
        }
        let pass = self.pass(Call::Write, end > size, file)?;
        let call = self.writing_calls;
        let written = &mut self.tree.slot(file.slot).file;
        match pass {
            Pass::Whole => {
                written.write(call, offset, bytes);
                Ok(())
            }
            Pass::Short(seed) => {
                let done = Dice::new(seed).below(bytes.len().max(1) as u64) as usize;
                written.write(call, offset, &bytes[..done]);
                Err(Refusal::Failed(seed))
            }
        }
    }

    /// Cuts or lengthens a file.
    pub fn truncate(&mut self, file: &Opened, len: usize) -> Result<(), Refusal> {
        let size = self.slot(file)?.file.content().len();
        if len > FILE_BYTES_MAX {
            return Err(Refusal::Full);
        }
        self.pass(Call::Truncate, len > size, file)?;
        let call = self.writing_calls;
        self.tree.slot(file.slot).file.resize(call, len);
        Ok(())
    }

    /// Makes a file durable.
    pub fn sync(&mut self, file: &Opened) -> Result<(), Refusal> {
        self.slot(file)?;
        match self.pass(Call::Sync, false, file) {
            Ok(_) => self.tree.sync(file.slot),
            Err(Refusal::Failed(seed)) => {
                let mut dice = Dice::new(seed);
                self.tree.slot(file.slot).file.fail_sync(&mut dice);
                return Err(Refusal::Failed(seed));
            }
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    fn pass(&mut self, call: Call, grows: bool, file: &Opened) -> Result<Pass, Refusal> {
        self.writing_calls += 1;
        if self.faults.is_empty() {
            return Ok(Pass::Whole);
        }
        let name = self.tree.name(file.slot).to_owned();
        self.strike(call, grows, &name)
    }

    fn strike(&mut self, call: Call, grows: bool, name: &str) -> Result<Pass, Refusal> {
        let number = self.writing_calls + u64::from(call == Call::Read);
        match self.faults.meet(number, call, grows, name) {
            Effect::None => Ok(Pass::Whole),
            Effect::Die => {
                self.dead = true;
                Err(Refusal::Dead)
            }
            Effect::Full => Err(Refusal::Full),
            Effect::Error { seed } => Err(Refusal::Failed(seed)),
            Effect::Short { seed } => Ok(Pass::Short(seed)),
        }
    }
}
