//! What one change comes to: verdict, marks, problems and time, by `docs/merge.md` and `docs/protocol.md`.

use super::documents::Documents;
use super::fold::{OracleRecord, fold, saw};
use super::payload;
use super::people::{Grant, People};
use super::plain::{
    Answer, CLOCK_BOUNDED, Change, Clocks, Effect, Entry, FORKED, Place, Problem, REPEAT,
    RIGHT_ENDED, Stamp, Verdict, Written,
};
use super::steps::{Attempted, failing, failing_move};
use super::written::{self, Intent, Shape, limit};

/// A minute, beyond which a bounded clock is marked.
const MINUTE_MS: u64 = 60_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// Everything that a decision looks at besides the change.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The documents in force.
    pub documents: &'a Documents,
    /// Whether the server knows intents at all; an older one knows none.
    pub knows_intents: bool,
    /// Units, roles.
    pub people: &'a People,
    /// The author.
    pub person: u32,
    /// The author's replica, by its short number.
    pub replica: u32,
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// The record as it stands.
    pub record: Option<&'a OracleRecord>,
    /// Every entry about the record so far.
    pub history: &'a [Entry],
    /// The change was not made before this moment.
    pub earliest_ms: i64,
    /// When it arrived.
    pub received_ms: i64,
    /// The device's clocks when it was sent.
    pub sent_at: Clocks,
    /// The place that it gets.
    pub place: Place,
    /// Whether what it needs is in force.
    pub has_what_it_needs: bool,
    /// Whether the change that it repeats, or another that repeats it, is in the log.
    pub is_repeat: bool,
    /// Whether what it says it repairs is a quarantined change of its author.
    pub repairs_something: bool,
    /// Its time, when that is fixed already.
    pub fixed_time_ms: Option<i64>,
}

/// What was decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The answer.
    pub answer: Answer,
    /// When it was done.
    pub time_ms: i64,
}

fn whole(code: &str) -> Problem {
    (code.to_owned(), String::new())
}

/// Decides one change. What stands earlier here is looked at earlier; the first that is wrong decides.
pub fn decide(situation: &Situation<'_>, change: &Change) -> Decided {
    let Some(written) = &change.written else {
        return Decided {
            answer: answer(Verdict::Quarantined, 0, vec![whole("unreadable")]),
            time_ms: situation.fixed_time_ms.unwrap_or(situation.received_ms),
        };
    };
    let mut entry = entry_of(situation, change, written);
    let (time_ms, is_bounded) = time(situation, written, &entry);
    entry.stamp.time_ms = time_ms;
    let mut marks = 0;
    marks |= if is_bounded { CLOCK_BOUNDED } else { 0 };
    marks |= if written.origin.is_some() { FORKED } else { 0 };
    let (verdict, problems) = judge(situation, change, written, &entry, &mut marks);
    Decided {
        answer: answer(verdict, marks, problems),
        time_ms,
    }
}

fn judge(
    situation: &Situation<'_>,
    change: &Change,
    written: &Written,
    entry: &Entry,
    marks: &mut u32,
) -> (Verdict, Vec<Problem>) {
    if situation.is_revoked {
        return (Verdict::Quarantined, vec![whole("replica_revoked")]);
    }
    if situation.is_repeat {
        *marks |= REPEAT;
        return (Verdict::Accepted, Vec::new());
    }
    let Some(intent) = known_intent(written).filter(|_| situation.knows_intents) else {
        return (Verdict::Held, vec![whole("intent_unknown")]);
    };
    let problems = payload_problems(situation, change, written, intent);
    if !problems.is_empty() {
        return (Verdict::Quarantined, problems);
    }
    let is_made = situation
        .record
        .is_some_and(|record| record.created.is_some());
    if let Some(problem) = wrong_record(situation, intent, is_made) {
        return (Verdict::Quarantined, vec![problem]);
    }
    // Where a record belongs is not known before it is made, so rights are looked at when it is.
    if waits(intent) && !is_made {
        return (Verdict::Held, vec![whole("record_missing")]);
    }
    let (grants, has_ended) = right(situation, written);
    if grants.is_empty() {
        return (Verdict::Quarantined, vec![whole("right_missing")]);
    }
    if intent.name == "patrol.track" && !situation.documents.asks_for_tracks {
        return (Verdict::Quarantined, vec![whole("track_not_asked")]);
    }
    *marks |= if has_ended { RIGHT_ENDED } else { 0 };
    if waits(intent) && !situation.has_what_it_needs {
        return (Verdict::Held, vec![whole("needs_missing")]);
    }
    match failing_step(situation, intent, entry, &grants) {
        Some(problem) => (Verdict::NotApplied, vec![problem]),
        None if leaves_others(situation, entry) => (Verdict::Conflict, Vec::new()),
        None => (Verdict::Accepted, Vec::new()),
    }
}

/// The intent, if this version knows it in this version.
pub fn known_intent(written: &Written) -> Option<&'static Intent> {
    written::intent(&written.intent).filter(|intent| written.schema <= intent.schema)
}

/// Whether an intent waits: amendments, steps and moves do; what makes a record and elements never do.
pub fn waits(intent: &Intent) -> bool {
    matches!(intent.shape, Shape::Writes | Shape::Steps(_) | Shape::Moves)
}

/// All that is wrong with the change itself.
fn payload_problems(
    situation: &Situation<'_>,
    change: &Change,
    written: &Written,
    intent: &Intent,
) -> Vec<Problem> {
    let mut problems = match payload::read(change.open.as_deref()) {
        Ok(fields) => payload::problems(intent, &fields),
        Err(problem) => vec![problem],
    };
    let parts = change.unreadable_parts.iter();
    problems.extend(parts.map(|class| ("unreadable".to_owned(), format!("part.{class}"))));
    let is_stranger = written
        .whose
        .is_some_and(|whose| !situation.people.has_person(whose));
    problems.extend(is_stranger.then(|| ("unknown_choice".to_owned(), "for".to_owned())));
    if !situation.repairs_something {
        problems.push(("nothing_to_repair".to_owned(), "repairs".to_owned()));
    }
    problems
}

