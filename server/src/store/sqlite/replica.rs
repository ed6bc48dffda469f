//! Replicas as the log knows them: mark, contacts, receipts, scopes.

use super::{DistrictRead, DistrictWrite};
use crate::store::StoreError;
use rusqlite::{OptionalExtension, params};
use sync_core::canary::{Canary, is_awake};
use sync_core::change::Hash;
use sync_core::codec::{put_varint, take_varint, unzigzag, zigzag};
use sync_core::directory::BranchBounds;
use sync_core::ids::{PersonId, Pos, ReplicaNo, ScopeVersion, Seq};
use sync_core::time::Evidence;

/// One contact: at this time the replica said that its chain ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The last change made by then.
    pub head: Seq,
    /// When the contact was.
    pub received_ms: i64,
}

/// Contacts that are kept of a replica.
const CONTACTS_MAX: usize = 16;

/// A replica's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRow {
    /// Its short number.
    pub no: ReplicaNo,
    /// The last change that the log has of it.
    pub mark: Seq,
    /// That change's hash.
    pub mark_hash: Hash,
    /// The contacts that still bound a change to come.
    pub contacts: Vec<Contact>,
    /// The greatest request number seen.
    pub request_no: u64,
    /// When it last made contact.
    pub last_seen_ms: i64,
    /// How many changes it said it had not sent yet.
    pub unsent: u64,
    /// The app's version.
    pub app: String,
    /// How often a fork was seen under its name.
    pub forks: u32,
}

impl ReplicaRow {
    /// A replica that has not sent anything.
    pub fn new(no: ReplicaNo, enrolled_ms: i64) -> Self {
        Self {
            no,
            mark: Seq(0),
            mark_hash: Hash::ZERO,
            contacts: vec![Contact {
                head: Seq(0),
                received_ms: enrolled_ms,
            }],
            request_no: 0,
            last_seen_ms: enrolled_ms,
            unsent: 0,
            app: String::new(),
            forks: 0,
        }
    }
}

/// When a change of this place can have been made at the earliest: the last contact that announced a shorter chain.
pub fn earliest_contact_ms(contacts: &[Contact], seq: Seq) -> i64 {
    contacts
        .iter()
        .filter(|contact| contact.head < seq)
        .map(|contact| contact.received_ms)
        .max()
        .unwrap_or(i64::MIN)
}

/// The same for what a replica repeats of the one that it continues: made before the fork, under the contacts of that one,
/// and announced by its own first contact, since all of it is repeated in one go. Its enrolment bounds nothing here.
pub fn earliest_repeat_ms(
    bounds: &BranchBounds,
    origin: Seq,
    contacts: &[Contact],
    seq: Seq,
) -> i64 {
    let own = contacts
        .iter()
        .filter(|contact| contact.head < seq && contact.received_ms > bounds.forked_ms)
        .map(|contact| contact.received_ms)
        .max();
    own.unwrap_or(i64::MIN).max(bounds.earliest_ms(origin))
}

/// What bounds the time of what is repeated of a replica that is continued now.
pub fn branch_bounds(continued: &ReplicaRow, forked_ms: i64) -> BranchBounds {
    let contacts = continued.contacts.iter();
    let contacts = contacts.map(|contact| {
        let is_known = contact.head <= continued.mark;
        let head = if is_known { 0 } else { contact.head.0 };
        (head, contact.received_ms)
    });
    BranchBounds {
        forked_ms,
        contacts: contacts.collect(),
    }
}

/// The contacts after one more, without those that bound nothing any more: of the ones at or below the mark only
/// the last counts.
pub fn contacts_after(contacts: &[Contact], new: Contact, mark: Seq) -> Vec<Contact> {
    let mut kept: Vec<Contact> = Vec::with_capacity(contacts.len() + 1);
    for contact in contacts.iter().copied().chain([new]) {
        let head = contact.head.max(mark);
        match kept.iter_mut().find(|other| other.head == head) {
            Some(other) => other.received_ms = other.received_ms.max(contact.received_ms),
            None => kept.push(Contact { head, ..contact }),
        }
    }
    kept.sort_by_key(|contact| contact.head);
    // Who announces ever longer chains without sending them keeps the bound of the next change, and the newest ones.
    let surplus = kept.len().saturating_sub(CONTACTS_MAX);
    kept.drain(1..=surplus);
    kept
}

