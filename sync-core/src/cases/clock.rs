//! The clock of a case: which one runs, since when, how much of it is used up, and who must hear of it.

use crate::calendar::{Allowance, Duration, Pause};
use crate::documents::{ClockKind, Documents};
use crate::merge::{RecordState, Step};

/// Who must hear how far a clock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody yet.
    InTime,
    /// Half is used up: whoever holds the case is reminded.
    Reminded,
    /// All is used up: the leader of whoever holds it.
    Overdue,
    /// Half as much again: the district.
    LongOverdue,
}

/// Where the clock of a case stands at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseClock {
    /// Which clock it is: that of the present state, or the one that the present state holds.
    pub kind: ClockKind,
    /// Whether only working time counts.
    pub is_working: bool,
    /// When it began, milliseconds since 1970.
    pub since_ms: i64,
    /// How much is allowed, milliseconds of the time that counts.
    pub allowed_ms: i64,
    /// How much of it is used up, pauses left out.
    pub used_ms: i64,
    /// When it is over; `None` while it stands still.
    pub due_ms: Option<i64>,
    /// Whether it stands still.
    pub is_paused: bool,
    /// Whether the case is suspended, which figures count apart.
    pub is_suspended: bool,
    /// How often it was extended.
    pub extensions: u32,
}

impl CaseClock {
    /// The clock that runs for a record; `None` where none does. The same on every machine: it reads the record's steps,
    /// the documents and the moment that is handed in.
    pub fn of(record: &RecordState, documents: &Documents, now_ms: i64) -> Option<Self> {
        let run = Run::of(record, documents)?;
        let allowance = run.allowance(documents)?;
        let since_ms = run.since_ms;
        Some(Self {
            kind: run.kind,
            is_working: allowance.is_working,
            since_ms,
            allowed_ms: allowance.length_ms,
            used_ms: allowance.used_ms(since_ms, now_ms.max(since_ms), &run.pauses),
            due_ms: allowance.due_ms(since_ms, &run.pauses),
            is_paused: run.is_paused(),
            is_suspended: run.is_suspended,
            extensions: run.extensions,
        })
    }

    /// When half, all, and half as much again of the clock that runs for a record will be used up, while nobody moves it;
    /// nothing while it stands still.
    pub fn moments(record: &RecordState, documents: &Documents) -> Option<[Option<i64>; 3]> {
        let run = Run::of(record, documents)?;
        let whole = run.allowance(documents)?;
        Some([1, 2, 3].map(|halves| {
            let part = Allowance {
                length_ms: whole.length_ms / 2 * halves,
                ..whole
            };
            part.due_ms(run.since_ms, &run.pauses)
        }))
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        let used = self.used_ms.saturating_mul(2);
        match self.allowed_ms {
            allowed if used >= allowed.saturating_mul(3) => Stage::LongOverdue,
            allowed if used >= allowed.saturating_mul(2) => Stage::Overdue,
            allowed if used >= allowed => Stage::Reminded,
            _ => Stage::InTime,
        }
    }
}

/// One run of a clock, as the steps so far make it.
struct Run {
    kind: ClockKind,
    since_ms: i64,
    /// What the state allows by itself.
    of_state: Option<Duration>,
    /// What documents allow.
    allowed: Option<Duration>,
    /// An end that somebody set, and how many pauses there had been by then: later ones move it.
    set_end: Option<(i64, usize)>,
    /// A clock that is half of another: how much that one allowed.
    half_of: Option<Box<Run>>,
    pauses: Vec<Pause>,
    is_suspended: bool,
    extensions: u32,
}

impl Run {
    fn of(record: &RecordState, documents: &Documents) -> Option<Self> {
        let workflow = documents.workflow(record.kind)?;
        let clock_of = |state: &str| {
            workflow
                .state(state)
                .map_or(ClockKind::None, |state| state.clock)
        };
        let mut at_ms = record.created.as_ref()?.time_ms;
        let mut level = record.shown_text("level");
        let first = record.steps.iter().find_map(|step| step.states.as_ref());
        let initial = first.map_or(record.state.as_deref()?, |(from, _)| from);
        let mut run = Self::begin(clock_of(initial), at_ms);
        for step in &record.steps {
            let Some((from, to)) = &step.states else {
                continue;
            };
            // No step counts as before the one before it, whatever a phone's clock says.
            at_ms = at_ms.max(step.stamp.time_ms);
            level = step.fields.value::<String>("level").or(level);
            run = run.step(step, (from, to), clock_of(to), at_ms);
        }
        let present = record
            .state
            .as_deref()
            .and_then(|state| workflow.state(state));
        run.of_state = present.and_then(|state| state.allowed);
        if run.kind == ClockKind::Due
            && let Some(end_ms) = due_end_ms(record)
        {
            run.set_end = Some((end_ms, run.pauses.len()));
            run.of_state = run.of_state.or(Some(Duration::DAY));
        }
        run.allowed = run.documented(record, documents, level.as_deref());
        if let Some(half_of) = &mut run.half_of {
            half_of.allowed = half_of.documented(record, documents, level.as_deref());
        }
        (run.kind != ClockKind::None).then_some(run)
    }

