//! Enrolment: one-time codes, the first administrator, and a forked replica that goes on as a new one.

use super::ServiceError;
use super::district::District;
use super::gridwork::Gridwork;
use super::log_writer::LogWriter;
use super::steward::is_system;
use crate::store::StoreError;
use crate::store::sqlite::control::OneTimeCode;
use crate::store::sqlite::{PersonRow, branch_bounds};
use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest, ServerKey};
use api_schema::fork::ForkRequest;
use api_schema::problem::FieldProblem;
use api_schema::setup::{SetupAnswer, SetupRequest};
use api_schema::shapes::Base64Url;
use std::sync::{Arc, Mutex};
use sync_core::cases::SYSTEM_ROLE;
use sync_core::change::{Hash, Signature, VerifyingKey, verify};
use sync_core::directory::{DirectoryChange, Grant, Replica};
use sync_core::ids::{PersonId, ReplicaId, ReplicaNo, ScopeVersion, Seq, UnitId};
use sync_core::replica::{FORK_TAG, fork_message};

/// How long a one-time enrolment code lives.
pub const CODE_LIFETIME_MS: i64 = 10 * 60_000;
/// How long the set-up link of a new district lives.
pub const SETUP_LIFETIME_MS: i64 = 7 * 24 * 3_600_000;
/// Wrong codes a minute, all callers together, after which the rest must wait. With eight digits and ten minutes of
/// life, guessing succeeds less than once in a hundred thousand codes.
const WRONG_CODES_PER_MINUTE_MAX: u32 = 60;

const ENROL: &str = "enrol";
const SET_UP: &str = "set_up";
/// The role of whoever sets a district up.
const ADMINISTRATOR: &str = "system_admin";

/// Counts wrong codes.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<(i64, u32)>);

impl Attempts {
    fn check(&self, now_ms: i64) -> Result<(), ServiceError> {
        let mut window = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if now_ms.saturating_sub(window.0) >= 60_000 {
            *window = (now_ms, 0);
        }
        if window.1 >= WRONG_CODES_PER_MINUTE_MAX {
            Err(ServiceError::TooManyRequests)
        } else {
            Ok(())
        }
    }

    fn note_wrong(&self) -> ServiceError {
        let mut window = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        window.1 += 1;
        ServiceError::CodeRefused
    }
}

fn code_hash(purpose: &str, code: &str) -> Hash {
    Hash::of(&[
        b"gridwork/code/1",
        purpose.as_bytes(),
        b"|",
        code.trim().as_bytes(),
    ])
}

/// Where a replica comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A phone that enrols with a code.
    New,
    /// A phone that goes on under a new name after a fork: whose name it had, and up to which change.
    Continues(ReplicaNo, u64),
    /// The server's own, for a person who acts online.
    Office,
}

impl Gridwork {
    /// Makes a one-time enrolment code of eight digits for a person; any earlier one stays good until its time is over.
    ///
    /// # Errors
    /// That there is no such person, or storage's own.
    pub fn make_code(&self, district: &District, person: PersonId) -> Result<String, ServiceError> {
        self.make_code_for(district, person, CODE_LIFETIME_MS)
    }

    /// The same with another life. Only a demo district's codes may live longer than [`CODE_LIFETIME_MS`].
    ///
    /// # Errors
    /// As for [`Gridwork::make_code`].
    pub fn make_code_for(
        &self,
        district: &District,
        person: PersonId,
        lifetime_ms: i64,
    ) -> Result<String, ServiceError> {
        let directory = &district.state().directory;
        if !directory.has_person(person) {
            return Err(ServiceError::NotFound);
        }
        // The server's own hand has no phone and no browser.
        if is_system(directory, person) {
            return Err(ServiceError::Forbidden);
        }
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        let code = format!("{:08}", u64::from_be_bytes(bytes) % 100_000_000);
        self.store_code(district, ENROL, &code, person, lifetime_ms)?;
        Ok(code)
    }

    /// Makes the one-time token of a new district's set-up link.
    ///
    /// # Errors
    /// Storage's own.
    pub fn make_setup_token(&self, district: &District) -> Result<String, ServiceError> {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        let token = sync_core::hex::encode(&bytes);
        self.store_code(district, SET_UP, &token, PersonId(0), SETUP_LIFETIME_MS)?;
        Ok(token)
    }

