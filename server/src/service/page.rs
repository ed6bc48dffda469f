//! A page of what is new for a replica, read from one state of the log: entries, images, leaves, rulings.

use super::context::{LogView, read_ruling};
use crate::store::StoreError;
use crate::store::sqlite::{EntryRow, RecordRow};
use std::collections::BTreeSet;
use sync_core::canary::{Canary, is_awake};
use sync_core::change::Hash;
use sync_core::digest::SetDigest;
use sync_core::entry::EntryKind;
use sync_core::ids::{PersonId, Pos, RecordId, ReplicaNo, ScopeVersion};
use sync_core::limits;
use sync_core::scope::Scope;
use sync_core::verdict::Verdict;
use sync_core::wire::{Cursor, EntryItem, ImageItem, Item, RulingItem, write_item};

/// What a page is made for.
#[derive(Clone, Debug)]
pub struct PageRequest<'a> {
    /// The replica.
    pub replica: ReplicaNo,
    /// Its person.
    pub person: PersonId,
    /// The scope now, and its version.
    pub scope: &'a Scope,
    /// See `scope`.
    pub scope_version: ScopeVersion,
    /// What the replica holds.
    pub cursor: Cursor,
    /// Records it asks for by id.
    pub wanted: &'a [RecordId],
    /// Bytes of items at most.
    pub bytes_max: usize,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The items' bytes.
    pub items: Vec<u8>,
    /// The cursor after it.
    pub cursor: Cursor,
    /// Whether more follows.
    pub more: bool,
    /// The digest of the scope, when nothing more follows.
    pub digest: Option<SetDigest>,
    /// Whether the replica must be told its scope.
    pub scope_is_new: bool,
    /// The head that the page was read at.
    pub head: (Pos, Hash),
}

/// The old scope version and the record number to go on from, in one opaque number of the cursor.
struct Backfill {
    from_version: u32,
    next_no: i64,
}

const BACKFILL_NO_BITS: u32 = 40;

impl Backfill {
    fn encode(&self) -> u64 {
        (u64::from(self.from_version) << BACKFILL_NO_BITS) | self.next_no as u64
    }

    fn decode(number: u64) -> Self {
        let no = number & ((1 << BACKFILL_NO_BITS) - 1);
        Self {
            from_version: (number >> BACKFILL_NO_BITS) as u32,
            next_no: no as i64,
        }
    }
}

/// Reads a page; `view` is over one state of the database.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub fn read_page(view: &LogView<'_>, request: &PageRequest<'_>) -> Result<Page, StoreError> {
    let head = view.read.head()?;
    let (epoch, _) = view.facts.epoch();
    let mut cursor = request.cursor;
    if cursor.epoch != epoch {
        // What an older epoch had above this one's start is not in the log any more.
        cursor.pos = cursor.pos.min(view.facts.common_with(cursor.epoch));
        cursor.epoch = epoch;
    }
    cursor.pos = cursor.pos.min(head.0);
    let mut scope_is_new = false;
    if cursor.scope_version != request.scope_version {
        let old = Backfill::decode(cursor.backfill);
        // A backfill that was under way when the scope changed starts again, from the same old scope.
        let from_version = if cursor.backfill == 0 {
            cursor.scope_version.0
        } else {
            old.from_version
        };
        cursor.backfill = Backfill {
            from_version,
            next_no: 1,
        }
        .encode();
        cursor.scope_version = request.scope_version;
        scope_is_new = true;
    }
    let mut page = PageWriter {
        view,
        request,
        items: Vec::new(),
        imaged: BTreeSet::new(),
    };
    page.write_wanted()?;
    let mut more = false;
    if cursor.backfill != 0 {
        cursor.backfill = page.write_backfill(Backfill::decode(cursor.backfill))?;
        more = cursor.backfill != 0;
    }
    if !more {
        (cursor.pos, more) = page.write_log(cursor.pos, head.0)?;
    }
    let digest = if more {
        None
    } else {
        Some(scope_digest(view, request.scope)?)
    };
    Ok(Page {
        items: page.items,
        cursor,
        more,
        digest,
        scope_is_new,
        head,
    })
}

fn scope_digest(view: &LogView<'_>, scope: &Scope) -> Result<SetDigest, StoreError> {
    let mut digest = SetDigest::default();
    for (bucket, each) in view.read.list_buckets()? {
        if scope.contains(bucket.kind, bucket.unit, bucket.desk) {
            digest.add_all(each);
        }
    }
    Ok(digest)
}

struct PageWriter<'a> {
    view: &'a LogView<'a>,
    request: &'a PageRequest<'a>,
    items: Vec<u8>,
    imaged: BTreeSet<i64>,
}

