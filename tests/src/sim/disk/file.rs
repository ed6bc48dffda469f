//! One file as reads see it, with what is needed to say what the disk would hold after a power cut: the operations since its
//! last sync, each with what it overwrote. A sync forgets them; only a crash walks them back.

use super::content::Content;
use server::demo::Dice;

/// What became of an operation that is still listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Not synced: a power cut decides.
    Open,
    /// Synced, and listed only because something before it was not.
    Synced,
    /// A failed sync dropped it: reads see it until the power goes, no later sync brings it back.
    Lost,
}

#[derive(Clone)]
enum Change {
    Write {
        offset: usize,
        len: usize,
        size_before: usize,
        /// Where in `overwritten` the bytes lie that it wrote over.
        overwritten_at: usize,
    },
    Resize {
        len: usize,
        before: Content,
    },
}

#[derive(Clone)]
struct Pending {
    call: u64,
    change: Change,
    settled: Settled,
}

/// A pending operation, to be done again on what was synced.
pub struct Redo {
    /// The number of the storage call.
    pub call: u64,
    /// What became of it.
    pub settled: Settled,
    /// What it does.
    pub change: RedoChange,
}

/// What an operation does.
pub enum RedoChange {
    /// Puts bytes at an offset.
    Write {
        /// Where.
        offset: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// Cuts or lengthens the file.
    Resize {
        /// Its size afterwards.
        len: usize,
    },
}

/// The bytes of a file and what of them is not synced.
#[derive(Clone, Default)]
pub struct File {
    content: Content,
    /// The call that made the file, while no sync has made that durable.
    created: Option<u64>,
    pending: Vec<Pending>,
    /// Bytes that pending writes wrote over, one after the other.
    overwritten: Vec<u8>,
    any_lost: bool,
}

impl File {
    /// A new file, made by that call.
    pub fn created_by(call: u64) -> Self {
        Self {
            created: Some(call),
            ..Self::default()
        }
    }

    /// A file that lies on the disk with this content.
    pub fn durable(content: Content) -> Self {
        Self {
            content,
            ..Self::default()
        }
    }

    /// What reads see.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The call that made it, if no sync has made that durable.
    pub fn created(&self) -> Option<u64> {
        self.created
    }

    /// The calls whose outcome a power cut decides, in order.
    pub fn open_calls(&self) -> impl Iterator<Item = u64> {
        let open = |pending: &&Pending| pending.settled == Settled::Open;
        let changes = self.pending.iter().filter(open).map(|pending| pending.call);
        self.created.into_iter().chain(changes)
    }

    /// Whether a power cut would leave it as reads see it.
    pub fn is_durable(&self) -> bool {
        self.pending.is_empty() && self.created.is_none()
    }

    /// Writes, unsynced.
    pub fn write(&mut self, call: u64, offset: usize, bytes: &[u8]) {
        let size_before = self.content.len();
        let overwritten_at = self.overwritten.len();
        let old = overlap(offset, bytes.len(), size_before);
        self.content.read_onto(offset, old, &mut self.overwritten);
        self.content.write(offset, bytes);
        self.note(
            call,
            Change::Write {
                offset,
                len: bytes.len(),
                size_before,
                overwritten_at,
            },
        );
    }

    /// Cuts or lengthens, unsynced.
    pub fn resize(&mut self, call: u64, len: usize) {
        let before = self.content.clone();
        self.content.resize(len);
        self.note(call, Change::Resize { len, before });
    }

    /// Makes all that is pending durable, but what a failed sync has dropped.
    pub fn sync(&mut self) {
        self.created = None;
        if self.any_lost {
            for pending in &mut self.pending {
                if pending.settled == Settled::Open {
                    pending.settled = Settled::Synced;
                }
            }
        } else {
            self.pending.clear();
            self.overwritten.clear();
        }
    }

