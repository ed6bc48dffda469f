//! Rulings by a person: a held or quarantined change is admitted or rejected with a reason; sealed parts are erased.

use super::ServiceError;
use super::context::read_ruling;
use super::district::District;
use super::log_writer::LogWriter;
use crate::store::StoreError;
use sync_core::directory::Directory;
use sync_core::entry::{EntryKind, Ruling, RulingKind};
use sync_core::ids::{PersonId, Pos, UnitId};
use sync_core::kinds::{Kind, Shape};
use sync_core::merge::RecordState;
use sync_core::verdict::{Answer, Marks, Problem, Verdict};

/// Who may rule about a change, on its record's unit or above.
const RULING_ROLES: [&str; 3] = ["duty_desk", "grid_head", "district_lead"];
/// Who may have personal fields erased.
const ERASING_ROLES: [&str; 1] = ["privacy_officer"];

/// What a person rules.
#[derive(Clone, Debug)]
pub struct RulingRequest {
    /// The place of the change.
    pub of: Pos,
    /// Admitted, rejected, seen or erased.
    pub ruling: RulingKind,
    /// Who rules.
    pub by: PersonId,
    /// Why.
    pub reason: String,
}

impl District {
    /// Rules about a change. Answers with the ruling's place.
    ///
    /// # Errors
    /// No such change, nothing to rule about, a person without the right, a change that cannot have an effect.
    pub async fn rule(&self, request: RulingRequest) -> Result<Pos, ServiceError> {
        if request.reason.trim().is_empty() {
            return Err(ServiceError::Conflict {
                reason: "a ruling needs a reason",
            });
        }
        if matches!(request.ruling, RulingKind::Released | RulingKind::Repaired) {
            return Err(ServiceError::Conflict {
                reason: "only the server itself rules so",
            });
        }
        self.writer()
            .run(move |log, now_ms| rule(log, &request, now_ms))
            .await?
    }
}

/// Whether a person may rule so at a time about a change of a record of this unit; of no record, on any unit.
pub(super) fn may_rule(
    directory: &Directory,
    person: PersonId,
    ruling: RulingKind,
    unit: Option<UnitId>,
    at_ms: i64,
) -> bool {
    let roles: &[&str] = if ruling == RulingKind::Erased {
        &ERASING_ROLES
    } else {
        &RULING_ROLES
    };
    directory.grants(person).iter().any(|grant| {
        let here = unit.is_none_or(|unit| directory.is_within(unit, grant.unit));
        roles.contains(&grant.role.as_str()) && grant.holds_within(at_ms, at_ms) && here
    })
}

fn rule(
    log: &mut LogWriter<'_>,
    request: &RulingRequest,
    now_ms: i64,
) -> Result<Result<Pos, ServiceError>, StoreError> {
    let Some(entry) = log
        .write()
        .find_entry(request.of)?
        .filter(|entry| entry.kind == EntryKind::Change)
    else {
        return Ok(Err(ServiceError::NotFound));
    };
    let row = entry
        .record
        .map(|no| log.write().get_record_by_no(no))
        .transpose()?;
    let unit = row.as_ref().map(|row| row.unit);
    if !may_rule(&log.directory(), request.by, request.ruling, unit, now_ms) {
        return Ok(Err(ServiceError::Forbidden));
    }
    if let Some(before) = ruled_before(log, request)? {
        return Ok(Ok(before));
    }
    // Sealed parts can be erased of any change, whatever became of it.
    let first = entry.answer.clone();
    let present = match request.ruling {
        RulingKind::Erased => first,
        _ => log.view().present(&entry)?.answer,
    };
    let is_open = match request.ruling {
        RulingKind::Erased => true,
        RulingKind::Seen => is_to_be_seen(&present) && log.write().find_seen(request.of)?.is_none(),
        _ => log.write().find_held(request.of)?.is_some(),
    };
    if !is_open {
        return Ok(Err(ServiceError::Conflict {
            reason: "nothing waits for a ruling here",
        }));
    }
    let (verdict, problems) = match request.ruling {
        RulingKind::Admitted => {
            let state = row
                .as_ref()
                .map(|row| log.view().load_state(row))
                .transpose()?
                .flatten();
            match admitted_verdict(&log.view().prepare_again(&entry), state.as_ref()) {
                Some(verdict) => (verdict, Vec::new()),
                None => {
                    return Ok(Err(ServiceError::Conflict {
                        reason: "the change cannot have an effect; it needs a repair",
                    }));
                }
            }
        }
        _ => (present.verdict, present.problems),
    };
    let ruling = Ruling {
        ruling: request.ruling,
        of: request.of,
        replica: entry.replica,
        seq: entry.seq,
        by: Some(request.by),
        reason: request.reason.clone(),
        verdict: if request.ruling == RulingKind::Rejected {
            Verdict::Quarantined
        } else {
            verdict
        },
        marks: present.marks,
        problems,
    };
    let pos = log.rule(&ruling, now_ms)?;
    if request.ruling == RulingKind::Admitted
        && let Some(header) = log.view().prepare_again(&entry).header
    {
        log.release_after_ruling(&header, entry.replica, entry.seq, now_ms)?;
    }
    Ok(Ok(pos))
}

/// Whether a change is one that a desk looks at and leaves as it is: a step that was not applied, or what a forked branch
/// brought into force.
pub(super) fn is_to_be_seen(present: &Answer) -> bool {
    let forked = present.marks.has(Marks::FORKED) && !present.marks.has(Marks::REPEAT);
    present.verdict == Verdict::NotApplied || (forked && present.verdict.is_in_force())
}

/// The same ruling by the same person for the same reason, whose answer was lost.
fn ruled_before(log: &LogWriter<'_>, request: &RulingRequest) -> Result<Option<Pos>, StoreError> {
    let found = match request.ruling {
        RulingKind::Erased => None,
        RulingKind::Seen => log.write().find_seen(request.of)?,
        _ => log.write().find_ruling(request.of, log.view().head)?,
    };
    let Some(pos) = found else { return Ok(None) };
    let entry = log.write().find_entry(pos)?;
    let ruling = entry.as_ref().map(read_ruling).transpose()?;
    let is_same = ruling.is_some_and(|ruling| {
        (ruling.ruling, ruling.by) == (request.ruling, Some(request.by))
            && ruling.reason == request.reason
    });
    Ok(is_same.then_some(pos))
}

/// The verdict of a change that a person lets in, `None` when it cannot have any effect: its payload is wrong, the
/// record exists already, is of another kind, or there is none.
pub(super) fn admitted_verdict(
    change: &sync_core::decide::Prepared,
    state: Option<&RecordState>,
) -> Option<Verdict> {
    let structural =
        |problem: &Problem| !matches!(problem.code, sync_core::verdict::ProblemCode::RightMissing);
    let (intent, _payload) = (change.intent?, change.payload.as_ref()?);
    if change.problems.iter().any(structural) {
        return None;
    }
    let kind = state.map_or(Kind::Unknown, |state| state.kind);
    let is_other_kind = |wanted| kind != Kind::Unknown && kind != wanted;
    if intent.kind.is_some_and(is_other_kind) {
        return None;
    }
    let exists = state.is_some_and(|state| state.created.is_some());
    match intent.shape {
        Shape::Create(_) if exists => None,
        Shape::Amend | Shape::Transition(_) | Shape::Move if !exists => None,
        _ => Some(Verdict::Accepted),
    }
}