fn encode_contacts(contacts: &[Contact]) -> Vec<u8> {
    let mut out = Vec::new();
    for contact in contacts {
        put_varint(&mut out, contact.head.0);
        put_varint(&mut out, zigzag(contact.received_ms));
    }
    out
}

fn decode_contacts(mut bytes: &[u8]) -> Option<Vec<Contact>> {
    let mut contacts = Vec::new();
    while !bytes.is_empty() {
        let head = Seq(take_varint(&mut bytes).ok()?);
        contacts.push(Contact {
            head,
            received_ms: unzigzag(take_varint(&mut bytes).ok()?),
        });
    }
    Some(contacts)
}

fn encode_evidence(at: &Evidence) -> Vec<u8> {
    let mut out = Vec::new();
    for value in [
        zigzag(at.wall_ms),
        at.monotonic_ms,
        at.boot,
        zigzag(at.skew_ms),
    ] {
        put_varint(&mut out, value);
    }
    out
}

fn decode_evidence(mut bytes: &[u8]) -> Option<Evidence> {
    let mut next = || take_varint(&mut bytes).ok();
    Some(Evidence {
        wall_ms: unzigzag(next()?),
        monotonic_ms: next()?,
        boot: next()?,
        skew_ms: unzigzag(next()?),
    })
}

/// A receipt with what its decisions looked at, so that they can be checked again.
#[derive(Clone, Debug)]
pub struct ReceiptRow {
    /// Whose.
    pub replica: ReplicaNo,
    /// First of the range.
    pub from: Seq,
    /// Last of the range.
    pub to: Seq,
    /// The place of `from`.
    pub first_pos: Pos,
    /// When the range arrived.
    pub received_ms: i64,
    /// The device's clocks when it was sent.
    pub sent_at: Evidence,
    /// The contacts known before it.
    pub contacts: Vec<Contact>,
    /// The receipt as sent.
    pub bytes: Vec<u8>,
}

impl ReceiptRow {
    /// The place of a change of the range.
    pub fn pos_of(&self, seq: Seq) -> Pos {
        let mut offset = seq.0 - self.from.0;
        if is_awake(Canary::ReceiptPlaceWraps) {
            offset &= 0x0f;
        }
        Pos(self.first_pos.0 + offset)
    }
}

