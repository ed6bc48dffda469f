//! One record whole: what it shows, what stands beside that, and every entry of the log about it.

use super::attachments::named_in;
use super::context::{LogView, read_ruling};
use super::gridwork::Gridwork;
use super::projection::describe;
use super::records::summary;
use super::{Caller, ServiceError};
use crate::language::Language;
use crate::store::StoreError;
use crate::store::sqlite::EntryRow;
use api_schema::record::{
    CaseClock, ChangeProblem, ClockStage, FieldState, RecordDetail, TimelineEntry, WrittenValue,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_core::cases;
use sync_core::change::Header;
use sync_core::documents::Documents;
use sync_core::entry::{EntryKind, Ruling, RulingKind};
use sync_core::ids::RecordId;
use sync_core::merge::{RecordState, Stamp, Step};
use sync_core::messages::Catalogue;
use sync_core::payload::Payload;
use sync_core::verdict::{Answer, Marks, Problem, Verdict};
use sync_core::words::Standing;
use uuid::Uuid;

impl Gridwork {
    pub(super) async fn get_record_of(
        &self,
        caller: Caller,
        record: Uuid,
        language: Language,
    ) -> Result<RecordDetail, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let scope = self.scope_of(&district, &caller);
        let reader = Arc::clone(&district);
        let now_ms = self.clock.wall_ms();
        let (mut detail, named) = district
            .read(move |read, state| {
                let row = read.find_record(RecordId(record))?;
                let row = row.filter(|row| scope.contains(row.kind, row.unit, row.desk));
                let row = row.ok_or(ServiceError::NotFound)?;
                let view = reader.view(read, state);
                let found = view.load_state(&row)?.ok_or(ServiceError::NotFound)?;
                let texts = Catalogue::of(match language {
                    Language::Chinese => sync_core::messages::Language::Chinese,
                    Language::English => sync_core::messages::Language::English,
                });
                let mut timeline = Vec::new();
                for (entry, _) in view.history(row.last)?.into_iter().rev() {
                    timeline.push(timeline_entry(&view, &entry, texts)?);
                }
                let detail = RecordDetail {
                    summary: summary(describe(&row, &found)),
                    fields: fields(&found),
                    sets: sets(&found),
                    attachments: Vec::new(),
                    timeline,
                    clock: clock(&found, &state.documents.documents, now_ms),
                };
                Ok((detail, named_in(&found)))
            })
            .await?;
        // A simulated server has nothing beside its writer.
        if let Ok(background) = self.background(&district) {
            detail.attachments = background.attachments.shelf().states_of(named).await?;
        }
        Ok(detail)
    }
}

/// The clock of a case, as the API tells it.
fn clock(state: &RecordState, documents: &Documents, now_ms: i64) -> Option<CaseClock> {
    let clock = cases::CaseClock::of(state, documents, now_ms)?;
    Some(CaseClock {
        kind: clock.kind.as_str().to_owned(),
        since_ms: clock.since_ms,
        allowed_ms: clock.allowed_ms,
        used_ms: clock.used_ms,
        due_ms: clock.due_ms,
        is_working: clock.is_working,
        is_paused: clock.is_paused,
        is_suspended: clock.is_suspended,
        extensions: clock.extensions,
        stage: match clock.stage() {
            cases::Stage::InTime => ClockStage::InTime,
            cases::Stage::Reminded => ClockStage::Reminded,
            cases::Stage::Overdue => ClockStage::Overdue,
            cases::Stage::LongOverdue => ClockStage::LongOverdue,
        },
    })
}

pub(super) fn written(stamp: &Stamp, value: Value) -> WrittenValue {
    WrittenValue {
        value,
        person: stamp.person.0,
        time_ms: stamp.time_ms,
        pos: stamp.place.pos.0,
    }
}

/// A value as JSON that the caller's reader understands; the log keeps the author's own spelling.
pub(super) fn value_of(raw: &str) -> Value {
    serde_json::from_str(raw).unwrap_or(Value::Null)
}

