//! The control file: list of districts, private keys, one-time codes. Nothing here decides about a change.

use super::{open_reader, open_writer, schema};
use crate::store::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use sync_core::change::Hash;
use sync_core::hex;
use sync_core::ids::{DistrictId, Epoch, PersonId, Pos, ReplicaId};

/// What the server remembers of a district besides its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDistrict {
    /// Its code.
    pub code: String,
    /// Its id.
    pub id: DistrictId,
    /// Its name.
    pub name: String,
    /// The greatest epoch that this server ever gave it.
    pub last_epoch: Epoch,
    /// The last head that this server noted, so that an older copy put in its place is found out.
    pub head: (Pos, Hash),
}

/// A one-time code, found by its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeCode {
    /// The district's code.
    pub district: String,
    /// For whom.
    pub person: PersonId,
    /// Until when.
    pub expires_ms: i64,
    /// The replica that used it; a lost answer may be asked for again by the same one.
    pub used_by: Option<ReplicaId>,
}

/// A private key. Its `Debug` shows no part of the seed.
#[derive(Clone)]
pub struct StoredKey {
    /// Its name: `k1`, `k2` ...
    pub id: String,
    /// The seed.
    pub seed: [u8; 32],
    /// Since when it signs.
    pub since_ms: i64,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StoredKey({})", self.id)
    }
}

/// A replica of the server's own, with the seed of its key. Its `Debug` shows no part of the seed.
#[derive(Clone)]
pub struct OfficeReplica {
    /// Its id.
    pub replica: ReplicaId,
    /// The seed.
    pub seed: [u8; 32],
}

impl std::fmt::Debug for OfficeReplica {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OfficeReplica({})", self.replica)
    }
}

/// A private key's row: its columns by name, so that a backup carries whatever columns there are.
pub type KeyRow = BTreeMap<String, KeyCell>;

/// One cell of such a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyCell {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes, as hexadecimal digits.
    Bytes(String),
}

/// The control file, open.
#[derive(Debug)]
pub struct Control {
    connection: Connection,
}

