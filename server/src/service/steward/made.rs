//! Making what there should be and is not yet: notices, tasks and alerts, each under the id that follows from its occasion.

use super::Steward;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::log_writer::LogWriter;
use crate::service::office::OfficeDraft;
use crate::store::StoreError;
use crate::store::sqlite::DistrictRead;
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_core::directory::Directory;
use sync_core::documents::Documents;
use sync_core::duties::Due;
use sync_core::ids::{Pos, ReplicaId};
use sync_core::replica::Draft;

/// Records of one commit: bounds how long others wait for the writer.
const RECORDS_MAX: usize = 200;

/// Those of which the log has no record yet, each once.
pub(super) fn missing(read: &DistrictRead, due: Vec<Due>) -> Result<Vec<Due>, StoreError> {
    let (mut missing, mut seen) = (Vec::new(), BTreeSet::new());
    for one in due {
        if seen.insert(one.record) && read.find_record(one.record)?.is_none() {
            missing.push(one);
        }
    }
    Ok(missing)
}

impl Steward {
    /// Makes what follows from the district's people and documents alone, and is not there yet.
    ///
    /// # Errors
    /// Storage's own.
    pub(super) async fn make_from(
        &self,
        district: &Arc<District>,
        due: impl FnOnce(&Directory, &Documents) -> Vec<Due> + Send + 'static,
    ) -> Result<u64, ServiceError> {
        let work = district.read(move |read, state| {
            let due = due(&state.directory, &state.documents.documents);
            Ok(missing(read, due)?)
        });
        let due = work.await?;
        self.make(district, due, None).await
    }

    /// Makes what is missing, in commits of some, and counts it. With the last of them the steward has followed the log up to
    /// `followed`.
    ///
    /// # Errors
    /// Storage's own.
    pub(super) async fn make(
        &self,
        district: &Arc<District>,
        due: Vec<Due>,
        followed: Option<Pos>,
    ) -> Result<u64, ServiceError> {
        if due.is_empty() && followed.is_none() {
            return Ok(0);
        }
        let replica = match due.is_empty() {
            true => None,
            false => Some(self.system_replica(district).await?),
        };
        let mut made = 0;
        let mut rest = due;
        loop {
            let some: Vec<Due> = rest.drain(..rest.len().min(RECORDS_MAX)).collect();
            let is_last = rest.is_empty();
            let step = move |log: &mut LogWriter<'_>, now_ms: i64| {
                let made = match replica {
                    Some(replica) => log.make_due(replica, some, now_ms)?,
                    None => Ok(0),
                };
                if let Some(pos) = followed.filter(|_| is_last && made.is_ok()) {
                    log.write().put_steward_pos(pos)?;
                }
                Ok(made)
            };
            made += district.writer().run(step).await??;
            if is_last {
                return Ok(made);
            }
        }
    }
}

impl LogWriter<'_> {
    /// Makes those that the log still lacks, and says how many. What would not be in force is left out, so that the log does
    /// not fill with what is tried again and again.
    fn make_due(
        &mut self,
        replica: ReplicaId,
        due: Vec<Due>,
        now_ms: i64,
    ) -> Result<Result<u64, ServiceError>, StoreError> {
        let mut drafts = Vec::new();
        for one in missing(self.view().read, due)? {
            let draft = Draft::new(one.record, one.unit, one.intent, one.open);
            let draft = OfficeDraft::from(draft);
            match self.forecast(replica, &draft, now_ms)? {
                Ok(answer) if answer.verdict.is_in_force() => drafts.push(draft),
                refused => {
                    let record = one.record;
                    tracing::warn!(%record, intent = one.intent, ?refused, "what is due is not allowed");
                }
            }
        }
        if drafts.is_empty() {
            return Ok(Ok(0));
        }
        let made = self.author(replica, &drafts, now_ms)?;
        Ok(made.map(|made| made.len() as u64))
    }
}
