//! What an operator does to a district: units, people, roles, codes, replicas, rulings, copies.
//!
//! `gridwork admin` runs these on the data directory itself, or hands them to the server that holds it.

use super::ServiceError;
use super::district::District;
use super::document_imports::{DocumentFile, export_documents, import_documents, list_documents};
use super::gridwork::Gridwork;
use super::imports::{import_people, import_units};
use super::packs::list_packs;
use super::patrols::stickers::sheet;
use super::rulings::RulingRequest;
use crate::import::UnitKind;
use crate::language::Language;
use api_schema::problem::FieldProblem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use sync_core::cases::SYSTEM_ROLE;
use sync_core::change::Hash;
use sync_core::directory::{Directory, DirectoryChange, Unit};
use sync_core::entry::RulingKind;
use sync_core::hex;
use sync_core::ids::{PersonId, Pos, ReplicaId, UnitId};

/// One thing to do. The names are those of the command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum AdminRequest {
    /// List units.
    Units,
    /// Add a unit.
    AddUnit {
        /// The unit above.
        parent: UnitId,
        /// The last part of its code.
        code: String,
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
    },
    /// Import units and boundaries.
    ImportUnits {
        /// The GeoJSON text.
        text: String,
    },
    /// List people with their roles.
    People,
    /// Add a person.
    AddPerson {
        /// The name.
        name: String,
        /// The number that the person had before a restore; the next free one without it.
        #[serde(default)]
        number: Option<PersonId>,
    },
    /// Import people and roles.
    ImportPeople {
        /// The CSV text.
        text: String,
    },
    /// Give a role.
    Grant {
        /// To whom.
        person: PersonId,
        /// Which.
        role: String,
        /// Where.
        unit: UnitId,
    },
    /// End a role.
    Revoke {
        /// Whose.
        person: PersonId,
        /// Which.
        role: String,
        /// Where.
        unit: UnitId,
    },
    /// Make a one-time enrolment code.
    Code {
        /// For whom.
        person: PersonId,
    },
    /// List replicas.
    Replicas,
    /// Revoke a replica.
    RevokeReplica {
        /// Which.
        replica: ReplicaId,
    },
    /// List what waits for a ruling or a repair.
    Inbox,
    /// Rule about a change.
    Rule {
        /// The change's place.
        pos: Pos,
        /// Admitted, rejected or erased.
        ruling: RulingKind,
        /// Who rules.
        by: PersonId,
        /// Why.
        reason: String,
    },
    /// Copy the district's file; the log has reached a second place up to there.
    Copy {
        /// Where to; must not exist.
        to: PathBuf,
    },
    /// A backup holds the log up to this head.
    SecondPlace {
        /// The place.
        pos: Pos,
        /// The log's hash there.
        hash: Hash,
    },
    /// The signed head of the log.
    Head,
    /// Prepare the snapshots for first syncs now.
    Snapshots,
    /// The clock is right after a jump.
    AgreeClock,
    /// Give the district new keys.
    RotateKey,
    /// List documents and their versions.
    Documents,
    /// Take further versions of documents.
    ImportDocuments {
        /// The files.
        files: Vec<DocumentFile>,
        /// Whether they are to be checked and not taken.
        only_check: bool,
    },
    /// The texts of the documents in force.
    ExportDocuments,
    /// Freeze the pack of a period that is over, or make it again if it is frozen.
    Pack {
        /// Which: `2026-W48`, `2026-11`, `2026-Q4`.
        label: String,
        /// Whether it is only to be shown as it is now.
        preview: bool,
    },
    /// List the packs that are frozen.
    Packs,
    /// Run the alert rules, and list the alerts.
    Alerts {
        /// Whether they are only to be listed.
        only_list: bool,
    },
    /// A page with the stickers of a unit's points.
    Stickers {
        /// The unit's code.
        unit: String,
        /// Whether it is in English.
        english: bool,
    },
}

