//! What a power cut leaves of operations that no sync has made durable. Pure: from the files, a seed and the rates to the files
//! that the disk holds afterwards.
//!
//! Operations that are kept are kept in the order in which they were made, each or not on its own. An older write over a newer
//! one needs no order of its own: it is the newer one lost.

use super::content::Content;
use super::file::{File, Redo, RedoChange, Settled};
use super::tree::{Files, Tree};
use server::demo::Dice;

/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;

/// How much a power cut destroys, in percent.
///
/// A cut falls into one of four kinds: everything pending is lost, everything is kept, everything up to one call is kept (and
/// that one torn), or each operation meets a fate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamageRates {
    /// Of all cuts: everything pending is lost.
    pub all_lost: u8,
    /// Of all cuts: everything pending is kept.
    pub all_kept: u8,
    /// Of all cuts: everything up to one call is kept.
    pub ends_at_one_call: u8,
    /// Of the operations in the cuts that remain: lost.
    pub lost: u8,
    /// Of the operations in the cuts that remain: torn at a multiple of 512 bytes.
    pub torn: u8,
    /// Of the operations in the cuts that remain: garbage in a part of what was written.
    pub garbage: u8,
    /// No power cut at all: all that reads saw is there, even what a failed sync had dropped.
    pub cache_survives: bool,
}

impl DamageRates {
    /// No damage: the end of a process. All that reads saw is there, and durable.
    pub fn none() -> Self {
        Self {
            all_lost: 0,
            all_kept: 100,
            ends_at_one_call: 0,
            lost: 0,
            torn: 0,
            garbage: 0,
            cache_survives: true,
        }
    }

    /// All that a power cut may do.
    pub fn power() -> Self {
        Self {
            all_lost: 15,
            all_kept: 10,
            ends_at_one_call: 25,
            lost: 40,
            torn: 20,
            garbage: 15,
            cache_survives: false,
        }
    }
}

/// The files that the disk holds after a power cut.
pub fn after_power_cut(tree: &Tree, seed: u64, rates: &DamageRates) -> Files {
    if rates.cache_survives {
        return tree.copy();
    }
    let mut damage = Damage::new(tree, seed, *rates);
    let mut left: Vec<(String, Content)> = Vec::new();
    for (name, file) in tree.files() {
        if let Some(content) = damage.file(file) {
            left.push((name.to_owned(), content));
        }
    }
    for grave in tree.graves() {
        let deleted = damage.is_kept(grave.call);
        let name_is_taken = left.iter().any(|(name, _)| *name == grave.name);
        if !deleted
            && !name_is_taken
            && let Some(content) = damage.file(&grave.file)
        {
            left.push((grave.name.clone(), content));
        }
    }
    left.into_iter().collect()
}

enum Kind {
    AllLost,
    AllKept,
    EndsAt(u64),
    Mixed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    Torn,
    Garbage,
}

struct Damage {
    dice: Dice,
    rates: DamageRates,
    kind: Kind,
}

impl Damage {
    fn new(tree: &Tree, seed: u64, rates: DamageRates) -> Self {
        let mut dice = Dice::new(seed);
        let (lost, kept) = (u64::from(rates.all_lost), u64::from(rates.all_kept));
        let ends = u64::from(rates.ends_at_one_call);
        let throw = dice.below(100);
        let kind = if throw < lost {
            Kind::AllLost
        } else if throw < lost + kept {
            Kind::AllKept
        } else if throw < lost + kept + ends {
            Kind::EndsAt(one_open_call(tree, &mut dice))
        } else {
            Kind::Mixed
        };
        Self { dice, rates, kind }
    }

    fn fate(&mut self, call: u64) -> Fate {
        match self.kind {
            Kind::AllLost => Fate::Lost,
            Kind::AllKept => Fate::Kept,
            Kind::EndsAt(last) if call < last => Fate::Kept,
            Kind::EndsAt(last) if call == last => Fate::Torn,
            Kind::EndsAt(_) => Fate::Lost,
            Kind::Mixed => self.mixed_fate(),
        }
    }

    fn mixed_fate(&mut self) -> Fate {
        let (lost, torn) = (u64::from(self.rates.lost), u64::from(self.rates.torn));
        let garbage = u64::from(self.rates.garbage);
        let throw = self.dice.below(100);
        if throw < lost {
            Fate::Lost
        } else if throw < lost + torn {
            Fate::Torn
        } else if throw < lost + torn + garbage {
            Fate::Garbage
        } else {
            Fate::Kept
        }
    }

    /// Whether something that is done or not, like a name in a directory, was done.
    fn is_kept(&mut self, call: u64) -> bool {
        self.fate(call) != Fate::Lost
    }

    /// What is left of a file; `None` when its creation was lost.
    fn file(&mut self, file: &File) -> Option<Content> {
        if file.is_durable() {
            return Some(file.content().clone());
        }
        if let Some(call) = file.created()
            && !self.is_kept(call)
        {
            return None;
        }
        let (mut content, redo) = file.unwind();
        for step in &redo {
            let fate = match step.settled {
                Settled::Open => self.fate(step.call),
                Settled::Synced => Fate::Kept,
                Settled::Lost => Fate::Lost,
            };
            self.redo(&mut content, step, fate);
        }
        Some(content)
    }