impl Control {
    /// Opens the file, bringing it to this version.
    ///
    /// # Errors
    /// The database's own, or that the file is of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open_writer(path)?;
        schema::migrate_control(&connection)?;
        Ok(Self { connection })
    }

    /// Opens the file for reading only.
    ///
    /// # Errors
    /// The database's own, or that the file is of a newer version.
    pub fn open_read(path: &Path) -> Result<Self, StoreError> {
        let connection = open_reader(path)?;
        schema::check_control(&connection)?;
        Ok(Self { connection })
    }

    /// Adds a district with its first private keys, by purpose, all of it or nothing.
    ///
    /// # Errors
    /// The database's own; also when the code is taken.
    pub fn insert_district(
        &self,
        district: &KnownDistrict,
        keys: &[(&str, [u8; 32])],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute(
            "INSERT INTO district (code, id, name, last_epoch, head_pos, head_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                district.code,
                &district.id.as_bytes()[..],
                district.name,
                district.last_epoch.0,
                district.head.0.0 as i64,
                &district.head.1.0[..]
            ],
        )?;
        for (purpose, seed) in keys {
            self.insert_key(&district.code, purpose, "k1", seed, now_ms)?;
        }
        Ok(transaction.commit()?)
    }

    /// All districts.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_districts(&self) -> Result<Vec<KnownDistrict>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT code, id, name, last_epoch, head_pos, head_hash FROM district ORDER BY code",
        )?;
        let mut rows = statement.query([])?;
        let mut districts = Vec::new();
        while let Some(row) = rows.next()? {
            let code: String = row.get(0)?;
            let wrong = |what| StoreError::corrupt("district", &code, what);
            districts.push(KnownDistrict {
                id: DistrictId::from_slice(&row.get::<_, Vec<u8>>(1)?)
                    .ok_or_else(|| wrong("id"))?,
                name: row.get(2)?,
                last_epoch: Epoch(row.get(3)?),
                head: (
                    Pos(row.get::<_, i64>(4)? as u64),
                    Hash::from_slice(&row.get::<_, Vec<u8>>(5)?)
                        .ok_or_else(|| wrong("head_hash"))?,
                ),
                code,
            });
        }
        Ok(districts)
    }

    /// Notes the epoch and head of a district.
    ///
    /// # Errors
    /// The database's own.
    pub fn note_head(&self, code: &str, epoch: Epoch, head: (Pos, Hash)) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE district SET last_epoch = max(last_epoch, ?2), head_pos = ?3, head_hash = ?4 WHERE code = ?1",
            )?
            .execute(params![code, epoch.0, head.0.0 as i64, &head.1.0[..]])?;
        Ok(())
    }

    /// Stores a private key of each purpose, all of them or none.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_keys(
        &self,
        district: &str,
        id: &str,
        keys: &[(&str, [u8; 32])],
        since_ms: i64,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        for (purpose, seed) in keys {
            self.insert_key(district, purpose, id, seed, since_ms)?;
        }
        Ok(transaction.commit()?)
    }

    /// Stores a private key.
    ///
    /// # Errors
    /// The database's own.
    fn insert_key(
        &self,
        district: &str,
        purpose: &str,
        id: &str,
        seed: &[u8; 32],
        since_ms: i64,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO server_key (district, purpose, id, seed, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![district, purpose, id, &seed[..], since_ms],
        )?;
        Ok(())
    }

    /// The private keys of a purpose, the oldest first.
    ///
    /// # Errors
    /// The database's own, a corrupt row, or that there is none.
    pub fn list_keys(&self, district: &str, purpose: &str) -> Result<Vec<StoredKey>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, seed, since_ms FROM server_key WHERE district = ?1 AND purpose = ?2 ORDER BY length(id), id",
        )?;
        let mut rows = statement.query(params![district, purpose])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, seed): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let seed = seed
                .try_into()
                .map_err(|_| StoreError::corrupt("server_key", &id, "seed"))?;
            keys.push(StoredKey {
                id,
                seed,
                since_ms: row.get(2)?,
            });
        }
        if keys.is_empty() {
            let missing = format!("district {district} has no {purpose} key");
            return Err(StoreError::Missing(missing));
        }
        Ok(keys)
    }

    /// The server's own replicas of a person in an epoch, the newest first.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_office_replicas(
        &self,
        district: &str,
        person: PersonId,
        epoch: Epoch,
    ) -> Result<Vec<OfficeReplica>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT replica, seed FROM office_replica WHERE district = ?1 AND person = ?2 AND epoch = ?3
             ORDER BY since_ms DESC, replica DESC",
        )?;
        let mut rows = statement.query(params![district, person.0, epoch.0])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let wrong = |what| StoreError::corrupt("office_replica", person, what);
            found.push(OfficeReplica {
                replica: ReplicaId::from_slice(&row.get::<_, Vec<u8>>(0)?)
                    .ok_or_else(|| wrong("replica"))?,
                seed: (row.get::<_, Vec<u8>>(1)?.try_into()).map_err(|_| wrong("seed"))?,
            });
        }
        Ok(found)
    }

    /// Stores a replica of the server's own.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_office_replica(
        &self,
        district: &str,
        person: PersonId,
        epoch: Epoch,
        replica: &OfficeReplica,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO office_replica (district, person, epoch, replica, seed, since_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                district,
                person.0,
                epoch.0,
                &replica.replica.as_bytes()[..],
                &replica.seed[..],
                now_ms
            ],
        )?;
        Ok(())
    }

    /// Writes a copy without any private key to `to`, which must not exist. The keys are taken out in memory: they never
    /// reach the copy's disk. The copy is on the disk when this returns.
    ///
    /// # Errors
    /// The database's own, or the file system's.
    pub fn copy_without_keys(&self, to: &Path) -> Result<(), StoreError> {
        let mut memory = Connection::open_in_memory()?;
        let page_size: i64 = self
            .connection
            .query_row("PRAGMA page_size", [], |row| row.get(0))?;
        memory.pragma_update(None, "page_size", page_size)?;
        // One step over all pages: nobody's write can make it begin anew.
        let step = Backup::new(&self.connection, &mut memory)?.step(-1)?;
        if step != StepResult::Done {
            return Err(StoreError::Missing("the control file is busy".into()));
        }
        // Those of the server's own replicas are in no backup at all: a restored server makes new ones.
        memory.execute_batch("DELETE FROM server_key; DELETE FROM office_replica;")?;
        super::vacuum_into(&memory, to)
    }

    /// All private keys, as rows by column.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_key_rows(&self) -> Result<Vec<KeyRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT * FROM server_key ORDER BY district, purpose, id")?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let mut columns = KeyRow::new();
            for (index, name) in names.iter().enumerate() {
                let cell = match row.get_ref(index)? {
                    ValueRef::Null => KeyCell::Null,
                    ValueRef::Integer(number) => KeyCell::Integer(number),
                    ValueRef::Text(text) => {
                        KeyCell::Text(String::from_utf8_lossy(text).into_owned())
                    }
                    ValueRef::Blob(bytes) => KeyCell::Bytes(hex::encode(bytes)),
                    ValueRef::Real(_) => {
                        return Err(StoreError::corrupt("server_key", name, "a fraction"));
                    }
                };
                columns.insert(name.clone(), cell);
            }
            found.push(columns);
        }
        Ok(found)
    }

    /// Puts private keys back.
    ///
    /// # Errors
    /// The database's own, or a row that is none.
    pub fn insert_key_rows(&self, rows: &[KeyRow]) -> Result<(), StoreError> {
        for row in rows {
            let wrong =
                |name: &String| StoreError::corrupt("server_key", name, "not a column of a key");
            for name in row.keys() {
                if !name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                {
                    return Err(wrong(name));
                }
            }
            let mut values = Vec::new();
            for (name, cell) in row {
                values.push(match cell {
                    KeyCell::Null => Value::Null,
                    KeyCell::Integer(number) => Value::Integer(*number),
                    KeyCell::Text(text) => Value::Text(text.clone()),
                    KeyCell::Bytes(digits) => {
                        Value::Blob(hex::decode(digits).ok_or_else(|| wrong(name))?)
                    }
                });
            }
            let names: Vec<&str> = row.keys().map(String::as_str).collect();
            let places = vec!["?"; names.len()].join(", ");
            let sql = format!(
                "INSERT INTO server_key ({}) VALUES ({places})",
                names.join(", ")
            );
            self.connection
                .execute(&sql, rusqlite::params_from_iter(values))?;
        }
        Ok(())
    }

    /// Stores a one-time code by its hash.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_code(
        &self,
        hash: Hash,
        purpose: &str,
        code: &OneTimeCode,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO one_time_code (hash, district, purpose, person, expires_ms, used_by) VALUES (?1, ?2, ?3, ?4, ?5, NULL)",
            params![&hash.0[..], code.district, purpose, code.person.0, code.expires_ms],
        )?;
        Ok(())
    }

    /// A one-time code by its hash and purpose.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_code(&self, hash: Hash, purpose: &str) -> Result<Option<OneTimeCode>, StoreError> {
        Ok(self
            .connection
            .query_row(
                "SELECT district, person, expires_ms, used_by FROM one_time_code WHERE hash = ?1 AND purpose = ?2",
                params![&hash.0[..], purpose],
                |row| {
                    let used_by: Option<Vec<u8>> = row.get(3)?;
                    Ok(OneTimeCode {
                        district: row.get(0)?,
                        person: PersonId(row.get(1)?),
                        expires_ms: row.get(2)?,
                        used_by: used_by.and_then(|bytes| ReplicaId::from_slice(&bytes)),
                    })
                },
            )
            .optional()?)
    }

    /// Uses a code up for a replica. False when it was used before, by whomever.
    ///
    /// # Errors
    /// The database's own.
    pub fn use_code(&self, hash: Hash, replica: ReplicaId) -> Result<bool, StoreError> {
        let changed = self.connection.execute(
            "UPDATE one_time_code SET used_by = ?2 WHERE hash = ?1 AND used_by IS NULL",
            params![&hash.0[..], &replica.as_bytes()[..]],
        )?;
        Ok(changed == 1)
    }
}