impl Gridwork {
    /// Does one thing. The answer is a JSON object.
    ///
    /// # Errors
    /// What is wrong with it, or storage's own.
    pub async fn administer(
        &self,
        district: Option<&str>,
        request: AdminRequest,
    ) -> Result<Value, ServiceError> {
        let district = Arc::clone(self.district(district)?);
        self.write_first_entries(&district).await?;
        match request {
            AdminRequest::Units => Ok(list_units(&district.state().directory)),
            AdminRequest::AddUnit {
                parent,
                code,
                name,
                kind,
            } => add_unit(&district, parent, code, name, kind).await,
            AdminRequest::ImportUnits { text } => import_units(&district, &text).await,
            AdminRequest::People => list_people(&district).await,
            AdminRequest::AddPerson { name, number } => {
                let person = self.enter_person(&district, &name, None, number).await?;
                Ok(json!({ "person": person }))
            }
            AdminRequest::ImportPeople { text } => import_people(&district, &text).await,
            AdminRequest::Grant { person, role, unit } => {
                self.grant_role(&district, person, &role, unit).await?;
                Ok(json!({ "granted": true }))
            }
            AdminRequest::Revoke { person, role, unit } => {
                end_role(&district, person, role, unit).await
            }
            AdminRequest::Code { person } => {
                let code = self.make_code(&district, person)?;
                Ok(
                    json!({ "code": code, "valid_for_s": super::enrolment::CODE_LIFETIME_MS / 1_000 }),
                )
            }
            AdminRequest::Replicas => list_replicas(&district).await,
            AdminRequest::RevokeReplica { replica } => revoke_replica(&district, replica).await,
            AdminRequest::Inbox => list_inbox(&district).await,
            AdminRequest::Rule {
                pos,
                ruling,
                by,
                reason,
            } => {
                let ruled = district
                    .rule(RulingRequest {
                        of: pos,
                        ruling,
                        by,
                        reason,
                    })
                    .await?;
                Ok(json!({ "ruling": ruled }))
            }
            AdminRequest::Copy { to } => {
                Ok(json!({ "copied_to_pos": district.copy_to(to).await? }))
            }
            AdminRequest::SecondPlace { pos, hash } => {
                district.note_second_place((pos, hash)).await?;
                Ok(json!({ "safe_pos": pos }))
            }
            AdminRequest::Head => {
                let head = district.sign_head(district.state().head)?;
                Ok(json!({
                    "epoch": head.epoch, "pos": head.pos, "hash": head.hash.to_string(),
                    "signed_head": hex::encode(&head.encode()),
                }))
            }
            AdminRequest::Snapshots => self.build_snapshots(&district).await,
            AdminRequest::RotateKey => {
                let id = self.rotate_keys(&district).await?;
                Ok(json!({ "key": id }))
            }
            AdminRequest::Documents => Ok(list_documents(&district, self.clock.wall_ms())),
            AdminRequest::ImportDocuments { files, only_check } => {
                import_documents(&district, &files, only_check).await
            }
            AdminRequest::ExportDocuments => {
                export_documents(&district, self.clock.wall_ms()).await
            }
            AdminRequest::Pack { label, preview } => self.pack(&district, &label, preview).await,
            AdminRequest::Packs => list_packs(&district).await,
            AdminRequest::Alerts { only_list } => self.alerts(&district, only_list).await,
            AdminRequest::Stickers { unit, english } => {
                let state = district.state();
                let found = state.directory.unit_by_code(&unit);
                let found = found.ok_or_else(|| invalid("unit", "no unit has this code"))?;
                let language = match english {
                    true => Language::English,
                    false => Language::Chinese,
                };
                let (html, stickers) = sheet(&district, found.unit, language)?;
                Ok(json!({ "html": html, "stickers": stickers }))
            }
            AdminRequest::AgreeClock => {
                district.writer().agree_clock()?;
                Ok(json!({ "agreed": true }))
            }
        }
    }
}

fn invalid(field: &str, message: impl Into<String>) -> ServiceError {
    ServiceError::FieldInvalid {
        errors: vec![FieldProblem {
            field: field.to_owned(),
            message: message.into(),
        }],
    }
}

fn list_units(directory: &Directory) -> Value {
    let units: Vec<_> = directory
        .units()
        .map(|unit| {
            json!({
                "unit": unit.unit, "parent": unit.parent, "code": unit.code, "name": unit.name, "kind": unit.kind,
            })
        })
        .collect();
    json!({ "units": units })
}

pub(super) fn next_unit(directory: &Directory) -> u32 {
    directory.units().map(|unit| unit.unit.0).max().unwrap_or(0) + 1
}

