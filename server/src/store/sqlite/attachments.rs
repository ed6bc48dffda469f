//! Attachments of a district: uploads under way, what was finished, who used how much of a day, and which records name
//! what. No decision looks in here, so the file stands apart from the district's.

use super::{open_writer, schema};
use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use sync_core::change::Hash;
use sync_core::ids::{DistrictId, Epoch, PersonId, Pos, ReplicaId};
use uuid::Uuid;

/// An upload, under way or finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    /// Its id; part of its address.
    pub id: Uuid,
    /// The replica that began it; nobody else goes on with it.
    pub replica: ReplicaId,
    /// That replica's person.
    pub person: PersonId,
    /// What a change named.
    pub sha256: Hash,
    /// What the bytes are said to be.
    pub media_type: String,
    /// How many there will be.
    pub size_bytes: u64,
    /// How many are on the disk; all of them only once the attachment is finished.
    pub offset_bytes: u64,
    /// The metadata as the client wrote them, to be told again.
    pub metadata: String,
    /// When it began.
    pub created_ms: i64,
    /// When it ends, finished or not.
    pub expires_ms: i64,
}

impl UploadRow {
    /// Whether the attachment is there.
    pub fn is_finished(&self) -> bool {
        self.offset_bytes == self.size_bytes
    }
}

/// A finished attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentRow {
    /// What a change named: the hash of the bytes as they were sent.
    pub sha256: Hash,
    /// What they turned out to be.
    pub media_type: String,
    /// How many were sent.
    pub size_bytes: u64,
    /// The hash of the bytes that are kept, without metadata.
    pub kept_sha256: Hash,
    /// How many are kept.
    pub kept_bytes: u64,
    /// Hash and length of the thumbnail.
    pub small: Option<(Hash, u64)>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// When it was taken, as the metadata said.
    pub taken_at_ms: Option<i64>,
    /// Latitude and longitude in degrees times 10^7, as the metadata said.
    pub place_e7: Option<(i32, i32)>,
    /// The replica that sent it first.
    pub replica: ReplicaId,
    /// That replica's person.
    pub person: PersonId,
    /// When it was whole.
    pub finished_ms: i64,
}

/// What one replica may send on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayQuota {
    /// The day, counted from 1970.
    pub day: i32,
    /// The most uploads.
    pub files_max: u64,
    /// The most bytes.
    pub bytes_max: u64,
}

/// What became of a new upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It stands; an older one of the same replica and bytes was taken out for it.
    Begun {
        /// That one.
        superseded: Option<Uuid>,
    },
    /// The replica has begun as many uploads today as it may.
    OverFiles,
    /// It would send more bytes today than it may.
    OverBytes,
}

/// A district's attachments, open.
#[derive(Debug)]
pub struct AttachmentStore {
    connection: Connection,
}

const UPLOAD: &str = "id, replica, person, sha256, media_type, size_bytes, offset_bytes, metadata, created_ms, expires_ms";
const ATTACHMENT: &str = "sha256, media_type, size_bytes, kept_sha256, kept_bytes, small_sha256, small_bytes, width, height, \
    taken_at_ms, latitude_e7, longitude_e7, replica, person, finished_ms";

fn hash(row: &Row<'_>, index: usize, table: &'static str) -> Result<Hash, StoreError> {
    let bytes: Vec<u8> = row.get(index)?;
    Hash::from_slice(&bytes).ok_or_else(|| StoreError::corrupt(table, "?", "a hash"))
}

fn replica(row: &Row<'_>, index: usize, table: &'static str) -> Result<ReplicaId, StoreError> {
    let bytes: Vec<u8> = row.get(index)?;
    ReplicaId::from_slice(&bytes).ok_or_else(|| StoreError::corrupt(table, "?", "replica"))
}

fn count(row: &Row<'_>, index: usize, table: &'static str) -> Result<u64, StoreError> {
    u64::try_from(row.get::<_, i64>(index)?)
        .map_err(|_| StoreError::corrupt(table, "?", "a length below nothing"))
}

fn read_upload(row: &Row<'_>) -> Result<UploadRow, StoreError> {
    let id: Vec<u8> = row.get(0)?;
    Ok(UploadRow {
        id: Uuid::from_slice(&id).map_err(|_| StoreError::corrupt("upload", "?", "id"))?,
        replica: replica(row, 1, "upload")?,
        person: PersonId(row.get(2)?),
        sha256: hash(row, 3, "upload")?,
        media_type: row.get(4)?,
        size_bytes: count(row, 5, "upload")?,
        offset_bytes: count(row, 6, "upload")?,
        metadata: row.get(7)?,
        created_ms: row.get(8)?,
        expires_ms: row.get(9)?,
    })
}