    fn store_code(
        &self,
        district: &District,
        purpose: &str,
        code: &str,
        person: PersonId,
        lifetime_ms: i64,
    ) -> Result<(), ServiceError> {
        let expires_ms = self.clock.wall_ms().saturating_add(lifetime_ms);
        let code_row = OneTimeCode {
            district: district.code().to_owned(),
            person,
            expires_ms,
            used_by: None,
        };
        Ok(self
            .lock_control()
            .insert_code(code_hash(purpose, code), purpose, &code_row)?)
    }

    /// A code that is good for this replica: unused, or used by the very same one whose answer was lost.
    fn redeem(
        &self,
        purpose: &str,
        code: &str,
        replica: ReplicaId,
    ) -> Result<OneTimeCode, ServiceError> {
        let now_ms = self.clock.wall_ms();
        self.code_attempts.check(now_ms)?;
        let control = self.lock_control();
        let hash = code_hash(purpose, code);
        let found = control
            .find_code(hash, purpose)?
            .filter(|found| found.expires_ms > now_ms);
        let Some(found) = found else {
            return Err(self.code_attempts.note_wrong());
        };
        let good = found.used_by == Some(replica) || control.use_code(hash, replica)?;
        if good {
            Ok(found)
        } else {
            Err(self.code_attempts.note_wrong())
        }
    }

    pub(super) async fn enrol_replica(
        &self,
        request: EnrolmentRequest,
    ) -> Result<EnrolmentAnswer, ServiceError> {
        let key = read_key(&request.public_key)?;
        let message = [
            request.code.as_bytes(),
            request.replica.as_bytes(),
            &request.public_key.0[..],
        ]
        .concat();
        if !verify(
            &key,
            "gridwork/enrol/1",
            &message,
            &Signature(request.proof.0),
        ) {
            return Err(ServiceError::SignatureRefused);
        }
        let replica = ReplicaId(request.replica);
        let code = self.redeem(ENROL, &request.code, replica)?;
        let district = Arc::clone(self.district(Some(&code.district))?);
        let no = add_replica(&district, replica, key, code.person, Origin::New).await?;
        self.enrolment_answer(&district, replica, no, code.person)
            .await
    }

    pub(super) async fn continue_fork(
        &self,
        request: ForkRequest,
    ) -> Result<EnrolmentAnswer, ServiceError> {
        let key = read_key(&request.public_key)?;
        let (old, new) = (ReplicaId(request.old_replica), ReplicaId(request.replica));
        let found = self.districts.values().find_map(|district| {
            let state = district.state();
            Some((
                Arc::clone(district),
                state.directory.replica_by_id(old)?.clone(),
            ))
        });
        let (district, old) = found.ok_or(ServiceError::ReplicaUnknown)?;
        let shared = (
            Seq(request.last_common_seq),
            Hash(request.last_common_hash.0),
        );
        let message = fork_message(old.replica, new, &request.public_key.0, shared);
        let signed = verify(
            &old.key,
            FORK_TAG,
            &message,
            &Signature(request.old_proof.0),
        ) && verify(&key, FORK_TAG, &message, &Signature(request.proof.0));
        if !signed {
            return Err(ServiceError::SignatureRefused);
        }
        let (common, hash) = shared;
        let ours = district
            .read(move |read, _| Ok(chain_hash_at(read, old.no, common)?))
            .await?;
        if ours != Some(hash) {
            return Err(ServiceError::Conflict {
                reason: "the chains do not share this change",
            });
        }
        let no = add_replica(
            &district,
            new,
            key,
            old.person,
            Origin::Continues(old.no, common.0),
        )
        .await?;
        self.enrolment_answer(&district, new, no, old.person).await
    }

