//! `POST /v1/changes` as the engine sees it: a request becomes a draft, and what came of it an answer.

use super::{Acted, Office, OfficeDraft};
use crate::language::Language;
use crate::service::detail::{mark_names, problems, standing_name, verdict_name};
use crate::service::gridwork::Gridwork;
use crate::service::{Answer, Caller, ServiceError};
use api_schema::change::{ChangeAnswer, ChangeRequest, ChangeSource, NeedsRequest};
use api_schema::document::{DocumentImport, DocumentImportAnswer, DocumentList};
use api_schema::inbox::{InboxPage, InboxQuery, RulingAnswer, RulingRequest};
use api_schema::problem::FieldProblem;
use std::sync::Arc;
use sync_core::change::{ChangeId, For, Hash, Needs, PartClass, Source};
use sync_core::ids::{Epoch, LogPlace, PersonId, Pos, RecordId, ReplicaId, Seq, UnitId};
use sync_core::kinds::KnownIntents;
use sync_core::messages::Catalogue;
use sync_core::payload::Payload;
use sync_core::replica::{Draft, SealedDraft};
use sync_core::verdict::{Marks, Verdict};
use sync_core::words::Standing;

impl Office for Gridwork {
    fn make_change(
        &self,
        caller: Caller,
        request: ChangeRequest,
        language: Language,
    ) -> Answer<'_, ChangeAnswer> {
        Box::pin(async move {
            let district = Arc::clone(self.district_of(&caller)?);
            let texts = texts_of(language);
            let asked = (request.id, hash_of(&request)?);
            let draft = self.draft_of(&request)?;
            let payload = Payload::read(&draft.open).ok();
            let known = district.state().facts.known_at(Pos(u64::MAX));
            check(&draft, &request, payload.as_ref(), known, texts)?;
            let draft = OfficeDraft {
                draft,
                asked: Some(asked),
            };
            let person = PersonId(caller.person);
            let acted = self.act(&district, person, vec![draft]).await?;
            let acted = acted.into_iter().next();
            let acted = acted.expect("BUG: one change has one answer");
            Ok(answer(acted, payload.as_ref(), texts))
        })
    }

    fn list_inbox(
        &self,
        caller: Caller,
        query: InboxQuery,
        language: Language,
    ) -> Answer<'_, InboxPage> {
        Box::pin(self.list_inbox_of(caller, query, language))
    }

    fn list_documents(&self, caller: Caller) -> Answer<'_, DocumentList> {
        Box::pin(async move { self.list_documents_for(caller) })
    }

    fn get_document(&self, caller: Caller, name: String, version: u32) -> Answer<'_, String> {
        Box::pin(self.read_document(caller, name, version))
    }

    fn import_documents(
        &self,
        caller: Caller,
        import: DocumentImport,
        language: Language,
    ) -> Answer<'_, DocumentImportAnswer> {
        Box::pin(self.import_documents_for(caller, import, language))
    }

    fn rule(&self, caller: Caller, request: RulingRequest) -> Answer<'_, RulingAnswer> {
        Box::pin(self.rule_as(caller, request))
    }
}

impl Gridwork {
    fn draft_of(&self, request: &ChangeRequest) -> Result<Draft, ServiceError> {
        let mut draft = Draft::new(
            RecordId(request.record),
            UnitId(request.unit),
            &request.intent,
            request.payload.get(),
        );
        draft.base = request.base.map(|base| LogPlace {
            epoch: Epoch(base.epoch),
            pos: Pos(base.pos),
        });
        draft.for_person = request.for_person.map(|whose| For {
            person: PersonId(whose.person),
            source: match whose.source {
                ChangeSource::Telephone => Source::Telephone,
                ChangeSource::Paper => Source::Paper,
                ChangeSource::Message => Source::Message,
                ChangeSource::Leader => Source::Leader,
            },
            happened_at_ms: whose.happened_at_ms,
        });
        draft.needs = match request.needs {
            None => None,
            Some(NeedsRequest {
                record: Some(record),
                replica: None,
                seq: None,
            }) => Some(Needs::Record(RecordId(record))),
            Some(NeedsRequest {
                record: None,
                replica: Some(replica),
                seq: Some(seq),
            }) => Some(Needs::Change(ChangeId {
                replica: ReplicaId(replica),
                seq: Seq(seq),
            })),
            Some(_) => return Err(invalid("needs", "either a record, or a replica and a seq")),
        };
        draft.repairs = request.repairs.map(|repairs| ChangeId {
            replica: ReplicaId(repairs.replica),
            seq: Seq(repairs.seq),
        });
        if let Some(part) = &request.person_part {
            let mut salt = [0; 16];
            self.entropy.fill(&mut salt);
            draft.sealed.push(SealedDraft {
                class: PartClass::PERSON,
                salt,
                bytes: part.get().as_bytes().to_vec(),
            });
        }
        Ok(draft)
    }
}

fn invalid(field: &str, message: &str) -> ServiceError {
    ServiceError::FieldInvalid {
        errors: vec![FieldProblem {
            field: field.to_owned(),
            message: message.to_owned(),
        }],
    }
}

/// The catalogue of a language.
pub(super) fn texts_of(language: Language) -> &'static Catalogue {
    Catalogue::of(match language {
        Language::Chinese => sync_core::messages::Language::Chinese,
        Language::English => sync_core::messages::Language::English,
    })
}

/// The hash of all that was asked, in the spelling that we would give it; payload and sealed part as they came.
fn hash_of(request: &ChangeRequest) -> Result<Hash, ServiceError> {
    let bytes = serde_json::to_vec(request).map_err(|source| ServiceError::Internal {
        what: "a request that was read cannot be written",
        source: Box::new(source),
    })?;
    Ok(Hash::of(&[b"gridwork/asked/1", &bytes]))
}

/// Refuses what is wrong with a change by itself, as a form would: none of it is kept.
fn check(
    draft: &Draft,
    request: &ChangeRequest,
    payload: Option<&Payload>,
    known: KnownIntents,
    texts: &Catalogue,
) -> Result<(), ServiceError> {
    let found = match draft.check(known) {
        Ok(intent) if request.schema.is_none_or(|schema| schema == intent.schema) => return Ok(()),
        Ok(intent) => {
            let message = format!("version {} is known here", intent.schema);
            return Err(invalid("schema", &message));
        }
        Err(found) => found,
    };
    let answer = sync_core::verdict::Answer {
        verdict: Verdict::Quarantined,
        marks: Marks::default(),
        problems: found,
    };
    let errors = problems(&answer, payload, texts).into_iter().map(|found| {
        let field = match found.field.as_deref() {
            None => "payload".to_owned(),
            Some("intent") => "intent".to_owned(),
            Some(part) if part.starts_with("part.") => "person_part".to_owned(),
            Some(field) => format!("payload.{field}"),
        };
        FieldProblem {
            field,
            message: found.message,
        }
    });
    Err(ServiceError::FieldInvalid {
        errors: errors.collect(),
    })
}

fn answer(acted: Acted, payload: Option<&Payload>, texts: &Catalogue) -> ChangeAnswer {
    let answer = &acted.answer;
    ChangeAnswer {
        record: acted.record.0,
        replica: acted.replica.0,
        seq: acted.seq.0,
        pos: acted.pos.0,
        verdict: verdict_name(answer.verdict).to_owned(),
        standing: standing_name(Standing::of(Some(answer), None)).to_owned(),
        marks: mark_names(answer.marks),
        problems: problems(answer, payload, texts),
        time_ms: acted.time_ms,
        state: acted.state,
    }
}
