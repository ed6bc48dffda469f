//! The six words that say where a piece of work stands, and the one next step for each: one table for every screen.

use crate::entry::RulingKind;
use crate::verdict::{Answer, Verdict};

/// What a person reads beside a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateWord {
    /// 草稿: a form that was not sent.
    Draft,
    /// 待发: no verified receipt yet.
    Waiting,
    /// 已收: receipt verified; with [`NextStep::WaitForEarlier`] the screen adds 等前一条.
    Received,
    /// 已受理: the desk registered it.
    Registered,
    /// 退回: the desk asks, or did not take it up.
    Returned,
    /// 需修正: quarantined or not applied.
    NeedsRepair,
}

impl StateWord {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::Waiting,
        Self::Received,
        Self::Registered,
        Self::Returned,
        Self::NeedsRepair,
    ];

    /// The key of its text in the catalogue.
    pub fn message_key(self) -> &'static str {
        match self {
            Self::Draft => "state.draft",
            Self::Waiting => "state.waiting",
            Self::Received => "state.received",
            Self::Registered => "state.registered",
            Self::Returned => "state.returned",
            Self::NeedsRepair => "state.needs_repair",
        }
    }
}

/// What there is to do next about a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NextStep {
    /// Finish the form and send it.
    Finish,
    /// Nothing: it goes when there is a network.
    WaitForNetwork,
    /// Nothing: it waits for something that is not in force yet (等前一条).
    WaitForEarlier,
    /// Nothing: the desk looks at it.
    WaitForDesk,
    /// Nothing: follow how it goes.
    Follow,
    /// Choose between the values that stand beside each other.
    ChooseValue,
    /// Add what the desk asked for.
    Supplement,
    /// Read the reason that the desk gave.
    ReadReason,
    /// Look at what the record is now, and take the step again if it is still right.
    LookAgain,
    /// Mend what the problems name and send it again.
    Repair,
    /// Look at the repair that took its place.
    SeeRepair,
}

impl NextStep {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 11] = [
        Self::Finish,
        Self::WaitForNetwork,
        Self::WaitForEarlier,
        Self::WaitForDesk,
        Self::Follow,
        Self::ChooseValue,
        Self::Supplement,
        Self::ReadReason,
        Self::LookAgain,
        Self::Repair,
        Self::SeeRepair,
    ];

    /// The key of its text in the catalogue.
    pub fn message_key(self) -> &'static str {
        match self {
            Self::Finish => "next.finish",
            Self::WaitForNetwork => "next.wait_for_network",
            Self::WaitForEarlier => "next.wait_for_earlier",
            Self::WaitForDesk => "next.wait_for_desk",
            Self::Follow => "next.follow",
            Self::ChooseValue => "next.choose_value",
            Self::Supplement => "next.supplement",
            Self::ReadReason => "next.read_reason",
            Self::LookAgain => "next.look_again",
            Self::Repair => "next.repair",
            Self::SeeRepair => "next.see_repair",
        }
    }
}

/// Where a change stands: its verdict, or what a ruling made of it. The codes stand in the replica's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i64)]
pub enum Standing {
    /// Not a change yet.
    Draft = 0,
    /// No verified receipt.
    Unsent = 1,
    /// In force.
    InForce = 2,
    /// In force, with other values beside its own.
    Conflict = 3,
    /// A step that was not applied.
    NotApplied = 4,
    /// Waits for something.
    Held = 5,
    /// Something is wrong with it.
    Quarantined = 6,
    /// A person ended it without effect.
    Rejected = 7,
    /// A repair took its place.
    Repaired = 8,
}

impl Standing {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 9] = [
        Self::Draft,
        Self::Unsent,
        Self::InForce,
        Self::Conflict,
        Self::NotApplied,
        Self::Held,
        Self::Quarantined,
        Self::Rejected,
        Self::Repaired,
    ];

    /// The standing of a change with this answer and ruling. A deletion of sealed parts does not alter where it stands.
    pub fn of(answer: Option<&Answer>, ruling: Option<(RulingKind, &Answer)>) -> Self {
        let Some(answer) = answer else {
            return Self::Unsent;
        };
        let verdict = match ruling {
            Some((RulingKind::Rejected, _)) => return Self::Rejected,
            Some((RulingKind::Repaired, _)) => return Self::Repaired,
            Some((RulingKind::Released | RulingKind::Admitted, now)) => now.verdict,
            Some((RulingKind::Erased | RulingKind::Seen, _)) | None => answer.verdict,
        };
        match verdict {
            Verdict::Accepted => Self::InForce,
            Verdict::Conflict => Self::Conflict,
            Verdict::NotApplied => Self::NotApplied,
            Verdict::Held => Self::Held,
            Verdict::Quarantined => Self::Quarantined,
        }
    }
}

/// Which states of the record a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    /// Any at all.
    Any,
    /// One of these.
    These(&'static [&'static str]),
    /// None, or one that no other row of the standing names.
    Other,
}

struct Row(Standing, In, StateWord, NextStep);

const REGISTERED: In = In::These(&[
    "SELF_DONE",
    "REGISTERED",
    "DISPATCHED",
    "BOUNCED",
    "IN_PROGRESS",
    "EXT_ASKED",
    "SUSPEND_ASKED",
    "SUSPENDED",
    "FEEDBACK",
    "REWORK",
    "CLOSED",
    "REOPENED",
    "EVALUATED",
    "MERGED",
    "CANCELLED",
    "ARCHIVED",
]);
const ASKED: In = In::These(&["NEEDS_INFO"]);
const REFUSED: In = In::These(&["REJECTED"]);
const SUBMITTED: In = In::These(&["SUBMITTED"]);