    /// A sync that failed: the dice say what will never reach the disk, the rest stays pending.
    pub fn fail_sync(&mut self, dice: &mut Dice) {
        for pending in &mut self.pending {
            if pending.settled == Settled::Open && dice.below(2) == 0 {
                pending.settled = Settled::Lost;
                self.any_lost = true;
            }
        }
    }

    /// Turns over one bit of what lies there.
    pub fn flip(&mut self, offset: usize, bit: u8) {
        self.content.flip(offset, bit);
    }

    /// What lay there before the first pending operation, and these operations in order.
    pub fn unwind(&self) -> (Content, Vec<Redo>) {
        let mut content = self.content.clone();
        let mut redo = Vec::with_capacity(self.pending.len());
        for pending in self.pending.iter().rev() {
            let change = self.undo(&pending.change, &mut content);
            redo.push(Redo {
                call: pending.call,
                settled: pending.settled,
                change,
            });
        }
        redo.reverse();
        (content, redo)
    }

    fn undo(&self, change: &Change, content: &mut Content) -> RedoChange {
        match change {
            Change::Write {
                offset,
                len,
                size_before,
                overwritten_at,
            } => {
                let mut bytes = Vec::with_capacity(*len);
                content.read_onto(*offset, *len, &mut bytes);
                content.resize(*size_before);
                let old = overlap(*offset, *len, *size_before);
                content.write(
                    *offset,
                    &self.overwritten[*overwritten_at..*overwritten_at + old],
                );
                RedoChange::Write {
                    offset: *offset,
                    bytes,
                }
            }
            Change::Resize { len, before } => {
                *content = before.clone();
                RedoChange::Resize { len: *len }
            }
        }
    }

    fn note(&mut self, call: u64, change: Change) {
        self.pending.push(Pending {
            call,
            change,
            settled: Settled::Open,
        });
    }
}

/// How many of `len` bytes at `offset` lie in a file of that size.
fn overlap(offset: usize, len: usize, size: usize) -> usize {
    (offset + len).min(size).saturating_sub(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redone(base: &Content, redo: &[Redo]) -> Content {
        let mut content = base.clone();
        for step in redo {
            match &step.change {
                RedoChange::Write { offset, bytes } => content.write(*offset, bytes),
                RedoChange::Resize { len } => content.resize(*len),
            }
        }
        content
    }

    #[test]
    fn walking_back_and_doing_again_agree_with_a_plain_model() {
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let mut file = File::created_by(0);
            let mut synced: Vec<u8> = Vec::new();
            let mut seen: Vec<u8> = Vec::new();
            for call in 1..60 {
                let at = dice.below(40_000) as usize;
                match dice.below(8) {
                    0 => {
                        file.sync();
                        synced.clone_from(&seen);
                    }
                    1 => {
                        file.resize(call, at);
                        seen.resize(at, 0);
                    }
                    _ => {
                        let bytes = vec![call as u8; 1 + dice.below(9_000) as usize];
                        file.write(call, at, &bytes);
                        seen.resize(seen.len().max(at + bytes.len()), 0);
                        seen[at..at + bytes.len()].copy_from_slice(&bytes);
                    }
                }
            }
            let (base, redo) = file.unwind();
            assert_eq!(file.content().to_vec(), seen, "seed {seed}");
            assert_eq!(base.to_vec(), synced, "seed {seed}");
            assert!(redone(&base, &redo) == *file.content(), "seed {seed}");
        }
    }

    #[test]
    fn what_a_failed_sync_dropped_no_later_sync_brings_back() {
        let mut file = File::durable(Content::of(b"aaaa"));
        for call in 1..=32 {
            file.write(call, call as usize, b"b");
        }
        file.fail_sync(&mut Dice::new(1));
        file.write(33, 0, b"c");
        file.sync();
        let (_, redo) = file.unwind();
        let lost = redo.iter().filter(|redo| redo.settled == Settled::Lost);
        assert!((1..32).contains(&lost.count()));
        assert!(redo.iter().all(|redo| redo.settled != Settled::Open));
        assert_eq!(file.open_calls().count(), 0);
        assert!(!file.is_durable());
    }
}
