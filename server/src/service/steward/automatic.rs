//! The steps that workflows let the server take by itself.

use super::Steward;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::log_writer::LogWriter;
use crate::service::office::OfficeDraft;
use crate::store::StoreError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::Arc;
use sync_core::cases::{self, Automatic, intent_into};
use sync_core::duties;
use sync_core::ids::ReplicaId;
use sync_core::merge::RecordState;
use sync_core::messages::{Catalogue, Language};
use sync_core::replica::Draft;

/// Records of one commit: bounds how long others wait for the writer.
const RECORDS_MAX: usize = 100;

/// Takes every step that is due.
pub(super) fn take_due<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    async move {
        let candidates = steward.candidates(district, now_ms).await?;
        let candidates = with_a_step(district, candidates, now_ms).await?;
        if candidates.is_empty() {
            return Ok(0);
        }
        let replica = steward.system_replica(district).await?;
        let mut taken = 0;
        for some in candidates.chunks(RECORDS_MAX) {
            let some = some.to_vec();
            let step = move |log: &mut LogWriter<'_>, received_ms: i64| {
                log.take_due(replica, &some, now_ms.min(received_ms), received_ms)
            };
            taken += district.writer().run(step).await??;
        }
        Ok(taken)
    }
    .boxed()
}

/// Those of these records of which a step is due.
async fn with_a_step(
    district: &Arc<District>,
    candidates: Vec<i64>,
    now_ms: i64,
) -> Result<Vec<i64>, ServiceError> {
    let reader = Arc::clone(district);
    district
        .read(move |read, state| {
            let view = reader.view(read, state);
            let mut found = Vec::new();
            for no in candidates {
                let record = view.load_state(&read.get_record_by_no(no)?)?;
                let is_due = record.is_some_and(|record| {
                    cases::automatic(&record, view.documents, now_ms).is_some()
                });
                found.extend(is_due.then_some(no));
            }
            Ok(found)
        })
        .await
}

impl Steward {
    /// The numbers of the records that must be looked at by a moment.
    pub(super) async fn candidates(
        &self,
        district: &Arc<District>,
        now_ms: i64,
    ) -> Result<Vec<i64>, ServiceError> {
        let Some(projection) = self.projection.clone() else {
            return all_due(district, now_ms).await;
        };
        projection.wait_for(district.state().head.0).await;
        let mut found = Vec::new();
        let mut after = (i64::MIN, 0);
        loop {
            let page = projection.read(|index| index.list_due(after, now_ms, 10 * RECORDS_MAX))?;
            let page = page.unwrap_or_default();
            let Some(last) = page.last() else {
                return Ok(found);
            };
            after = *last;
            found.extend(page.iter().map(|(_, no)| *no));
        }
    }
}

/// The same without a projection: every record is looked at.
async fn all_due(district: &Arc<District>, now_ms: i64) -> Result<Vec<i64>, ServiceError> {
    let reader = Arc::clone(district);
    district
        .read(move |read, state| {
            let view = reader.view(read, state);
            let mut found = Vec::new();
            let (mut next, step) = (Some(1), 1_000);
            while let Some(from) = next {
                next = read.scan_records(from, step, |row| {
                    let record = view.load_state(&row)?;
                    let due_ms =
                        record.and_then(|record| duties::moments(&record, view.documents).due_ms);
                    found.extend(
                        due_ms
                            .is_some_and(|due_ms| due_ms <= now_ms)
                            .then_some(row.no),
                    );
                    Ok::<_, StoreError>(true)
                })?;
            }
            Ok(found)
        })
        .await
}

impl LogWriter<'_> {
    /// Takes the steps of these records that are due at a moment, and says how many. What would not have its effect is left
    /// out, so that the log does not fill with steps that are never applied.
    pub(super) fn take_due(
        &mut self,
        replica: ReplicaId,
        records: &[i64],
        due_ms: i64,
        now_ms: i64,
    ) -> Result<Result<u64, ServiceError>, StoreError> {
        let (mut drafts, mut refusals) = (Vec::new(), 0);
        for no in records {
            let row = self.write().get_record_by_no(*no)?;
            let Some(state) = self.view().load_state(&row)? else {
                continue;
            };
            let view = self.view();
            let Some(due) = cases::automatic(&state, view.documents, due_ms) else {
                continue;
            };
            let Some((intent, open)) = payload(&state, &due) else {
                continue;
            };
            let draft = OfficeDraft::from(Draft::new(row.id, row.unit, intent, open));
            match self.forecast(replica, &draft, now_ms)? {
                Ok(answer) if answer.verdict.is_in_force() => drafts.push(draft),
                refused => {
                    tracing::debug!(record = %row.id, ?refused, "a step that is due is not allowed");
                    refusals += 1;
                }
            }
        }
        if refusals > 0 {
            tracing::warn!(refusals, "steps that are due by themselves are not allowed");
        }
        if drafts.is_empty() {
            return Ok(Ok(0));
        }
        let taken = self.author(replica, &drafts, now_ms)?;
        Ok(taken.map(|taken| taken.len() as u64))
    }
}

/// The intent and payload of a step, with a reason where the table asks for one.
fn payload(state: &RecordState, due: &Automatic<'_>) -> Option<(&'static str, String)> {
    let (intent, names_state) = intent_into(state.kind, &due.step.to)?;
    let mut fields = Map::new();
    if names_state {
        fields.insert("to".to_owned(), Value::from(due.step.to.as_str()));
    }
    if due.step.requires.iter().any(|field| field == "reason") {
        let reason = Catalogue::of(Language::Chinese).text("steward.reason.automatic", &[]);
        fields.insert("reason".to_owned(), Value::from(reason));
    }
    Some((intent.name, Value::Object(fields).to_string()))
}