fn object(fields: &Payload) -> Map<String, Value> {
    fields
        .iter()
        .map(|(name, value)| (name.to_owned(), value_of(value.get())))
        .collect()
}

fn fields(state: &RecordState) -> BTreeMap<String, FieldState> {
    let mut fields = BTreeMap::new();
    for name in state.field_names() {
        let mut values = state.values(name).into_iter();
        let Some((stamp, shown)) = values.next() else {
            continue;
        };
        // The same value written twice is no conflict.
        let others = values.filter(|(_, other)| other.get() != shown.get());
        let field = FieldState {
            shown: written(stamp, value_of(shown.get())),
            others: others
                .map(|(stamp, value)| written(stamp, value_of(value.get())))
                .collect(),
        };
        fields.insert(name.to_owned(), field);
    }
    fields
}

/// The elements by set, and the steps taken, which are a set of their own to whoever reads.
fn sets(state: &RecordState) -> BTreeMap<String, Vec<WrittenValue>> {
    let mut sets: BTreeMap<String, Vec<WrittenValue>> = BTreeMap::new();
    for element in &state.elements {
        let value = written(&element.stamp, Value::Object(object(&element.fields)));
        sets.entry(element.set.clone()).or_default().push(value);
    }
    for step in &state.steps {
        sets.entry("steps".to_owned())
            .or_default()
            .push(written(&step.stamp, step_value(step)));
    }
    sets
}

fn step_value(step: &Step) -> Value {
    let mut value = object(&step.fields);
    if let Some((from, to)) = &step.states {
        value.insert("from".to_owned(), Value::from(from.as_str()));
        value.insert("to".to_owned(), Value::from(to.as_str()));
    }
    if let Some((from, to)) = step.units {
        value.insert("from_unit".to_owned(), Value::from(from.0));
        value.insert("unit".to_owned(), Value::from(to.0));
    }
    Value::Object(value)
}

fn timeline_entry(
    view: &LogView<'_>,
    entry: &EntryRow,
    texts: &Catalogue,
) -> Result<TimelineEntry, StoreError> {
    let replica_id = |no| {
        view.directory
            .replica(no)
            .map_or(Uuid::nil(), |replica| replica.replica.0)
    };
    if entry.kind == EntryKind::Ruling {
        let ruling = read_ruling(entry)?;
        return Ok(TimelineEntry {
            pos: entry.pos.0,
            intent: format!("ruling.{}", ruling_name(ruling.ruling)),
            person: ruling.by.map_or(0, |person| person.0),
            replica: replica_id(ruling.replica),
            seq: ruling.seq.0,
            time_ms: entry.time_ms,
            received_ms: entry.received_ms,
            verdict: verdict_name(ruling.verdict).to_owned(),
            standing: standing_name(Standing::of(Some(&ruling.answer()), None)).to_owned(),
            marks: mark_names(ruling.marks),
            problems: problems(&ruling.answer(), None, texts),
        });
    }
    let header = Header::decode(&entry.header).ok();
    let payload = entry
        .body
        .as_deref()
        .and_then(|body| Payload::read(body).ok());
    let ruling = last_ruling(view, entry)?;
    let present = ruling
        .as_ref()
        .map(|ruling| (ruling.ruling, ruling.answer()));
    let standing = Standing::of(
        Some(&entry.answer),
        present.as_ref().map(|(kind, answer)| (*kind, answer)),
    );
    Ok(TimelineEntry {
        pos: entry.pos.0,
        intent: header.map(|header| header.intent).unwrap_or_default(),
        person: entry.person.0,
        replica: replica_id(entry.replica),
        seq: entry.seq.0,
        time_ms: entry.time_ms,
        received_ms: entry.received_ms,
        verdict: verdict_name(entry.answer.verdict).to_owned(),
        standing: standing_name(standing).to_owned(),
        marks: mark_names(entry.answer.marks),
        problems: problems(&entry.answer, payload.as_ref(), texts),
    })
}

