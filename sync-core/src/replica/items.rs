//! The items of a page, record by record: each record's image is read once, folded and written once.

use super::apply::Work;
use super::record::{self, Columns, Row, Stored};
use super::{ApplyError, ReplicaError, purge};
use crate::canary::{Canary, is_awake};
use crate::change::Header;
use crate::ids::{LogPlace, RecordId};
use crate::kinds::KnownIntents;
use crate::merge::{Act, Event, RecordState, Stamp};
use crate::payload::Payload;
use crate::verdict::Verdict;
use crate::wire::{EntryItem, ImageItem, Item, write_item};
use rusqlite::params;

/// What a page says about one record, in the page's order.
#[derive(Debug)]
pub(super) enum Step {
    Entry(Box<(EntryItem, Header)>),
    Image(ImageItem),
    Leave,
}

/// The record's content while steps are taken.
#[expect(
    clippy::large_enum_variant,
    reason = "one lives at a time, on the stack"
)]
enum Content {
    Nothing,
    Image(Vec<u8>),
    State(RecordState),
}

struct Progress {
    content: Content,
    place: LogPlace,
    complete: LogPlace,
    stale: bool,
    /// Whether it is a copy that stays for own work only, and was not kept up to date since.
    frozen: bool,
    leaves: bool,
    changed: bool,
}

/// Takes what a page says about one record.
pub(super) fn take(
    work: &mut Work<'_>,
    record: RecordId,
    steps: Vec<Step>,
) -> Result<(), ApplyError> {
    let mut before = record::read(work.connection, record)?;
    let image = before.as_mut().and_then(|row| row.image.take());
    let had_image = image.is_some();
    let mut progress = Progress {
        place: before.as_ref().map(|row| row.place).unwrap_or_default(),
        complete: before.as_ref().map(|row| row.complete).unwrap_or_default(),
        stale: before.as_ref().is_some_and(|row| row.stale),
        frozen: before.as_ref().is_some_and(|row| row.frozen),
        content: image.map_or(Content::Nothing, Content::Image),
        leaves: false,
        changed: false,
    };
    for step in steps {
        match step {
            Step::Leave => progress.leaves = true,
            Step::Image(image) => progress.take_image(work, image),
            Step::Entry(entry) => {
                let (entry, header) = *entry;
                progress.take_entry(work, record, entry, header)?;
            }
        }
    }
    // The row is compared with what it held before, so that the digest loses exactly what it had.
    if let Some(row) = before.as_mut().filter(|_| had_image) {
        row.image = Some(Vec::new());
    }
    progress.store(work, record, before.as_ref())
}

impl Progress {
    fn take_image(&mut self, work: &mut Work<'_>, image: ImageItem) {
        let place = LogPlace {
            epoch: work.meta.epoch,
            pos: image.pos,
        };
        let is_newer = match self.content {
            Content::Nothing => true,
            // A frozen copy's place may be of an epoch that has passed.
            _ => self.stale || self.frozen || image.pos >= self.place.pos,
        };
        if is_newer {
            self.content = Content::Image(image.image);
            self.place = place;
            self.complete = self.complete.max(place);
            (self.stale, self.frozen, self.leaves) = (false, false, false);
            self.changed = true;
            work.applied.images += 1;
        }
    }

    fn take_entry(
        &mut self,
        work: &mut Work<'_>,
        record: RecordId,
        entry: EntryItem,
        header: Header,
    ) -> Result<(), ApplyError> {
        let holds = !matches!(self.content, Content::Nothing);
        let is_held = holds
            && !self.frozen
            && entry.place.pos <= self.place.pos
            && !is_awake(Canary::AppliedTwice);
        if self.leaves || self.stale || is_held {
            return Ok(());
        }
        let (event, is_creation) = match event_of(&entry, &header, work.identity.known) {
            Effect::None => return Ok(()),
            Effect::Unknown => {
                keep_unknown(work, record, entry)?;
                self.want(work);
                return Ok(());
            }
            Effect::Event(event) => {
                let is_creation = matches!(event.act, Act::Create { .. });
                (*event, is_creation)
            }
        };
        // A creation that was taken back in after a restore may stand behind others of its record in the new log.
        let is_first = is_creation && entry.first_place.is_none();
        if self.frozen || (!holds && !is_first) {
            // The server takes it for one that this replica holds, or it is an own one: the whole is asked for.
            self.want(work);
            return Ok(());
        }
        let state = match std::mem::replace(&mut self.content, Content::Nothing) {
            Content::Nothing => None,
            Content::State(state) => Some(state),
            Content::Image(image) => match RecordState::from_image(&image) {
                Ok(state) => Some(state),
                Err(_) => {
                    self.content = Content::Image(image);
                    self.want(work);
                    return Ok(());
                }
            },
        };
        if let Some(state) = state
            .as_ref()
            .filter(|state| event.stamp.order() < state.latest())
        {
            // It belongs before what the copy holds: only a whole fold can place it.
            self.content = Content::State(state.clone());
            self.want(work);
            return Ok(());
        }
        let state = RecordState::advance(state, event);
        self.place = LogPlace {
            epoch: work.meta.epoch,
            pos: state.pos,
        };
        if !holds {
            self.complete = self.complete.max(self.place);
        }
        self.content = Content::State(state);
        self.changed = true;
        work.applied.entries += 1;
        Ok(())
    }