fn read_attachment(row: &Row<'_>) -> Result<AttachmentRow, StoreError> {
    let small = match row.get::<_, Option<Vec<u8>>>(5)? {
        None => None,
        Some(_) => Some((hash(row, 5, "attachment")?, count(row, 6, "attachment")?)),
    };
    Ok(AttachmentRow {
        sha256: hash(row, 0, "attachment")?,
        media_type: row.get(1)?,
        size_bytes: count(row, 2, "attachment")?,
        kept_sha256: hash(row, 3, "attachment")?,
        kept_bytes: count(row, 4, "attachment")?,
        small,
        size: row.get::<_, Option<u32>>(7)?.zip(row.get(8)?),
        taken_at_ms: row.get(9)?,
        place_e7: row.get::<_, Option<i32>>(10)?.zip(row.get(11)?),
        replica: replica(row, 12, "attachment")?,
        person: PersonId(row.get(13)?),
        finished_ms: row.get(14)?,
    })
}

impl AttachmentStore {
    /// Opens the file, bringing it to this version.
    ///
    /// # Errors
    /// The database's own, or that the file is of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open_writer(path)?;
        schema::migrate_attachments(&connection)?;
        Ok(Self { connection })
    }

    /// Begins an upload, unless that would be more than the day allows. An upload of the same bytes that the same replica
    /// had under way ends, and what it had taken of that day is given back.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_upload(&self, row: &UploadRow, quota: DayQuota) -> Result<Inserted, StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        let replica = row.replica.as_bytes();
        let superseded = self.find_open(row.replica, row.sha256)?;
        if let Some(old) = &superseded {
            self.connection
                .execute("DELETE FROM upload WHERE id = ?1", [&old.id.as_bytes()[..]])?;
            self.connection.execute(
                "UPDATE day_use SET files = max(files - 1, 0), bytes = max(bytes - ?3, 0)
                 WHERE replica = ?1 AND day = ?2",
                params![&replica[..], quota.day, old.size_bytes as i64],
            )?;
        }
        self.connection.execute(
            "INSERT INTO day_use (replica, day, files, bytes) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT DO UPDATE SET files = files + 1, bytes = bytes + ?3",
            params![&replica[..], quota.day, row.size_bytes as i64],
        )?;
        let (files, bytes): (i64, i64) = self.connection.query_row(
            "SELECT files, bytes FROM day_use WHERE replica = ?1 AND day = ?2",
            params![&replica[..], quota.day],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        // A transaction that is dropped is taken back.
        if files as u64 > quota.files_max {
            return Ok(Inserted::OverFiles);
        }
        if bytes as u64 > quota.bytes_max {
            return Ok(Inserted::OverBytes);
        }
        self.put_upload(row)?;
        transaction.commit()?;
        Ok(Inserted::Begun {
            superseded: superseded.map(|old| old.id),
        })
    }

    /// Notes an upload whose bytes are there already.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_finished_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        assert!(row.is_finished(), "BUG: an upload without bytes is none");
        self.put_upload(row)
    }

    fn put_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO upload ({UPLOAD}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        );
        self.connection.prepare_cached(&sql)?.execute(params![
            &row.id.as_bytes()[..],
            &row.replica.as_bytes()[..],
            row.person.0,
            &row.sha256.0[..],
            row.media_type,
            row.size_bytes as i64,
            row.offset_bytes as i64,
            row.metadata,
            row.created_ms,
            row.expires_ms,
        ])?;
        Ok(())
    }

    fn find_open(&self, replica: ReplicaId, sha256: Hash) -> Result<Option<UploadRow>, StoreError> {
        let sql = format!(
            "SELECT {UPLOAD} FROM upload WHERE replica = ?1 AND sha256 = ?2 AND offset_bytes < size_bytes"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![&replica.as_bytes()[..], &sha256.0[..]])?;
        rows.next()?.map(read_upload).transpose()
    }

    /// An upload.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_upload(&self, id: Uuid) -> Result<Option<UploadRow>, StoreError> {
        let sql = format!("SELECT {UPLOAD} FROM upload WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([&id.as_bytes()[..]])?;
        rows.next()?.map(read_upload).transpose()
    }

    /// The uploads that end at or before a time, or all of them.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_uploads(&self, expired_at_ms: Option<i64>) -> Result<Vec<UploadRow>, StoreError> {
        let sql = format!("SELECT {UPLOAD} FROM upload WHERE expires_ms <= ?1 ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([expired_at_ms.unwrap_or(i64::MAX)])?;
        let mut uploads = Vec::new();
        while let Some(row) = rows.next()? {
            uploads.push(read_upload(row)?);
        }
        Ok(uploads)
    }

    /// Notes that so many bytes of an upload are on the disk.
    ///
    /// # Errors
    /// The database's own.
    pub fn set_offset(&self, id: Uuid, offset_bytes: u64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE upload SET offset_bytes = ?2 WHERE id = ?1")?
            .execute(params![&id.as_bytes()[..], offset_bytes as i64])?;
        Ok(())
    }

    /// Forgets an upload.
    ///
    /// # Errors
    /// The database's own.
    pub fn delete_upload(&self, id: Uuid) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM upload WHERE id = ?1", [&id.as_bytes()[..]])?;
        Ok(())
    }

    /// Notes that an upload is whole and an attachment there, both or neither. One that is there already stays.
    ///
    /// # Errors
    /// The database's own.
    pub fn finish_upload(&self, id: Uuid, row: &AttachmentRow) -> Result<(), StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        let sql = format!(
            "INSERT OR IGNORE INTO attachment ({ATTACHMENT})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        );
        self.connection.prepare_cached(&sql)?.execute(params![
            &row.sha256.0[..],
            row.media_type,
            row.size_bytes as i64,
            &row.kept_sha256.0[..],
            row.kept_bytes as i64,
            row.small.map(|(hash, _)| hash.0.to_vec()),
            row.small.map(|(_, bytes)| bytes as i64),
            row.size.map(|(width, _)| width),
            row.size.map(|(_, height)| height),
            row.taken_at_ms,
            row.place_e7.map(|(latitude, _)| latitude),
            row.place_e7.map(|(_, longitude)| longitude),
            &row.replica.as_bytes()[..],
            row.person.0,
            row.finished_ms,
        ])?;
        self.connection.execute(
            "UPDATE upload SET offset_bytes = size_bytes WHERE id = ?1",
            [&id.as_bytes()[..]],
        )?;
        Ok(transaction.commit()?)
    }

    /// An attachment by what a change named.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_attachment(&self, sha256: Hash) -> Result<Option<AttachmentRow>, StoreError> {
        let sql = format!("SELECT {ATTACHMENT} FROM attachment WHERE sha256 = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([&sha256.0[..]])?;
        rows.next()?.map(read_attachment).transpose()
    }

    /// Attachments that were finished at or before a time and that no record names.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_unnamed(&self, finished_until_ms: i64) -> Result<Vec<AttachmentRow>, StoreError> {
        let sql = format!(
            "SELECT {ATTACHMENT} FROM attachment WHERE finished_ms <= ?1
             AND NOT EXISTS (SELECT 1 FROM named WHERE named.sha256 = attachment.sha256) ORDER BY sha256"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([finished_until_ms])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_attachment(row)?);
        }
        Ok(found)
    }

    /// Forgets an attachment: it is missing from then on, and may be sent again.
    ///
    /// # Errors
    /// The database's own.
    pub fn delete_attachment(&self, sha256: Hash) -> Result<(), StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        self.connection
            .execute("DELETE FROM attachment WHERE sha256 = ?1", [&sha256.0[..]])?;
        // Whoever asks for a finished upload of it must not be told that it is there.
        self.connection.execute(
            "DELETE FROM upload WHERE sha256 = ?1 AND offset_bytes = size_bytes",
            [&sha256.0[..]],
        )?;
        Ok(transaction.commit()?)
    }

    /// Whether any attachment keeps its bytes or its thumbnail under this hash.
    ///
    /// # Errors
    /// The database's own.
    pub fn is_kept(&self, stored: Hash) -> Result<bool, StoreError> {
        let found: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT 1 FROM attachment WHERE kept_sha256 = ?1
                 UNION ALL SELECT 1 FROM attachment WHERE small_sha256 = ?1 LIMIT 1",
            )?
            .query_row([&stored.0[..]], |row| row.get(0))
            .optional()?;
        Ok(found.is_some())
    }

    /// How far the log was read for what its changes name; from the start when it is another log.
    ///
    /// # Errors
    /// The database's own.
    pub fn naming_place(&self, district: DistrictId, epoch: Epoch) -> Result<Pos, StoreError> {
        let found: Option<i64> = self
            .connection
            .query_row(
                "SELECT pos FROM naming WHERE district = ?1 AND epoch = ?2",
                params![&district.as_bytes()[..], epoch.0],
                |row| row.get(0),
            )
            .optional()?;
        Ok(Pos(found.unwrap_or(0) as u64))
    }

    /// Notes which records name what, up to a place of the log. What an earlier epoch named stays: its phones offer it again.
    ///
    /// # Errors
    /// The database's own.
    pub fn note_names(
        &self,
        district: DistrictId,
        epoch: Epoch,
        pos: Pos,
        names: &[(Hash, i64)],
    ) -> Result<(), StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        for (sha256, record) in names {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO named (sha256, record) VALUES (?1, ?2)")?
                .execute(params![&sha256.0[..], record])?;
        }
        self.connection
            .prepare_cached(
                "INSERT INTO naming (one, district, epoch, pos) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET district = ?1, epoch = ?2, pos = ?3",
            )?
            .execute(params![&district.as_bytes()[..], epoch.0, pos.0 as i64])?;
        Ok(transaction.commit()?)
    }

    /// Some of the records that name an attachment, by their numbers.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_naming(&self, sha256: Hash, limit: usize) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT record FROM named WHERE sha256 = ?1 ORDER BY record LIMIT ?2",
        )?;
        let rows = statement.query_map(params![&sha256.0[..], limit as i64], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets how much was used on days before this one.
    ///
    /// # Errors
    /// The database's own.
    pub fn forget_days_before(&self, day: i32) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM day_use WHERE day < ?1", [day])?;
        Ok(())
    }
}