fn answer(verdict: Verdict, marks: u32, mut problems: Vec<Problem>) -> Answer {
    problems.sort();
    Answer {
        verdict,
        marks,
        problems,
    }
}

/// The change as it would be entered if it came into force now.
fn entry_of(situation: &Situation<'_>, change: &Change, written: &Written) -> Entry {
    Entry {
        stamp: Stamp {
            place: situation.place,
            first: None,
            time_ms: 0,
            person: situation.person,
            whose: written.whose,
            replica: situation.replica,
            seq: change.seq,
        },
        record: written.record,
        unit: written.unit,
        intent: written.intent.clone(),
        base: written.base,
        fields: payload::read(change.open.as_deref()).ok(),
        effect: Effect::InForce,
    }
}

/// When it was done, and whether the device's clock was off by more than a minute.
fn time(situation: &Situation<'_>, written: &Written, entry: &Entry) -> (i64, bool) {
    if let Some(time_ms) = situation.fixed_time_ms {
        return (time_ms, false);
    }
    let (made, sent) = (written.at, situation.sent_at);
    let is_same_boot =
        made.boot != 0 && made.boot == sent.boot && made.monotonic_ms <= sent.monotonic_ms;
    let estimate_ms = if is_same_boot {
        let age_ms = i64::try_from(sent.monotonic_ms - made.monotonic_ms).unwrap_or(i64::MAX);
        situation.received_ms.saturating_sub(age_ms)
    } else {
        made.wall_ms.saturating_add(made.skew_ms)
    };
    // What the author saw and the record still shows.
    let seen_ms = situation
        .record
        .into_iter()
        .flat_map(OracleRecord::stamps)
        .filter(|stamp| saw(entry, stamp))
        .map(|stamp| stamp.time_ms)
        .max()
        .unwrap_or(i64::MIN);
    let time_ms = estimate_ms
        .max(situation.earliest_ms)
        .max(seen_ms)
        .min(situation.received_ms);
    (time_ms, estimate_ms.abs_diff(time_ms) > MINUTE_MS)
}

/// What is wrong about the record that the change names.
fn wrong_record(situation: &Situation<'_>, intent: &Intent, is_made: bool) -> Option<Problem> {
    let record = situation.record?;
    let is_other_kind = intent
        .kind
        .as_ref()
        .is_some_and(|kind| record.kind != "unknown" && record.kind != *kind);
    if is_other_kind {
        return Some(whole("wrong_kind"));
    }
    (is_made && matches!(intent.shape, Shape::Makes(_))).then(|| whole("record_exists"))
}

/// The grants by which the author may author this, and whether all of them had ended when it arrived.
fn right(situation: &Situation<'_>, written: &Written) -> (Vec<Grant>, bool) {
    let mut units = vec![written.unit];
    if let Some(record) = situation.record.filter(|record| record.created.is_some()) {
        units = vec![record.unit];
        units.extend(record.desk);
        let was_taken_away = record.steps.iter().any(|step| {
            step.units.is_some_and(|(from, _)| from == written.unit)
                && !step.stamp.was_seen_from(written.base)
        });
        units.extend(was_taken_away.then_some(written.unit));
    }
    let reach_ms = limit("days back that a right may have ended") * DAY_MS;
    let from_ms = situation
        .earliest_ms
        .max(situation.received_ms.saturating_sub(reach_ms))
        .min(situation.received_ms);
    let grants: Vec<Grant> = situation
        .people
        .grants(situation.person)
        .iter()
        .filter(|grant| {
            let role = situation.documents.roles.get(&grant.role);
            role.is_some_and(|role| role.intents.contains(&written.intent))
                && grant.holds_within(from_ms, situation.received_ms)
                && units
                    .iter()
                    .any(|unit| situation.people.is_within(*unit, grant.unit))
        })
        .cloned()
        .collect();
    let holds_still = grants
        .iter()
        .any(|grant| grant.holds_within(situation.received_ms, situation.received_ms));
    (grants, !holds_still)
}

fn failing_step(
    situation: &Situation<'_>,
    intent: &Intent,
    entry: &Entry,
    grants: &[Grant],
) -> Option<Problem> {
    let record = situation.record?;
    let attempted = Attempted {
        documents: situation.documents,
        people: situation.people,
        record,
        entry,
        grants,
    };
    let fields = entry.fields.as_ref()?;
    match &intent.shape {
        Shape::Steps(Some(to)) => failing(&attempted, to),
        Shape::Steps(None) => {
            let to: String = serde_json::from_str(fields.get("to")?).ok()?;
            failing(&attempted, &to)
        }
        Shape::Moves => failing_move(&attempted, serde_json::from_str(fields.get("unit")?).ok()?),
        _ => None,
    }
}

/// Whether other values stand beside those that it writes.
fn leaves_others(situation: &Situation<'_>, entry: &Entry) -> bool {
    let shape = written::intent(&entry.intent).map(|intent| &intent.shape);
    if !matches!(shape, Some(Shape::Makes(_) | Shape::Writes)) {
        return false;
    }
    let mut entries: Vec<&Entry> = situation.history.iter().collect();
    entries.push(entry);
    let after = fold(&entries).expect("BUG: there is an entry in force");
    entry
        .fields
        .iter()
        .flatten()
        .any(|(name, _)| after.is_conflicted(name))
}