/// The ruling that says where a change is now.
fn last_ruling(view: &LogView<'_>, entry: &EntryRow) -> Result<Option<Ruling>, StoreError> {
    let Some(pos) = view.read.find_ruling(entry.pos, view.head)? else {
        return Ok(None);
    };
    view.read
        .find_entry(pos)?
        .map(|ruling| read_ruling(&ruling))
        .transpose()
}

pub(super) fn problems(
    answer: &Answer,
    payload: Option<&Payload>,
    texts: &Catalogue,
) -> Vec<ChangeProblem> {
    answer
        .problems
        .iter()
        .map(|problem| ChangeProblem {
            code: problem.code.as_str().to_owned(),
            field: (!problem.field.is_empty()).then(|| problem.field.clone()),
            message: message(problem, payload, texts),
        })
        .collect()
}

/// The text of a problem. Its places are filled from the limit, state or choice that the problem names, and from what
/// the author wrote; what nobody knows any more shows as a dash.
fn message(problem: &Problem, payload: Option<&Payload>, texts: &Catalogue) -> String {
    let written = |field: &str| payload.and_then(|payload| payload.value::<String>(field));
    let limit = if problem.limit.is_empty() {
        "—"
    } else {
        &problem.limit
    };
    let (min, max) = limit.split_once("..").unwrap_or((limit, limit));
    let to = written("to").unwrap_or_else(|| "—".to_owned());
    let value = written(&problem.field).unwrap_or_else(|| "—".to_owned());
    let places = [
        ("field", problem.field.as_str()),
        ("limit", limit),
        ("min", min),
        ("max", max),
        ("from", limit),
        ("to", &to),
        ("state", limit),
        ("seen", "—"),
        ("value", &value),
        ("expected", limit),
    ];
    texts.text(&format!("problem.{}", problem.code.as_str()), &places)
}

pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Conflict => "conflict",
        Verdict::NotApplied => "not_applied",
        Verdict::Held => "held",
        Verdict::Quarantined => "quarantined",
    }
}

pub(super) fn ruling_name(ruling: RulingKind) -> &'static str {
    match ruling {
        RulingKind::Released => "released",
        RulingKind::Admitted => "admitted",
        RulingKind::Rejected => "rejected",
        RulingKind::Repaired => "repaired",
        RulingKind::Erased => "erased",
        RulingKind::Seen => "seen",
    }
}

pub(super) fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Draft => "draft",
        Standing::Unsent => "unsent",
        Standing::InForce => "in_force",
        Standing::Conflict => "conflict",
        Standing::NotApplied => "not_applied",
        Standing::Held => "held",
        Standing::Quarantined => "quarantined",
        Standing::Rejected => "rejected",
        Standing::Repaired => "repaired",
    }
}

pub(super) fn mark_names(marks: Marks) -> Vec<String> {
    [
        (Marks::REPEAT, "repeat"),
        (Marks::FORKED, "forked"),
        (Marks::RIGHT_ENDED, "right_ended"),
        (Marks::CLOCK_BOUNDED, "clock_bounded"),
        (Marks::REOFFERED, "reoffered"),
    ]
    .into_iter()
    .filter(|(mark, _)| marks.has(*mark))
    .map(|(_, name)| name.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_core::verdict::ProblemCode;

    #[test]
    fn no_message_shows_an_unfilled_place() {
        let languages = [
            sync_core::messages::Language::Chinese,
            sync_core::messages::Language::English,
        ];
        for texts in languages.map(Catalogue::of) {
            for code in ProblemCode::ALL {
                let text = message(&Problem::field(*code, "title").limit("1..2"), None, texts);
                assert!(
                    !text.contains(['{', '}']) && !text.starts_with("problem."),
                    "{text}"
                );
            }
        }
    }
}