impl DistrictRead {
    /// A replica's row.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_replica(&self, no: ReplicaNo) -> Result<Option<ReplicaRow>, StoreError> {
        let sql = "SELECT mark, mark_hash, contacts, request_no, last_seen_ms, unsent, app, forks FROM replica WHERE no = ?1";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([no.0])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let wrong = |what| StoreError::corrupt("replica", no, what);
        Ok(Some(ReplicaRow {
            no,
            mark: Seq(row.get::<_, i64>(0)? as u64),
            mark_hash: Hash::from_slice(&row.get::<_, Vec<u8>>(1)?)
                .ok_or_else(|| wrong("mark_hash"))?,
            contacts: decode_contacts(&row.get::<_, Vec<u8>>(2)?)
                .ok_or_else(|| wrong("contacts"))?,
            request_no: row.get::<_, i64>(3)? as u64,
            last_seen_ms: row.get(4)?,
            unsent: row.get::<_, i64>(5)? as u64,
            app: row.get(6)?,
            forks: row.get(7)?,
        }))
    }

    /// The receipts that cover `[from, to]` of a replica, in order; the first may start below, the last end above.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_receipts(
        &self,
        replica: ReplicaNo,
        from: Seq,
        to: Seq,
    ) -> Result<Vec<ReceiptRow>, StoreError> {
        let sql =
            "SELECT from_seq, to_seq, first_pos, received_ms, sent_at, contacts, bytes FROM receipt
                   WHERE replica = ?1 AND to_seq >= ?2 AND from_seq <= ?3 ORDER BY to_seq";
        let mut statement = self.connection().prepare_cached(sql)?;
        let rows = statement.query(params![replica.0, from.0 as i64, to.0 as i64])?;
        read_receipts(replica, rows)
    }

    /// The newest receipts of a replica whose places lie above `start`, at most so many, in order.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_receipts_above(
        &self,
        replica: ReplicaNo,
        start: Pos,
        count_max: usize,
    ) -> Result<Vec<ReceiptRow>, StoreError> {
        let sql =
            "SELECT from_seq, to_seq, first_pos, received_ms, sent_at, contacts, bytes FROM receipt
                   WHERE replica = ?1 AND first_pos > ?2 ORDER BY to_seq DESC LIMIT ?3";
        let mut statement = self.connection().prepare_cached(sql)?;
        let start = start.0.min(i64::MAX as u64) as i64;
        let rows = statement.query(params![replica.0, start, count_max as i64])?;
        let mut receipts = read_receipts(replica, rows)?;
        receipts.reverse();
        Ok(receipts)
    }

    /// The place of a replica's change; `None` when the log does not have it.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_pos(&self, replica: ReplicaNo, seq: Seq) -> Result<Option<Pos>, StoreError> {
        Ok(self
            .list_receipts(replica, seq, seq)?
            .first()
            .map(|receipt| receipt.pos_of(seq)))
    }

    /// The last change of a replica at or below a place; 0 when there is none.
    ///
    /// # Errors
    /// The database's own.
    pub fn last_seq_at(&self, replica: ReplicaNo, pos: Pos) -> Result<Seq, StoreError> {
        if pos.0 == 0 {
            return Ok(Seq(0));
        }
        let sql = "SELECT from_seq, to_seq, first_pos FROM receipt
                   WHERE replica = ?1 AND first_pos <= ?2 ORDER BY to_seq DESC LIMIT 1";
        let mut statement = self.connection().prepare_cached(sql)?;
        let found = statement
            .query_row(params![replica.0, pos.0 as i64], |row| {
                Ok((
                    row.get::<_, i64>(0)? as u64,
                    row.get::<_, i64>(1)? as u64,
                    row.get::<_, i64>(2)? as u64,
                ))
            })
            .optional()?;
        Ok(found.map_or(Seq(0), |(from, to, first_pos)| {
            Seq(to.min(from + (pos.0 - first_pos)))
        }))
    }

    /// A person's newest scope: version and bytes.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_scope(
        &self,
        person: PersonId,
    ) -> Result<Option<(ScopeVersion, Vec<u8>)>, StoreError> {
        let sql =
            "SELECT version, bytes FROM scope WHERE person = ?1 ORDER BY version DESC LIMIT 1";
        let mut statement = self.connection().prepare_cached(sql)?;
        Ok(statement
            .query_row([person.0], |row| {
                Ok((ScopeVersion(row.get(0)?), row.get(1)?))
            })
            .optional()?)
    }

    /// A person's scope of one version.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_scope_version(
        &self,
        person: PersonId,
        version: ScopeVersion,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT bytes FROM scope WHERE person = ?1 AND version = ?2")?;
        Ok(statement
            .query_row(params![person.0, version.0], |row| row.get(0))
            .optional()?)
    }
}

fn read_receipts(
    replica: ReplicaNo,
    mut rows: rusqlite::Rows<'_>,
) -> Result<Vec<ReceiptRow>, StoreError> {
    let mut receipts = Vec::new();
    while let Some(row) = rows.next()? {
        let to = Seq(row.get::<_, i64>(1)? as u64);
        let wrong = |what| StoreError::corrupt("receipt", format!("{replica}/{to}"), what);
        receipts.push(ReceiptRow {
            replica,
            from: Seq(row.get::<_, i64>(0)? as u64),
            to,
            first_pos: Pos(row.get::<_, i64>(2)? as u64),
            received_ms: row.get(3)?,
            sent_at: decode_evidence(&row.get::<_, Vec<u8>>(4)?).ok_or_else(|| wrong("sent_at"))?,
            contacts: decode_contacts(&row.get::<_, Vec<u8>>(5)?)
                .ok_or_else(|| wrong("contacts"))?,
            bytes: row.get(6)?,
        });
    }
    Ok(receipts)
}

