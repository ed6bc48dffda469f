//! The rulings of the model server: what follows from changes that come into force, and what people rule.

use super::admit::{AdmissionOracle, Kept, awaited, ends_repairs};
use super::arrival::Ruled;
use super::decide::{known_intent, waits};
use super::log;
use super::payload;
use super::plain::{Answer, Need, Verdict};
use super::written::Shape;
use std::collections::VecDeque;

/// Who may rule on a change, on its record's unit or above.
const RULING_ROLES: [&str; 3] = ["duty_desk", "grid_head", "district_lead"];

impl AdmissionOracle {
    /// A person rules `admitted` or `rejected` on a change that waits or is quarantined. Nothing when that is refused.
    pub fn rule(&mut self, of: u64, ruling: &str, by: u32, at_ms: i64) -> Option<Vec<Ruled>> {
        self.documents = self.versions.at(at_ms);
        if !self.may_rule(of, by, at_ms) || !self.changes.get(&of)?.is_open() {
            return None;
        }
        let present = self.changes[&of].standing.clone();
        if ruling != "admitted" {
            let answer = Answer {
                verdict: Verdict::Quarantined,
                ..present
            };
            return Some(vec![self.end(of, ruling, answer, at_ms)]);
        }
        if !self.can_have_an_effect(of) {
            return None;
        }
        let answer = Answer {
            verdict: Verdict::Accepted,
            marks: present.marks,
            problems: Vec::new(),
        };
        let mut ruled = vec![self.end(of, ruling, answer, at_ms)];
        ruled.extend(self.end_what_it_repairs(of, at_ms));
        for need in self.met_by(of) {
            self.release(need, at_ms, &mut ruled);
        }
        Some(ruled)
    }

    /// A duty desk, grid head or district lead of the record's unit or above; where no record is known, of any unit.
    fn may_rule(&self, of: u64, by: u32, at_ms: i64) -> bool {
        let written = self
            .changes
            .get(&of)
            .and_then(|kept| kept.row.change.written.as_ref());
        let unit = written.and_then(|written| self.unit_of(written.record));
        self.people.grants(by).iter().any(|grant| {
            RULING_ROLES.contains(&grant.role.as_str())
                && grant.holds_within(at_ms, at_ms)
                && unit.is_none_or(|unit| self.people.is_within(unit, grant.unit))
        })
    }

    /// A newer version of the server takes its place, one that knows the intents: what waited for it is looked at again,
    /// in the order of places.
    pub fn learn(&mut self, at_ms: i64) -> Vec<Ruled> {
        self.knows_intents = true;
        self.documents = self.versions.at(at_ms);
        let waits_for_it = |(pos, kept): (&u64, &Kept)| {
            let problems = &kept.standing.problems;
            let is_for_it = problems
                .first()
                .is_some_and(|(code, _)| code == "intent_unknown");
            (kept.is_open() && kept.standing.verdict == Verdict::Held && is_for_it).then_some(*pos)
        };
        let waiting: Vec<u64> = self.changes.iter().filter_map(waits_for_it).collect();
        let mut ruled = Vec::new();
        for pos in waiting {
            if self.changes[&pos].is_open() {
                for need in self.look_again(pos, at_ms, &mut ruled) {
                    self.release(need, at_ms, &mut ruled);
                }
            }
        }
        ruled
    }

    /// A change cannot have an effect when its intent is not known, its payload is wrong, it would make a record that
    /// there is, or is about one that there is not or that is of another kind.
    fn can_have_an_effect(&self, of: u64) -> bool {
        let change = &self.changes[&of].row.change;
        let Some(written) = change.written.as_ref().filter(|_| self.knows_intents) else {
            return false;
        };
        let (Some(intent), Ok(fields)) =
            (known_intent(written), payload::read(change.open.as_deref()))
        else {
            return false;
        };
        let record = self.record(written.record);
        let is_made = record.is_some_and(|record| record.created.is_some());
        let kind = record.map_or("unknown", |record| record.kind.as_str());
        let is_other_kind = kind != "unknown" && intent.kind.as_ref().is_some_and(|it| it != kind);
        payload::problems(intent, &fields).is_empty()
            && change.unreadable_parts.is_empty()
            && !(is_made && matches!(intent.shape, Shape::Makes(_)))
            && (is_made || !waits(intent))
            && !is_other_kind
    }