    async fn enrolment_answer(
        &self,
        district: &Arc<District>,
        replica: ReplicaId,
        no: ReplicaNo,
        person: PersonId,
    ) -> Result<EnrolmentAnswer, ServiceError> {
        let state = district.state();
        let (name, scope_version) = district
            .read(move |read, _| {
                let name = read.find_person_name(person)?.unwrap_or_default();
                let scope = read.find_scope(person)?;
                Ok((name, scope.map_or(ScopeVersion(0), |(version, _)| version)))
            })
            .await?;
        let listed = state.directory.replica(no);
        let certificate = listed.map(|listed| district.certify(listed, self.clock.wall_ms()));
        let server_keys = state
            .directory
            .server_keys()
            .map(|(id, key)| ServerKey {
                key_id: id.to_owned(),
                public_key: Base64Url(key.to_bytes()),
                from_pos: 1,
            })
            .collect();
        Ok(EnrolmentAnswer {
            district: district.id().0,
            district_code: state.facts.code.clone(),
            district_name: state.facts.name.clone(),
            time_zone: state.facts.time_zone.clone(),
            replica_no: no.0,
            person: person.0,
            person_name: name,
            epoch: state.facts.epoch().0.0,
            server_keys,
            token: district.mint_token(person, replica)?,
            scope_version: scope_version.0,
            certificate: certificate.map_or_else(Vec::new, |word| word.encode()),
        })
    }

    pub(super) async fn set_up_administrator(
        &self,
        request: SetupRequest,
    ) -> Result<SetupAnswer, ServiceError> {
        // The same request again, whose answer was lost, is told by a name that follows from it.
        let hash = Hash::of(&[
            b"gridwork/set-up/1",
            request.token.as_bytes(),
            b"|",
            request.name.as_bytes(),
        ]);
        let once = ReplicaId::from_slice(&hash.0[..16]).expect("BUG: 16 bytes are an id");
        let code = self.redeem(SET_UP, &request.token, once)?;
        let is_repeat = code.used_by.is_some();
        let district = Arc::clone(self.district(Some(&code.district))?);
        self.write_first_entries(&district).await?;
        let person = add_administrator(&district, request.name, is_repeat).await?;
        Ok(SetupAnswer {
            person: person.0,
            enrolment_code: self.make_code(&district, person)?,
        })
    }

    /// Adds a person and gives them a number.
    ///
    /// # Errors
    /// Storage's own.
    pub async fn add_person(
        &self,
        district: &District,
        name: &str,
        external_id: Option<String>,
    ) -> Result<PersonId, ServiceError> {
        self.enter_person(district, name, external_id, None).await
    }

    /// The same; or under the number that the person had before a restore took them out of the log.
    ///
    /// # Errors
    /// That somebody has this number, or storage's own.
    pub async fn enter_person(
        &self,
        district: &District,
        name: &str,
        external_id: Option<String>,
        number: Option<PersonId>,
    ) -> Result<PersonId, ServiceError> {
        let name = name.to_owned();
        let entered = district
            .writer()
            .run(move |log, now_ms| put_new_person(log, name, external_id, number, now_ms))
            .await?;
        entered.ok_or(ServiceError::Conflict {
            reason: "a person has this number",
        })
    }

    /// Gives a person a role on a unit from now on.
    ///
    /// # Errors
    /// An unknown person, role or unit, or storage's own.
    pub async fn grant_role(
        &self,
        district: &District,
        person: PersonId,
        role: &str,
        unit: UnitId,
    ) -> Result<(), ServiceError> {
        let state = district.state();
        let known = [
            ("person", state.directory.has_person(person)),
            ("unit", state.directory.unit(unit).is_some()),
            (
                "role",
                role != SYSTEM_ROLE && district.documents().role(role).is_some(),
            ),
        ];
        let errors: Vec<_> = known
            .into_iter()
            .filter(|(_, known)| !known)
            .map(|(field, _)| FieldProblem {
                field: field.to_owned(),
                message: "not known here".to_owned(),
            })
            .collect();
        if !errors.is_empty() {
            return Err(ServiceError::FieldInvalid { errors });
        }
        let role = role.to_owned();
        district
            .writer()
            .run(move |log, now_ms| {
                let grant = Grant {
                    person,
                    role,
                    unit,
                    from_ms: now_ms,
                    until_ms: None,
                };
                log.change_directory(DirectoryChange::Grant(grant), now_ms)
                    .map(|_| ())
            })
            .await
    }
}