async fn add_unit(
    district: &District,
    parent: UnitId,
    part: String,
    name: String,
    kind: String,
) -> Result<Value, ServiceError> {
    let directory = Arc::clone(&district.state().directory);
    let above = directory
        .unit(parent)
        .ok_or_else(|| invalid("parent", "no such unit"))?;
    let kind = UnitKind::parse(&kind).ok_or_else(|| invalid("kind", "no such kind of unit"))?;
    if !(1..=16).contains(&part.len()) || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid("code", "1 to 16 digits"));
    }
    if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(invalid(
            "name",
            "1 to 64 characters, none of them a control character",
        ));
    }
    let code = format!("{}.{part}", above.code);
    if directory.unit_by_code(&code).is_some() {
        return Err(ServiceError::Conflict {
            reason: "a unit has this code",
        });
    }
    let unit = district
        .writer()
        .run(move |log, now_ms| {
            let number = UnitId(next_unit(&log.directory()));
            let unit = Unit {
                unit: number,
                parent: Some(parent),
                code,
                name,
                kind: kind.as_str().to_owned(),
            };
            log.change_directory(DirectoryChange::Unit(unit), now_ms)?;
            Ok(number)
        })
        .await?;
    Ok(json!({ "unit": unit }))
}

async fn list_people(district: &Arc<District>) -> Result<Value, ServiceError> {
    let people = district
        .read(|read, state| {
            let people = read.list_people()?;
            let rows: Vec<_> = people
                .into_iter()
                .map(|person| {
                    let roles: Vec<_> = state
                        .directory
                        .grants(person.person)
                        .iter()
                        .filter(|grant| grant.until_ms.is_none())
                        .map(|grant| json!({ "role": grant.role, "unit": grant.unit }))
                        .collect();
                    json!({ "person": person.person, "name": person.name, "external_id": person.external_id, "roles": roles })
                })
                .collect();
            Ok(rows)
        })
        .await?;
    Ok(json!({ "people": people }))
}

async fn end_role(
    district: &District,
    person: PersonId,
    role: String,
    unit: UnitId,
) -> Result<Value, ServiceError> {
    let state = district.state();
    if role == SYSTEM_ROLE {
        return Err(ServiceError::Forbidden);
    }
    let holds = state
        .directory
        .grants(person)
        .iter()
        .any(|grant| grant.role == role && grant.unit == unit && grant.until_ms.is_none());
    if !holds {
        return Err(ServiceError::NotFound);
    }
    district
        .writer()
        .run(move |log, now_ms| {
            let ended = DirectoryChange::GrantEnded {
                person,
                role,
                unit,
                until_ms: now_ms,
            };
            log.change_directory(ended, now_ms).map(|_| ())
        })
        .await?;
    Ok(json!({ "ended": true }))
}

async fn list_replicas(district: &Arc<District>) -> Result<Value, ServiceError> {
    let replicas = district
        .read(|read, state| {
            let mut rows = Vec::new();
            for replica in state.directory.replicas() {
                let row = read.find_replica(replica.no)?;
                rows.push(json!({
                    "no": replica.no, "replica": replica.replica, "person": replica.person,
                    "revoked_ms": replica.revoked_ms, "office": replica.office,
                    "last_seen_ms": row.as_ref().map(|row| row.last_seen_ms),
                    "received": row.as_ref().map(|row| row.mark),
                    "unsent": row.as_ref().map(|row| row.unsent),
                    "app": row.as_ref().map(|row| row.app.clone()),
                    "forks": row.as_ref().map(|row| row.forks),
                }));
            }
            Ok(rows)
        })
        .await?;
    Ok(json!({ "replicas": replicas }))
}

async fn revoke_replica(district: &District, replica: ReplicaId) -> Result<Value, ServiceError> {
    let state = district.state();
    let no = state
        .directory
        .replica_by_id(replica)
        .ok_or(ServiceError::NotFound)?
        .no;
    district
        .writer()
        .run(move |log, now_ms| {
            log.change_directory(
                DirectoryChange::ReplicaRevoked {
                    no,
                    revoked_ms: now_ms,
                },
                now_ms,
            )
            .map(|_| ())
        })
        .await?;
    Ok(json!({ "revoked": true }))
}

async fn list_inbox(district: &Arc<District>) -> Result<Value, ServiceError> {
    let reader = Arc::clone(district);
    let rows = district
        .read(move |read, state| {
            let view = reader.view(read, state);
            let mut rows = Vec::new();
            for held in read.list_held(i64::MAX, 500)? {
                let Some(entry) = read.find_entry(held.pos)? else {
                    continue;
                };
                let header = view.prepare_again(&entry).header;
                rows.push(json!({
                    "pos": held.pos, "verdict": held.verdict, "since_ms": held.since_ms,
                    "person": entry.person, "replica": entry.replica, "seq": entry.seq,
                    "intent": header.as_ref().map(|header| header.intent.clone()),
                    "record": header.as_ref().map(|header| header.record),
                    "problems": view.present(&entry)?.answer.problems,
                }));
            }
            Ok(rows)
        })
        .await?;
    Ok(json!({ "inbox": rows }))
}
