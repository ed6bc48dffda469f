//! Alerts as the office lists them, after the rules have been run.

use super::ServiceError;
use super::district::District;
use super::gridwork::Gridwork;
use serde_json::{Value, json};
use std::sync::Arc;
use sync_core::kinds::Kind;

impl Gridwork {
    /// Runs what is due, the alert rules among it, unless it is only to be listed; then every alert, the newest of each rule
    /// first: which rule and grade, where, since when, and how far it has been followed.
    pub(super) async fn alerts(
        &self,
        district: &Arc<District>,
        only_list: bool,
    ) -> Result<Value, ServiceError> {
        let mut raised = 0;
        if !only_list {
            let now_ms = self.clock.wall_ms();
            let done = self.run_due(district, now_ms).await?;
            raised = done
                .iter()
                .filter(|duty| duty.duty == "alerts")
                .map(|duty| duty.done)
                .sum();
        }
        let background = self.background(district)?;
        let state = district.state();
        background.projection.wait_for(state.head.0).await;
        let (directory, documents) = (&state.directory, &state.documents.documents);
        let is_final = |code: &str| {
            let workflow = documents.workflow(Kind::Alert);
            let state = workflow.and_then(|workflow| workflow.state(code));
            state.is_none_or(|state| state.is_final)
        };
        let (mut alerts, mut open) = (Vec::new(), 0);
        for rule in documents.alert_rules() {
            let rows = background
                .projection
                .read(|index| index.list_alerts(&rule.code))?;
            for row in rows.unwrap_or_default() {
                open += u32::from(!is_final(&row.state));
                let unit = directory.unit(row.unit);
                alerts.push(json!({
                    "record": row.id.to_string(), "rule": rule.code, "name": rule.name.zh, "grade": rule.grade,
                    "unit": unit.map(|unit| unit.code.as_str()), "since_ms": row.time_ms, "state": row.state,
                    "is_open": !is_final(&row.state),
                }));
            }
        }
        Ok(json!({ "raised": raised, "open": open, "alerts": alerts }))
    }
}