    fn begin(kind: ClockKind, since_ms: i64) -> Self {
        Self {
            kind,
            since_ms,
            of_state: None,
            allowed: None,
            set_end: None,
            half_of: None,
            pauses: Vec::new(),
            is_suspended: false,
            extensions: 0,
        }
    }

    fn step(mut self, step: &Step, (from, to): (&str, &str), next: ClockKind, at_ms: i64) -> Self {
        if self.is_paused() && !matches!(next, ClockKind::Paused | ClockKind::PausedApart) {
            if let Some((_, end)) = self.pauses.last_mut() {
                *end = Some(at_ms);
            }
            self.is_suspended = false;
        }
        let end_ms = step.fields.value::<i64>("due_ms");
        match next {
            ClockKind::Paused | ClockKind::PausedApart => {
                if !self.is_paused() {
                    self.pauses.push((at_ms, None));
                }
                self.is_suspended = next == ClockKind::PausedApart;
                self
            }
            // Whoever hands a case on within a unit does not begin anew.
            ClockKind::Dispose
                if self.is_disposing() && (to != "DISPATCHED" || from == "IN_PROGRESS") =>
            {
                let granted = step.fields.value::<bool>("granted").unwrap_or(false);
                if let Some(end_ms) = end_ms.filter(|_| granted) {
                    self.set_end = Some((end_ms, self.pauses.len()));
                    self.extensions += 1;
                }
                self
            }
            ClockKind::Dispose => Self {
                set_end: end_ms.map(|end_ms| (end_ms, 0)),
                ..Self::begin(next, at_ms)
            },
            // Until it is verified, what was allowed is remembered: half of it is allowed for doing it again.
            ClockKind::Verify => Self {
                half_of: match self.kind {
                    ClockKind::DisposeHalf => self.half_of,
                    ClockKind::Dispose => Some(Box::new(self)),
                    _ => None,
                },
                ..Self::begin(next, at_ms)
            },
            ClockKind::DisposeHalf => Self {
                half_of: self.half_of,
                ..Self::begin(next, at_ms)
            },
            // It goes on after a pause; what is to be sent out once more begins anew.
            _ if next == self.kind && next != ClockKind::Dispatch => self,
            _ => Self::begin(next, at_ms),
        }
    }

    fn is_disposing(&self) -> bool {
        matches!(self.kind, ClockKind::Dispose | ClockKind::DisposeHalf)
    }

    fn is_paused(&self) -> bool {
        self.pauses.last().is_some_and(|(_, end)| end.is_none())
    }

    fn documented(
        &self,
        record: &RecordState,
        documents: &Documents,
        level: Option<&str>,
    ) -> Option<Duration> {
        let category = record.shown_text("category");
        let category = category.and_then(|code| documents.category(&code));
        let code = level.or(category.map(|category| category.level.as_str()));
        let Some(level) = code.and_then(|code| documents.level(code)) else {
            return self.of_state;
        };
        match self.kind {
            ClockKind::Acknowledge => level.acknowledge,
            ClockKind::Dispatch => level.dispatch.or(level.first_action),
            ClockKind::Dispose | ClockKind::DisposeHalf => {
                let of_category = category.and_then(|category| category.dispose);
                of_category.or(level.dispose).or(level.close)
            }
            ClockKind::Verify => Some(documents.verify()),
            _ => self.of_state,
        }
    }

    /// What the run may take. An end that somebody set counts as the time that lies before it, so that a later pause moves it.
    fn allowance<'a>(&self, documents: &'a Documents) -> Option<Allowance<'a>> {
        let allowed = self.allowed?;
        let mut allowance = Allowance::of(allowed, documents.calendar(), documents.zone());
        if self.kind == ClockKind::DisposeHalf {
            let whole = self
                .half_of
                .as_ref()
                .and_then(|whole| whole.allowance(documents));
            allowance.length_ms = whole.map_or(allowance.length_ms, |whole| whole.length_ms) / 2;
        } else if let Some((end_ms, pauses)) = self.set_end {
            let pauses = self.pauses.get(..pauses).unwrap_or_default();
            allowance.length_ms = allowance.used_ms(self.since_ms, end_ms, pauses);
        }
        Some(allowance)
    }
}

/// When something must be done that has a day of its own: what the last step said, or the record itself.
fn due_end_ms(record: &RecordState) -> Option<i64> {
    let said = record
        .last_step()
        .and_then(|step| step.fields.value("until_ms"));
    said.or_else(|| serde_json::from_str(record.shown("due_at_ms")?.get()).ok())
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