impl PageWriter<'_> {
    fn is_full(&self) -> bool {
        self.items.len() >= self.request.bytes_max
    }

    fn sees(&self, row: &RecordRow) -> bool {
        is_awake(Canary::ScopeFilterMissing)
            || self.request.scope.contains(row.kind, row.unit, row.desk)
    }

    fn write_image(&mut self, row: &RecordRow) -> Result<(), StoreError> {
        if self.imaged.insert(row.no) {
            let image = ImageItem {
                record: row.id,
                pos: row.pos,
                image: self.view.image_of(row)?,
            };
            write_item(&mut self.items, &Item::Image(image));
        }
        Ok(())
    }

    /// Records that the replica asked for. All of them: their number is limited, and a repair must end.
    fn write_wanted(&mut self) -> Result<(), StoreError> {
        for record in self.request.wanted {
            match self.view.read.find_record(*record)? {
                Some(row) if self.sees(&row) => self.write_image(&row)?,
                _ => write_item(&mut self.items, &Item::Leave(*record)),
            }
        }
        Ok(())
    }

    /// Images of what the scope has gained. Answers with what goes into the cursor; 0 when done.
    fn write_backfill(&mut self, from: Backfill) -> Result<u64, StoreError> {
        let old = self
            .view
            .read
            .find_scope_version(self.request.person, ScopeVersion(from.from_version))?;
        let old = old
            .and_then(|bytes| Scope::decode(&bytes).ok())
            .unwrap_or_default();
        if self.request.scope.is_empty() {
            return Ok(0);
        }
        let next = self
            .view
            .read
            .scan_records(from.next_no, limits::PAGE_SCAN_MAX, |row| {
                if self.sees(&row) && !old.contains(row.kind, row.unit, row.desk) {
                    self.write_image(&row)?;
                }
                Ok::<_, StoreError>(!self.is_full())
            })?;
        Ok(next.map_or(0, |next_no| Backfill { next_no, ..from }.encode()))
    }

    /// Entries above the cursor. Answers with the place read up to, and whether more follows.
    fn write_log(&mut self, after: Pos, head: Pos) -> Result<(Pos, bool), StoreError> {
        let mut last = after;
        let mut scanned = 0;
        let after = if is_awake(Canary::CursorOffByOne) {
            after.next()
        } else {
            after
        };
        self.view
            .read
            .scan_entries(after, limits::PAGE_SCAN_MAX, |entry| {
                last = entry.pos;
                scanned += 1;
                self.write_entry(entry)?;
                Ok::<_, StoreError>(!self.is_full())
            })?;
        let more = last < head;
        Ok((last, more))
    }

    fn write_entry(&mut self, entry: EntryRow) -> Result<(), StoreError> {
        let own = entry.replica == self.request.replica;
        match entry.kind {
            EntryKind::Directory => Ok(()),
            EntryKind::Change => self.write_change(entry, own),
            EntryKind::Ruling => {
                let ruling = read_ruling(&entry)?;
                if ruling.replica == self.request.replica {
                    let item = RulingItem {
                        pos: entry.pos,
                        ruling: ruling.ruling,
                        replica: ruling.replica,
                        seq: ruling.seq,
                        answer: ruling.answer(),
                        reason: ruling.reason.clone(),
                    };
                    write_item(&mut self.items, &Item::Ruling(item));
                }
                self.write_record_of(
                    &entry,
                    ruling.verdict.is_in_force() || ruling.verdict == Verdict::NotApplied,
                )
            }
        }
    }

    fn write_change(&mut self, entry: EntryRow, own: bool) -> Result<(), StoreError> {
        let touches =
            entry.answer.verdict.is_in_force() || entry.answer.verdict == Verdict::NotApplied;
        let Some(no) = entry.record.filter(|_| touches || own) else {
            return Ok(());
        };
        let row = self.view.read.get_record_by_no(no)?;
        let sees = touches && self.sees(&row);
        // A record that comes into the scope here, or that a restore put back, is sent whole.
        let whole = entry.first_place.is_some()
            || entry
                .was
                .is_some_and(|(unit, desk)| !self.saw(&row, unit, desk));
        if sees && whole {
            self.write_image(&row)?;
        }
        if own || (sees && !whole) {
            let item = EntryItem {
                place: self.view.facts.place(entry.pos),
                first_place: entry.first_place,
                replica: entry.replica,
                person: entry.person,
                time_ms: entry.time_ms,
                answer: entry.answer,
                header: entry.header,
                open: entry.body,
            };
            write_item(&mut self.items, &Item::Entry(item));
        }
        if !sees
            && entry
                .was
                .is_some_and(|(unit, desk)| self.saw(&row, unit, desk))
        {
            write_item(&mut self.items, &Item::Leave(row.id));
        }
        Ok(())
    }

    /// What a ruling did to its record: the whole state, since a ruled change may lie anywhere among others.
    fn write_record_of(&mut self, entry: &EntryRow, touches: bool) -> Result<(), StoreError> {
        let Some(no) = entry.record.filter(|_| touches) else {
            return Ok(());
        };
        let row = self.view.read.get_record_by_no(no)?;
        if self.sees(&row) {
            self.write_image(&row)
        } else {
            if entry
                .was
                .is_some_and(|(unit, desk)| self.saw(&row, unit, desk))
            {
                write_item(&mut self.items, &Item::Leave(row.id));
            }
            Ok(())
        }
    }

    fn saw(
        &self,
        row: &RecordRow,
        unit: sync_core::ids::UnitId,
        desk: Option<sync_core::ids::UnitId>,
    ) -> bool {
        !is_awake(Canary::LeaveForgotten) && self.request.scope.contains(row.kind, unit, desk)
    }
}
