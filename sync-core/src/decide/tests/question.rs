//! A question to the guards alone: a record, who asks as what, and the step that is tried.

use super::scene::{AUTHOR, DISTRICT, NOW_MS, district, fields, grant, record_id};
use crate::decide::guards::{Attempted, check};
use crate::decide::rights::Right;
use crate::directory::Grant;
use crate::documents::{Documents, Transition};
use crate::ids::UnitId;
use crate::merge::RecordState;
use crate::verdict::{Problem, ProblemCode};

/// One question to the guards; the author asks as the holder of these grants.
pub struct Question {
    pub record: RecordState,
    pub grants: Vec<Grant>,
    pub to: &'static str,
    pub json: &'static str,
    pub time_ms: i64,
}

impl Question {
    pub fn about(record: RecordState) -> Self {
        Self {
            record,
            grants: vec![grant("worker", DISTRICT)],
            to: "ANYWHERE",
            json: "{}",
            time_ms: NOW_MS,
        }
    }

    pub fn holding(mut self, roles: &[(&str, UnitId)]) -> Self {
        self.grants = roles
            .iter()
            .map(|(role, unit)| grant(role, *unit))
            .collect();
        self
    }

    pub fn to(self, to: &'static str) -> Self {
        Self { to, ..self }
    }

    pub fn with(self, json: &'static str) -> Self {
        Self { json, ..self }
    }

    pub fn asks(&self, requires: &[&str], guards: &[&str]) -> Option<Problem> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let step = Transition {
            from: self.record.state.clone().unwrap_or_default(),
            to: self.to.into(),
            roles: Vec::new(),
            requires: owned(requires),
            guards: owned(guards),
            ..Transition::default()
        };
        check(&Attempted {
            directory: &district(),
            documents: &Documents::defaults(),
            record: &self.record,
            record_id: record_id().to_string(),
            step: &step,
            payload: &fields(self.json),
            person: AUTHOR,
            right: &Right {
                grants: self.grants.iter().collect(),
                ended: false,
            },
            time_ms: self.time_ms,
        })
    }

    pub fn passes(&self, guard: &str) -> bool {
        self.asks(&[], &[guard]).is_none()
    }
}

pub fn not_allowed(guard: &str) -> Option<Problem> {
    Some(Problem::whole(ProblemCode::TransitionNotAllowed).limit(guard))
}

pub fn needed(field: &str, to: &str) -> Option<Problem> {
    Some(Problem::field(ProblemCode::FieldNeededForTransition, field).limit(to))
}
