//! The files of one node by name, the handles on them, deleted files that may come back, and copies of all of it.

use super::content::Content;
use super::file::File;
use super::locks::{FileLocks, SharedMemory};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A file and who has it open.
pub struct Slot {
    /// Its bytes.
    pub file: File,
    /// Its locks.
    pub locks: FileLocks,
    /// The index of the write-ahead log of which it is the database.
    pub memory: SharedMemory,
    name: String,
    linked: bool,
    handles: usize,
}

impl Slot {
    fn new(name: &str, file: File) -> Self {
        Self {
            file,
            locks: FileLocks::default(),
            memory: SharedMemory::default(),
            name: name.to_owned(),
            linked: true,
            handles: 0,
        }
    }
}

/// A deleted file whose deletion no sync has made durable.
pub struct Grave {
    /// Its name.
    pub name: String,
    /// The call that deleted it.
    pub call: u64,
    /// What it was.
    pub file: File,
}

/// All files of a node.
#[derive(Default)]
pub struct Tree {
    slots: Vec<Option<Slot>>,
    names: BTreeMap<String, usize>,
    graves: Vec<Grave>,
}

impl Tree {
    /// These files, all durable.
    pub fn of(files: &Files) -> Self {
        let mut tree = Self::default();
        for (name, content) in files.files.iter() {
            tree.add(name, File::durable(content.clone()));
        }
        tree
    }

    /// The slot of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// A slot that a handle is on.
    pub fn slot(&mut self, slot: usize) -> &mut Slot {
        let found = self.slots.get_mut(slot).and_then(Option::as_mut);
        found.expect("BUG: a handle on a file that is gone")
    }

    /// The name a slot has, or had before it was deleted.
    pub fn name(&self, slot: usize) -> &str {
        let found = self.slots.get(slot).and_then(Option::as_ref);
        &found.expect("BUG: a handle on a file that is gone").name
    }

    /// A new file with no bytes. A file of that name that was deleted may still come back instead.
    pub fn create(&mut self, name: &str, call: u64) -> usize {
        self.add(name, File::created_by(call))
    }

    /// Takes a name away. Handles keep the file until the last one is closed, as on Unix.
    pub fn delete(&mut self, name: &str, call: u64) -> bool {
        let Some(slot) = self.names.remove(name) else {
            return false;
        };
        let deleted = self.slot(slot);
        deleted.linked = false;
        let file = deleted.file.clone();
        self.graves.retain(|grave| grave.name != name);
        self.graves.push(Grave {
            name: name.to_owned(),
            call,
            file,
        });
        self.free_if_unused(slot);
        true
    }

    /// Makes a file durable, and with it every deletion before.
    pub fn sync(&mut self, slot: usize) {
        self.slot(slot).file.sync();
        self.graves.clear();
    }

    /// One more handle.
    pub fn opened(&mut self, slot: usize) {
        self.slot(slot).handles += 1;
    }

    /// One handle less.
    pub fn closed(&mut self, slot: usize) {
        self.slot(slot).handles -= 1;
        self.free_if_unused(slot);
    }

    /// The process is gone: no handle, no lock, no shared memory. Files stay as reads saw them, pending operations stay pending.
    pub fn drop_handles(&mut self) {
        for slot in 0..self.slots.len() {
            if let Some(open) = &mut self.slots[slot] {
                open.handles = 0;
                open.locks = FileLocks::default();
                open.memory = SharedMemory::default();
                self.free_if_unused(slot);
            }
        }
    }

    /// The files that have a name, in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.names.iter().map(|(name, slot)| {
            let slot = self.slots[*slot].as_ref();
            let file = &slot.expect("BUG: a name without a file").file;
            (name.as_str(), file)
        })
    }

    /// Deleted files that may come back.
    pub fn graves(&self) -> &[Grave] {
        &self.graves
    }

    /// A copy of all files as reads see them.
    pub fn copy(&self) -> Files {
        self.files()
            .map(|(name, file)| (name.to_owned(), file.content().clone()))
            .collect()
    }

    fn add(&mut self, name: &str, file: File) -> usize {
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(Slot::new(name, file));
        self.names.insert(name.to_owned(), slot);
        slot
    }

    fn free_if_unused(&mut self, slot: usize) {
        let unused = |open: &mut Slot| !open.linked && open.handles == 0;
        self.slots[slot].take_if(unused);
    }
}

/// A copy of a node's files. Cheap to clone and to put back: bytes are shared until somebody writes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files {
    files: Arc<BTreeMap<String, Content>>,
}

impl Files {
    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The bytes of a file; `None` when there is none of that name.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.files.get(name).map(Content::to_vec)
    }

    /// These files and one more, which takes the place of one with the same name.
    #[must_use]
    pub fn with(mut self, name: &str, bytes: &[u8]) -> Self {
        Arc::make_mut(&mut self.files).insert(name.to_owned(), Content::of(bytes));
        self
    }

    /// These files but one.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.files).remove(name);
        self
    }

    /// The bytes of all files together.
    pub fn size_bytes(&self) -> usize {
        self.files.values().map(Content::len).sum()
    }
}

impl FromIterator<(String, Content)> for Files {
    fn from_iter<I: IntoIterator<Item = (String, Content)>>(files: I) -> Self {
        Self {
            files: Arc::new(files.into_iter().collect()),
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.files.iter().map(|(name, bytes)| (name, bytes.len()));
        f.debug_map().entries(sizes).finish()
    }
}