    /// Writes a ruling about a change.
    fn end(&mut self, of: u64, ruling: &str, answer: Answer, received_ms: i64) -> Ruled {
        let place = self.next_place(received_ms);
        self.waiting.remove(&of);
        let kept = self.changes.get_mut(&of).expect("BUG: a change of the log");
        kept.standing = answer.clone();
        kept.has_ended = ruling != "released";
        if ["released", "admitted"].contains(&ruling)
            && let Some(entry) = log::entry(&kept.row, place, None, &answer)
        {
            self.add(entry);
        }
        Ruled {
            place,
            ruling: ruling.to_owned(),
            of,
            answer,
        }
    }

    /// What others may wait for and has come with a change: its record first, then the change itself.
    fn met_by(&self, pos: u64) -> Vec<Need> {
        let row = &self.changes[&pos].row;
        let record = row.change.written.as_ref().map(|written| written.record);
        let replica = self.people.replica_id(row.replica);
        record
            .map(Need::Record)
            .into_iter()
            .chain(replica.map(|replica| Need::Change((replica, row.change.seq))))
            .collect()
    }

    /// What follows from a range of changes: what they repair is over; what was held before a restore is looked at; and
    /// for each one in force what waits for it.
    pub(super) fn rule_after(&mut self, entered: &[u64], received_ms: i64) -> Vec<Ruled> {
        let mut ruled = Vec::new();
        for of in std::mem::take(&mut self.repaired) {
            ruled.push(self.end(of, "repaired", repaired_answer(), received_ms));
        }
        for pos in entered {
            // What it waited for may have come back before it, or never have been lost.
            let kept = &self.changes[pos];
            let is_held = kept.is_open() && kept.standing.verdict == Verdict::Held;
            if is_held && kept.row.first.is_some() {
                for need in self.look_again(*pos, received_ms, &mut ruled) {
                    self.release(need, received_ms, &mut ruled);
                }
            }
        }
        for pos in entered {
            if self.changes[pos].row.answer.verdict.is_in_force() {
                for need in self.met_by(*pos) {
                    self.release(need, received_ms, &mut ruled);
                }
            }
        }
        ruled
    }

    /// Looks again at what waits for this, in the order of places, and at what waits for that in turn.
    fn release(&mut self, need: Need, received_ms: i64, ruled: &mut Vec<Ruled>) {
        let mut met = VecDeque::from([need]);
        while let Some(need) = met.pop_front() {
            let waiting: Vec<u64> = self
                .waiting
                .iter()
                .filter(|(_, awaited)| **awaited == need)
                .map(|(pos, _)| *pos)
                .collect();
            for pos in waiting {
                met.extend(self.look_again(pos, received_ms, ruled));
            }
        }
    }

    /// Decides a held change again and releases it, if it need not wait any more. Gives what others may wait for.
    fn look_again(&mut self, of: u64, received_ms: i64, ruled: &mut Vec<Ruled>) -> Vec<Need> {
        let answer = self.decide_again(of);
        if answer.verdict == Verdict::Held {
            let written = self.changes[&of].row.change.written.as_ref();
            if let Some(need) = written.and_then(|written| awaited(written, &answer)) {
                self.waiting.insert(of, need);
            }
            return Vec::new();
        }
        let is_in_force = answer.verdict.is_in_force();
        ruled.push(self.end(of, "released", answer, received_ms));
        ruled.extend(self.end_what_it_repairs(of, received_ms));
        if is_in_force {
            self.met_by(of)
        } else {
            Vec::new()
        }
    }

    fn end_what_it_repairs(&mut self, pos: u64, received_ms: i64) -> Option<Ruled> {
        let kept = &self.changes[&pos];
        if !ends_repairs(&kept.standing) {
            return None;
        }
        let of = self.repaired_by(&kept.row)?;
        if self.repaired.contains(&of) {
            return None;
        }
        Some(self.end(of, "repaired", repaired_answer(), received_ms))
    }
}

/// What is repaired stays quarantined, without problems of its own.
fn repaired_answer() -> Answer {
    Answer {
        verdict: Verdict::Quarantined,
        marks: 0,
        problems: Vec::new(),
    }
}