    /// From here on the copy is not whole; it counts as complete up to where the replica was before this page.
    fn want(&mut self, work: &Work<'_>) {
        self.stale = true;
        self.changed = true;
        if !matches!(self.content, Content::Nothing) && !self.frozen {
            self.complete = self.complete.max(work.meta.cursor_place());
        }
    }

    fn store(
        self,
        work: &mut Work<'_>,
        record: RecordId,
        before: Option<&Row>,
    ) -> Result<(), ApplyError> {
        if self.changed {
            let columns;
            let image = match self.content {
                Content::Nothing => {
                    columns = Columns::unreadable();
                    None
                }
                Content::Image(image) => {
                    columns = Columns::of_image(&image, work.identity.person);
                    Some(image)
                }
                Content::State(state) => {
                    columns = Columns::of_state(&state, work.identity.person);
                    Some(state.to_image())
                }
            };
            let contained = is_contained(work, &columns) && image.is_some() && !self.frozen;
            let is_known = before.is_some() || contained || columns.mine || self.stale;
            if !is_known {
                return Ok(());
            }
            let stored = Stored {
                place: self.place,
                image: image.as_deref(),
                in_scope: contained,
                frozen: self.frozen && image.is_some(),
                stale: self.stale,
                complete: self.complete,
                columns: &columns,
            };
            record::write(work.connection, &mut work.meta, record, before, &stored)?;
            if work.with_overlay.contains(&record) {
                work.touched.insert(record);
            }
            // Nobody keeps a copy outside the scope up to date, be it made of own changes only: later ones must not
            // be folded into it as if it were whole.
            if !contained && !self.frozen && image.is_some() {
                return Ok(purge::leave(work, record)?);
            }
        }
        if self.leaves {
            purge::leave(work, record)?;
        }
        Ok(())
    }
}

/// Whether the record belongs to the scope. Before the first answer nothing else is known than that it came; an image
/// that this version cannot read is kept on the server's word.
fn is_contained(work: &Work<'_>, columns: &Columns) -> bool {
    work.meta.scope.as_ref().is_none_or(|scope| {
        *columns == Columns::unreadable()
            || scope.contains(columns.kind, columns.unit, columns.desk)
    })
}

enum Effect {
    /// It has none on its record.
    None,
    /// It has one that this version cannot fold.
    Unknown,
    Event(Box<Event>),
}

fn event_of(entry: &EntryItem, header: &Header, known: KnownIntents) -> Effect {
    let intent = known.find(&header.intent, header.schema);
    let payload = Payload::read(entry.open.as_deref().unwrap_or(b"{}"));
    let (Some(intent), Ok(payload)) = (intent, payload) else {
        // A step that came second stands in its record too.
        return match entry.answer.verdict {
            Verdict::Held | Verdict::Quarantined => Effect::None,
            _ => Effect::Unknown,
        };
    };
    let stamp = Stamp {
        place: entry.place,
        first_place: entry.first_place,
        time_ms: entry.time_ms,
        person: entry.person,
        whose: header.for_person.map(|whose| whose.person),
        replica: entry.replica,
        seq: header.seq,
    };
    match Event::of(intent, header, payload, &entry.answer, stamp) {
        Some(event) => Effect::Event(Box::new(event)),
        None => Effect::None,
    }
}

/// Keeps an entry that this version cannot fold as it came, for the day when the app can.
fn keep_unknown(work: &Work<'_>, record: RecordId, entry: EntryItem) -> Result<(), ReplicaError> {
    let place = entry.place;
    let mut item = Vec::new();
    write_item(&mut item, &Item::Entry(entry));
    work.connection
        .prepare_cached(
            "INSERT INTO unknown_entry (record, epoch, pos, item) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            &record.as_bytes()[..],
            place.epoch.0,
            place.pos.0 as i64,
            item
        ])?;
    Ok(())
}
