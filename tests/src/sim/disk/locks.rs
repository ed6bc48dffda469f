//! The locks of one file between its open handles: SQLite's five levels, and the shared memory of write-ahead logging with its
//! eight slots. Nothing waits here: what cannot be had is refused at once.

use sqlite_plugin::flags::{LockLevel, ShmLockMode};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The number of an open handle, its own within a node.
pub type Holder = u64;

/// Somebody else holds what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

/// A piece of shared memory. It stays where it is for as long as anybody holds it.
pub type Region = Arc<[AtomicU64]>;

/// SQLite's `SQLITE_SHM_NLOCK`.
const SLOTS: usize = 8;

/// Who holds which level of a file's lock.
#[derive(Default)]
pub struct FileLocks {
    /// Those above `Unlocked`; a handful, so a list.
    held: Vec<(Holder, LockLevel)>,
}

impl FileLocks {
    /// Raises a handle's lock. A failed step to `Exclusive` may leave `Pending`, which keeps new readers out.
    pub fn lock(&mut self, holder: Holder, to: LockLevel) -> Result<(), Busy> {
        let own = self.level(holder);
        if own >= to {
            return Ok(());
        }
        let others = self.highest_of_others(holder);
        match to {
            LockLevel::Unlocked => {}
            LockLevel::Shared if others >= LockLevel::Pending => return Err(Busy),
            LockLevel::Shared => {}
            _ if others >= LockLevel::Reserved => return Err(Busy),
            LockLevel::Exclusive if others == LockLevel::Shared => {
                self.set(holder, LockLevel::Pending);
                return Err(Busy);
            }
            LockLevel::Reserved | LockLevel::Pending | LockLevel::Exclusive => {}
        }
        self.set(holder, to);
        Ok(())
    }

    /// Lowers a handle's lock.
    pub fn unlock(&mut self, holder: Holder, to: LockLevel) {
        if self.level(holder) > to {
            self.set(holder, to);
        }
    }

    /// Whether anybody means to write.
    pub fn is_reserved(&self) -> bool {
        self.held
            .iter()
            .any(|(_, level)| *level >= LockLevel::Reserved)
    }

    fn level(&self, holder: Holder) -> LockLevel {
        let own = self.held.iter().find(|(other, _)| *other == holder);
        own.map_or(LockLevel::Unlocked, |(_, level)| *level)
    }

    fn highest_of_others(&self, holder: Holder) -> LockLevel {
        let others = self.held.iter().filter(|(other, _)| *other != holder);
        others
            .map(|(_, level)| *level)
            .max()
            .unwrap_or(LockLevel::Unlocked)
    }

    fn set(&mut self, holder: Holder, level: LockLevel) {
        self.held.retain(|(other, _)| *other != holder);
        if level > LockLevel::Unlocked {
            self.held.push((holder, level));
        }
    }
}

#[derive(Default)]
struct Slot {
    exclusive: Option<Holder>,
    shared: Vec<Holder>,
}

impl Slot {
    fn is_free_for(&self, holder: Holder, exclusively: bool) -> bool {
        let no_writer = self.exclusive.is_none_or(|other| other == holder);
        no_writer && (!exclusively || self.shared.iter().all(|other| *other == holder))
    }
}

/// The index of a write-ahead log, which all connections of a file share.
#[derive(Default)]
pub struct SharedMemory {
    regions: Vec<Region>,
    users: Vec<Holder>,
    slots: [Slot; SLOTS],
}

impl SharedMemory {
    /// A region, made if `extend` asks for it. The caller keeps it while its pointer is in use.
    pub fn map(
        &mut self,
        holder: Holder,
        index: usize,
        size_bytes: usize,
        extend: bool,
    ) -> Option<Region> {
        if !self.users.contains(&holder) {
            self.users.push(holder);
        }
        while extend && self.regions.len() <= index {
            let words = size_bytes.div_ceil(size_of::<AtomicU64>());
            self.regions
                .push((0..words).map(|_| AtomicU64::new(0)).collect());
        }
        self.regions.get(index).cloned()
    }

