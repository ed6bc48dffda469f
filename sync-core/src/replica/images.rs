//! First sync from prepared files: whole images straight into the table, in batches of constant memory.

use super::apply::Work;
use super::meta::Meta;
use super::record::Columns;
use super::{ApplyError, Replica, items};
use crate::ids::{Pos, RecordId};
use crate::wire::{Cursor, ImageItem};
use rusqlite::{CachedStatement, TransactionBehavior, params};

/// Images in one transaction: large enough that the commit costs little, small enough to be lost without regret.
const BATCH_IMAGES: usize = 2_000;

impl Replica {
    /// Takes images of a prepared file, each with its record and place. Commits as it goes, so that lists are usable before
    /// the end and a broken download loses nothing; images that were taken already are passed over.
    /// Answers with how many were new or newer.
    ///
    /// # Errors
    /// What the database said; the batches before stay.
    pub fn apply_images<'a>(
        &mut self,
        images: impl IntoIterator<Item = (RecordId, Pos, &'a [u8])>,
    ) -> Result<u64, ApplyError> {
        let mut images = images.into_iter().peekable();
        let mut taken = 0;
        while images.peek().is_some() {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut work = Work::start(&transaction, &self.identity)?;
            let mut others = Vec::new();
            {
                let mut insert = insert_statement(&work)?;
                for (record, pos, image) in images.by_ref().take(BATCH_IMAGES) {
                    if insert_new(&mut work, &mut insert, record, pos, image)? {
                        work.applied.images += 1;
                    } else {
                        others.push(ImageItem {
                            record,
                            pos,
                            image: image.to_vec(),
                        });
                    }
                }
            }
            for image in others {
                items::take(&mut work, image.record, vec![items::Step::Image(image)])?;
            }
            work.finish(false)?;
            work.meta.save(&transaction)?;
            taken += work.applied.images;
            transaction.commit()?;
        }
        Ok(taken)
    }

    /// Ends a first sync: the cursor starts at the lowest place of the files used.
    ///
    /// # Errors
    /// See [`ApplyError`].
    pub fn finish_snapshot(&mut self, cursor: Cursor) -> Result<(), ApplyError> {
        let mut meta = Meta::load(&self.connection)?;
        if cursor.epoch < meta.epoch {
            return Err(ApplyError::OldEpoch);
        }
        meta.epoch = cursor.epoch;
        meta.cursor = cursor;
        meta.save(&self.connection)?;
        Ok(())
    }
}

fn insert_statement<'a>(work: &Work<'a>) -> Result<CachedStatement<'a>, rusqlite::Error> {
    work.connection.prepare_cached(
        "INSERT INTO record (id, epoch, pos, image, in_scope, frozen, stale, asked, round, complete_epoch, complete_pos,
            kind, unit, desk, state, category, title, time_ms, mine, pending, conflict)
         VALUES (?1, ?2, ?3, ?4, 1, 0, 0, 0, ?5, ?2, ?3, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14)
         ON CONFLICT (id) DO NOTHING",
    )
}

/// Inserts a record that is not there yet; says whether it was inserted.
fn insert_new(
    work: &mut Work<'_>,
    insert: &mut CachedStatement<'_>,
    record: RecordId,
    pos: Pos,
    image: &[u8],
) -> Result<bool, rusqlite::Error> {
    let columns = Columns::of_image(image, work.identity.person);
    let outside = work
        .meta
        .scope
        .as_ref()
        .is_some_and(|scope| !scope.contains(columns.kind, columns.unit, columns.desk));
    if outside || work.with_overlay.contains(&record) {
        return Ok(false);
    }
    let inserted = insert.execute(params![
        &record.as_bytes()[..],
        work.meta.epoch.0,
        pos.0 as i64,
        image,
        work.meta.round,
        columns.kind as i64,
        columns.unit.0,
        columns.desk.map(|desk| desk.0),
        columns.state,
        columns.category,
        columns.title,
        columns.time_ms,
        columns.mine,
        columns.conflict,
    ])?;
    if inserted == 1 {
        work.meta.digest.add(record, pos);
    }
    Ok(inserted == 1)
}