impl DistrictWrite {
    /// Writes a replica's row, new or changed.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_replica(&self, replica: &ReplicaRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO replica (no, mark, mark_hash, contacts, request_no, last_seen_ms, unsent, app, forks)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (no) DO UPDATE SET mark = ?2, mark_hash = ?3, contacts = ?4, request_no = ?5,
                       last_seen_ms = ?6, unsent = ?7, app = ?8, forks = ?9";
        self.connection().prepare_cached(sql)?.execute(params![
            replica.no.0,
            replica.mark.0 as i64,
            &replica.mark_hash.0[..],
            encode_contacts(&replica.contacts),
            replica.request_no as i64,
            replica.last_seen_ms,
            replica.unsent as i64,
            replica.app,
            replica.forks,
        ])?;
        Ok(())
    }

    /// Stores a receipt.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_receipt(&self, receipt: &ReceiptRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO receipt (replica, from_seq, to_seq, first_pos, received_ms, sent_at, contacts, bytes)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.connection().prepare_cached(sql)?.execute(params![
            receipt.replica.0,
            receipt.from.0 as i64,
            receipt.to.0 as i64,
            receipt.first_pos.0 as i64,
            receipt.received_ms,
            encode_evidence(&receipt.sent_at),
            encode_contacts(&receipt.contacts),
            receipt.bytes,
        ])?;
        Ok(())
    }

    /// Stores a new version of a person's scope.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_scope(
        &self,
        person: PersonId,
        version: ScopeVersion,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("INSERT INTO scope (person, version, bytes) VALUES (?1, ?2, ?3)")?;
        statement.execute(params![person.0, version.0, bytes])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_younger_than_the_last_contact_that_announced_a_shorter_chain() {
        let contact = |head, received_ms| Contact {
            head: Seq(head),
            received_ms,
        };
        let mut contacts = vec![contact(0, 100)];
        contacts = contacts_after(&contacts, contact(3, 200), Seq(0));
        contacts = contacts_after(&contacts, contact(5, 300), Seq(0));
        assert_eq!(earliest_contact_ms(&contacts, Seq(3)), 100);
        assert_eq!(earliest_contact_ms(&contacts, Seq(4)), 200);
        assert_eq!(earliest_contact_ms(&contacts, Seq(6)), 300);
        contacts = contacts_after(&contacts, contact(5, 400), Seq(5));
        assert_eq!(contacts, [contact(5, 400)]);
        assert_eq!(decode_contacts(&encode_contacts(&contacts)), Some(contacts));
    }

    #[test]
    fn announcing_ever_longer_chains_does_not_shake_off_the_bound_of_the_next_change() {
        let mut contacts = ReplicaRow::new(ReplicaNo(1), 100).contacts;
        for head in 1..100 {
            let contact = Contact {
                head: Seq(head * 10),
                received_ms: 100 + head as i64,
            };
            contacts = contacts_after(&contacts, contact, Seq(0));
            assert!(contacts.len() <= CONTACTS_MAX);
        }
        assert_eq!(earliest_contact_ms(&contacts, Seq(1)), 100);
        assert_eq!(earliest_contact_ms(&contacts, Seq(991)), 199);
    }

    #[test]
    fn a_repeat_has_the_bounds_of_the_name_that_is_continued_and_of_its_own_later_contacts() {
        let contact = |head, received_ms| Contact {
            head: Seq(head),
            received_ms,
        };
        let mut continued = ReplicaRow::new(ReplicaNo(1), 100);
        continued.mark = Seq(10);
        for (head, at_ms) in [(10, 200), (20, 300), (25, 400)] {
            continued.contacts = contacts_after(&continued.contacts, contact(head, at_ms), Seq(10));
        }
        let bounds = branch_bounds(&continued, 1_000);
        let mut own = ReplicaRow::new(ReplicaNo(2), 1_000).contacts;
        let bound =
            |origin, own: &[Contact], seq| earliest_repeat_ms(&bounds, Seq(origin), own, Seq(seq));
        // In place of what the log has, it is bounded as the next change of that chain would be; so are made-up places.
        for origin in [0, 1, 5, 10, 11, 20] {
            assert_eq!(bound(origin, &own, 1), 200, "of {origin}");
        }
        assert_eq!(bound(21, &own, 1), 300);
        assert_eq!(bound(26, &own, 1), 400);
        assert_eq!(bound(u64::MAX, &own, 1), 400);
        // What it had not announced under its own name was not there yet, whatever it says that it repeats.
        own = contacts_after(&own, contact(3, 1_100), Seq(0));
        assert_eq!(bound(1, &own, 3), 200);
        assert_eq!(bound(1, &own, 4), 1_100);
        own = contacts_after(&own, contact(3, 1_200), Seq(2));
        assert_eq!(bound(1, &own, 3), 200);
        assert_eq!(bound(1, &own, 4), 1_200);
    }
}