    /// Takes or gives back `count` slots from `first` on: all of them or none.
    pub fn lock(
        &mut self,
        holder: Holder,
        first: usize,
        count: usize,
        mode: ShmLockMode,
    ) -> Result<(), Busy> {
        let slots = self.slots.get_mut(first..first + count).ok_or(Busy)?;
        let free = |exclusively| {
            let mut asked = slots.iter();
            asked.all(|slot| slot.is_free_for(holder, exclusively))
        };
        match mode {
            ShmLockMode::LockShared if !free(false) => return Err(Busy),
            ShmLockMode::LockExclusive if !free(true) => return Err(Busy),
            _ => {}
        }
        for slot in slots {
            match mode {
                ShmLockMode::LockShared if slot.shared.contains(&holder) => {}
                ShmLockMode::LockShared => slot.shared.push(holder),
                ShmLockMode::LockExclusive => slot.exclusive = Some(holder),
                ShmLockMode::UnlockShared | ShmLockMode::UnlockExclusive => release(slot, holder),
            }
        }
        Ok(())
    }

    /// A handle is done with the shared memory. The last one takes the regions along: the next user begins with zeros, as after
    /// a restart of the machine.
    pub fn unmap(&mut self, holder: Holder) {
        for slot in &mut self.slots {
            release(slot, holder);
        }
        self.users.retain(|other| *other != holder);
        if self.users.is_empty() {
            self.regions.clear();
        }
    }
}

fn release(slot: &mut Slot, holder: Holder) {
    slot.shared.retain(|other| *other != holder);
    slot.exclusive = slot.exclusive.filter(|other| *other != holder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use LockLevel::{Exclusive, Pending, Reserved, Shared, Unlocked};
    use ShmLockMode::{LockExclusive, LockShared, UnlockExclusive, UnlockShared};
    use std::sync::atomic::Ordering;

    #[test]
    fn one_writer_waits_for_readers_and_keeps_new_ones_out() {
        let mut locks = FileLocks::default();
        assert_eq!(locks.lock(1, Shared), Ok(()));
        assert_eq!(locks.lock(2, Shared), Ok(()));
        assert_eq!(locks.lock(1, Reserved), Ok(()));
        assert!(locks.is_reserved());
        assert_eq!(locks.lock(2, Reserved), Err(Busy));
        assert_eq!(locks.lock(3, Shared), Ok(()));
        locks.unlock(3, Unlocked);
        assert_eq!(locks.lock(1, Exclusive), Err(Busy));
        assert_eq!(locks.level(1), Pending);
        assert_eq!(locks.lock(3, Shared), Err(Busy));
        locks.unlock(2, Unlocked);
        assert_eq!(locks.lock(1, Exclusive), Ok(()));
        assert_eq!(locks.lock(2, Shared), Err(Busy));
        locks.unlock(1, Shared);
        assert_eq!(locks.lock(2, Shared), Ok(()));
        assert!(!locks.is_reserved());
    }

    #[test]
    fn slots_are_taken_all_or_none() {
        let mut memory = SharedMemory::default();
        assert_eq!(memory.lock(1, 3, 1, LockShared), Ok(()));
        assert_eq!(memory.lock(2, 3, 1, LockShared), Ok(()));
        assert_eq!(memory.lock(3, 1, 4, LockExclusive), Err(Busy));
        assert_eq!(memory.lock(3, 1, 2, LockExclusive), Ok(()));
        assert_eq!(memory.lock(1, 2, 1, LockShared), Err(Busy));
        assert_eq!(memory.lock(1, 3, 1, UnlockShared), Ok(()));
        assert_eq!(memory.lock(3, 3, 1, LockExclusive), Err(Busy));
        memory.unmap(2);
        assert_eq!(memory.lock(3, 3, 1, LockExclusive), Ok(()));
        assert_eq!(memory.lock(3, 1, 3, UnlockExclusive), Ok(()));
        assert_eq!(memory.lock(1, 1, 3, LockExclusive), Ok(()));
        assert_eq!(memory.lock(1, 7, 2, LockExclusive), Err(Busy));
    }

    #[test]
    fn shared_memory_is_one_until_its_last_user_leaves() {
        let mut memory = SharedMemory::default();
        assert!(memory.map(1, 0, 64, false).is_none());
        let first = memory.map(1, 1, 64, true).expect("made");
        first[0].store(5, Ordering::Relaxed);
        let second = memory.map(2, 1, 64, false).expect("there");
        assert_eq!(second[0].load(Ordering::Relaxed), 5);
        memory.unmap(1);
        assert!(memory.map(2, 1, 64, false).is_some());
        memory.unmap(2);
        assert!(memory.map(3, 1, 64, false).is_none());
    }
}