/// Adds a replica to the directory. The same one again, whose answer was lost, gets the same number. One that
/// continues a revoked one is revoked from the start: it may still hand in its work, and nothing goes down.
pub(super) async fn add_replica(
    district: &District,
    id: ReplicaId,
    key: VerifyingKey,
    person: PersonId,
    origin: Origin,
) -> Result<ReplicaNo, ServiceError> {
    let continues = match origin {
        Origin::Continues(old, seq) => Some((old, seq)),
        Origin::New | Origin::Office => None,
    };
    let no = district
        .writer()
        .run(move |log, now_ms| {
            let directory = log.directory();
            if let Some(known) = directory.replica_by_id(id) {
                return Ok((known.key == key && known.person == person).then_some(known.no));
            }
            let no = log.next_replica_no();
            let revoked_ms = continues
                .and_then(|(old, _)| directory.replica(old))
                .and_then(|old| old.revoked_ms);
            let continued = continues
                .map(|(old, _)| log.write().find_replica(old))
                .transpose()?
                .flatten();
            let replica = Replica {
                no,
                replica: id,
                person,
                key,
                continues,
                branch: continued.map(|old| branch_bounds(&old, now_ms)),
                revoked_ms,
                office: origin == Origin::Office,
            };
            log.change_directory(DirectoryChange::Replica(replica), now_ms)?;
            Ok(Some(no))
        })
        .await?;
    no.ok_or(ServiceError::Conflict {
        reason: "the replica's id is taken",
    })
}

/// Enters a person, under this number or the next one; `None` when somebody has it.
pub(super) fn put_new_person(
    log: &mut LogWriter<'_>,
    name: String,
    external_id: Option<String>,
    number: Option<PersonId>,
    now_ms: i64,
) -> Result<Option<PersonId>, StoreError> {
    let person = match number {
        Some(number) if log.directory().has_person(number) => return Ok(None),
        Some(number) => number,
        None => log.next_person(log.least_new_person()?),
    };
    log.change_directory(DirectoryChange::Person { person }, now_ms)?;
    log.put_person(&PersonRow {
        person,
        name,
        external_id,
    })?;
    Ok(Some(person))
}

/// Adds an administrator, person and role at once. Asked again, it is the one of that name, as long as they have not enrolled;
/// afterwards the token is worth nothing any more.
async fn add_administrator(
    district: &District,
    name: String,
    is_repeat: bool,
) -> Result<PersonId, ServiceError> {
    let added = district
        .writer()
        .run(move |log, now_ms| {
            let directory = log.directory();
            if is_repeat {
                for person in directory.people() {
                    let grants = directory.grants(person);
                    if grants.iter().any(|grant| grant.role == ADMINISTRATOR)
                        && log.write().find_person_name(person)?.as_ref() == Some(&name)
                    {
                        let mut replicas = directory.replicas();
                        let has_enrolled =
                            replicas.any(|replica| replica.person == person && !replica.office);
                        return Ok((!has_enrolled).then_some(person));
                    }
                }
            }
            let person = put_new_person(log, name, None, None, now_ms)?
                .expect("BUG: the next number is free");
            let grant = Grant {
                person,
                role: ADMINISTRATOR.to_owned(),
                unit: UnitId(1),
                from_ms: now_ms,
                until_ms: None,
            };
            log.change_directory(DirectoryChange::Grant(grant), now_ms)?;
            Ok(Some(person))
        })
        .await?;
    added.ok_or(ServiceError::CodeRefused)
}

fn read_key(bytes: &Base64Url<32>) -> Result<VerifyingKey, ServiceError> {
    VerifyingKey::from_bytes(&bytes.0).ok_or(ServiceError::SignatureRefused)
}

fn chain_hash_at(
    read: &crate::store::sqlite::DistrictRead,
    replica: ReplicaNo,
    seq: Seq,
) -> Result<Option<Hash>, StoreError> {
    if seq.0 == 0 {
        return Ok(Some(Hash::ZERO));
    }
    match read.find_pos(replica, seq)? {
        Some(pos) => Ok(read.find_entry(pos)?.map(|entry| entry.hash)),
        None => Ok(None),
    }
}