    fn redo(&mut self, content: &mut Content, step: &Redo, fate: Fate) {
        match (&step.change, fate) {
            (_, Fate::Lost) | (RedoChange::Resize { .. }, Fate::Torn) => {}
            (RedoChange::Resize { len }, Fate::Kept | Fate::Garbage) => content.resize(*len),
            (RedoChange::Write { offset, bytes }, Fate::Kept) => content.write(*offset, bytes),
            (RedoChange::Write { offset, bytes }, Fate::Torn) => {
                self.tear(content, *offset, bytes);
            }
            (RedoChange::Write { offset, bytes }, Fate::Garbage) => {
                content.write(*offset, bytes);
                self.spoil(content, *offset, bytes.len());
            }
        }
    }

    /// Only the sectors before a boundary reached the disk, or only those behind it. A write within one sector is lost.
    fn tear(&mut self, content: &mut Content, offset: usize, bytes: &[u8]) {
        let first = (offset / SECTOR_BYTES + 1) * SECTOR_BYTES;
        let boundaries = (offset + bytes.len())
            .saturating_sub(first)
            .div_ceil(SECTOR_BYTES);
        if boundaries == 0 {
            return;
        }
        let boundary = first + SECTOR_BYTES * self.dice.below(boundaries as u64) as usize;
        let (head, tail) = bytes.split_at(boundary - offset);
        if self.dice.below(4) == 0 {
            content.write(boundary, tail);
        } else {
            content.write(offset, head);
        }
    }

    /// Zeros or noise in a part of what was written, or in all of it. Bytes around it are safe: that is the one promise of the
    /// disk (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`).
    fn spoil(&mut self, content: &mut Content, offset: usize, len: usize) {
        if len == 0 {
            return;
        }
        let (from, count) = if self.dice.below(2) == 0 {
            (0, len)
        } else {
            let from = self.dice.below(len as u64) as usize;
            (from, 1 + self.dice.below((len - from) as u64) as usize)
        };
        let mut garbage = vec![0; count];
        if self.dice.below(2) == 0 {
            for piece in garbage.chunks_mut(8) {
                piece.copy_from_slice(&self.dice.next_u64().to_le_bytes()[..piece.len()]);
            }
        }
        content.write(offset + from, &garbage);
    }
}

/// One of the calls that a power cut decides about; the number behind the last one when there is none.
fn one_open_call(tree: &Tree, dice: &mut Dice) -> u64 {
    let mut calls: Vec<u64> = tree.graves().iter().map(|grave| grave.call).collect();
    calls.extend(tree.files().flat_map(|(_, file)| file.open_calls()));
    calls.sort_unstable();
    calls.push(u64::MAX);
    *dice.pick(&calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: std::ops::Range<usize> = 1_000..4_000;

    /// A durable file of ones with one pending write of twos.
    fn one_pending_write() -> Tree {
        let mut tree = Tree::of(&Files::default().with("f", &[1; 5_000]));
        let slot = tree.find("f").expect("there");
        let twos = vec![2; RANGE.len()];
        tree.slot(slot).file.write(1, RANGE.start, &twos);
        tree
    }

    #[test]
    fn every_damage_occurs_and_stays_within_what_was_written() {
        let tree = one_pending_write();
        let (mut kept, mut lost, mut torn, mut garbage) = (0, 0, 0, 0);
        for seed in 0..1_000 {
            let files = after_power_cut(&tree, seed, &DamageRates::power());
            let bytes = files.get("f").expect("a durable file stays");
            assert_eq!(bytes.len(), 5_000);
            assert!(bytes[..RANGE.start].iter().all(|byte| *byte == 1));
            assert!(bytes[RANGE.end..].iter().all(|byte| *byte == 1));
            let written = &bytes[RANGE];
            let changes: Vec<usize> = (1..written.len())
                .filter(|at| written[at - 1] != written[*at])
                .map(|at| RANGE.start + at)
                .collect();
            if !written.iter().all(|byte| [1, 2].contains(byte)) {
                garbage += 1;
            } else if changes.is_empty() {
                kept += usize::from(written[0] == 2);
                lost += usize::from(written[0] == 1);
            } else if changes.len() == 1 {
                assert_eq!(changes[0] % SECTOR_BYTES, 0);
                torn += 1;
            }
        }
        let all = [kept, lost, torn, garbage];
        assert!(all.iter().all(|count| *count > 50), "{all:?}");
    }

    #[test]
    fn a_name_that_was_not_synced_may_be_missing_and_a_deleted_one_come_back() {
        let mut tree = Tree::of(&Files::default().with("old", b"old").with("other", b"other"));
        tree.create("new", 1);
        assert!(tree.delete("old", 2));
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let files = after_power_cut(&tree, seed, &DamageRates::power());
            let names: Vec<String> = files.names().map(str::to_owned).collect();
            assert!(names.contains(&"other".to_owned()));
            seen.insert((names.contains(&"new".into()), names.contains(&"old".into())));
        }
        assert_eq!(seen.len(), 4);
        let slot = tree.find("other").expect("there");
        tree.sync(slot);
        for seed in 0..50 {
            let files = after_power_cut(&tree, seed, &DamageRates::power());
            assert_eq!(files.get("old"), None);
        }
    }

    #[test]
    fn without_damage_all_that_reads_saw_is_there() {
        let tree = one_pending_write();
        let files = after_power_cut(&tree, 3, &DamageRates::none());
        assert!(files == tree.copy());
    }
}