const TABLE: &[Row] = &[
    Row(Standing::Draft, In::Any, StateWord::Draft, NextStep::Finish),
    Row(
        Standing::Unsent,
        In::Any,
        StateWord::Waiting,
        NextStep::WaitForNetwork,
    ),
    Row(
        Standing::Held,
        In::Any,
        StateWord::Received,
        NextStep::WaitForEarlier,
    ),
    Row(
        Standing::NotApplied,
        In::Any,
        StateWord::NeedsRepair,
        NextStep::LookAgain,
    ),
    Row(
        Standing::Quarantined,
        In::Any,
        StateWord::NeedsRepair,
        NextStep::Repair,
    ),
    Row(
        Standing::Rejected,
        In::Any,
        StateWord::Returned,
        NextStep::ReadReason,
    ),
    Row(
        Standing::Repaired,
        In::Any,
        StateWord::Received,
        NextStep::SeeRepair,
    ),
    Row(
        Standing::InForce,
        SUBMITTED,
        StateWord::Received,
        NextStep::WaitForDesk,
    ),
    Row(
        Standing::InForce,
        ASKED,
        StateWord::Returned,
        NextStep::Supplement,
    ),
    Row(
        Standing::InForce,
        REFUSED,
        StateWord::Returned,
        NextStep::ReadReason,
    ),
    Row(
        Standing::InForce,
        REGISTERED,
        StateWord::Registered,
        NextStep::Follow,
    ),
    Row(
        Standing::InForce,
        In::Other,
        StateWord::Received,
        NextStep::Follow,
    ),
    Row(
        Standing::Conflict,
        ASKED,
        StateWord::Returned,
        NextStep::Supplement,
    ),
    Row(
        Standing::Conflict,
        REFUSED,
        StateWord::Returned,
        NextStep::ReadReason,
    ),
    Row(
        Standing::Conflict,
        REGISTERED,
        StateWord::Registered,
        NextStep::ChooseValue,
    ),
    Row(
        Standing::Conflict,
        In::Other,
        StateWord::Received,
        NextStep::ChooseValue,
    ),
];

fn rows(standing: Standing, state: Option<&str>) -> impl Iterator<Item = &'static Row> {
    let state = state.unwrap_or_default().to_owned();
    let named = TABLE.iter().any(
        |row| matches!(row.1, In::These(states) if row.0 == standing && states.contains(&state.as_str())),
    );
    TABLE
        .iter()
        .filter(move |row| row.0 == standing)
        .filter(move |row| match row.1 {
            In::Any => true,
            In::These(states) => states.contains(&state.as_str()),
            In::Other => !named,
        })
}

/// The word and the next step of a piece of work, from where its change stands and the state of its record (`None`
/// for a record without a workflow).
pub fn word(standing: Standing, state: Option<&str>) -> (StateWord, NextStep) {
    let row = rows(standing, state)
        .next()
        .expect("BUG: the table of state words has a gap");
    (row.2, row.3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Documents;
    use crate::kinds::Kind;
    use crate::verdict::Marks;
    use std::collections::BTreeSet;

    const RULINGS: [RulingKind; 6] = [
        RulingKind::Released,
        RulingKind::Admitted,
        RulingKind::Rejected,
        RulingKind::Repaired,
        RulingKind::Erased,
        RulingKind::Seen,
    ];

    fn answer(verdict: Verdict) -> Answer {
        Answer {
            verdict,
            marks: Marks::default(),
            problems: Vec::new(),
        }
    }

    fn states() -> Vec<Option<String>> {
        let documents = Documents::defaults();
        let mut states = vec![None, Some("LATER".to_owned())];
        for kind in Kind::ALL {
            let workflow = documents.workflow(kind);
            states.extend(
                workflow.into_iter().flat_map(|workflow| {
                    workflow.states.iter().map(|state| Some(state.code.clone()))
                }),
            );
        }
        states
    }

    #[test]
    fn every_verdict_ruling_and_state_has_exactly_one_word_and_next_step() {
        let mut seen = BTreeSet::new();
        let mut standings: Vec<Standing> = vec![Standing::Draft, Standing::of(None, None)];
        for verdict in Verdict::ALL {
            standings.push(Standing::of(Some(&answer(verdict)), None));
            for ruling in RULINGS {
                for now in Verdict::ALL {
                    standings.push(Standing::of(
                        Some(&answer(verdict)),
                        Some((ruling, &answer(now))),
                    ));
                }
            }
        }
        assert!(Standing::ALL.iter().all(|each| standings.contains(each)));
        for standing in standings {
            for state in states() {
                let found = rows(standing, state.as_deref()).count();
                assert_eq!(found, 1, "{standing:?} {state:?}");
                seen.insert(word(standing, state.as_deref()));
            }
        }
        let words: BTreeSet<_> = seen.iter().map(|(word, _)| *word).collect();
        assert_eq!(words.len(), 6, "every word is reached");
    }

    #[test]
    fn every_state_of_a_report_is_named() {
        let documents = Documents::defaults();
        let workflow = documents.workflow(Kind::Report).expect("a workflow");
        for state in &workflow.states {
            let row = rows(Standing::InForce, Some(&state.code))
                .next()
                .expect("a row");
            assert_ne!(row.1, In::Other, "{}", state.code);
        }
    }
}
