//! Random changes: honest ones, late ones, and such as no honest phone makes.

use super::world::{START_MS, World};
use server::clock::Clock;
use sync_core::change::{ChangeId, For, Header, Needs, Source};
use sync_core::ids::{DocumentsVersion, Epoch, LogPlace, PersonId, Pos, RecordId, Seq, UnitId};
use sync_core::verdict::Verdict;

const MAKERS: [&str; 6] = [
    "report.create",
    "report.create",
    "visit.log",
    "patrol.start",
    "task.create",
    "points.claim",
];

const STATES: [&str; 12] = [
    "REGISTERED",
    "NEEDS_INFO",
    "SELF_DONE",
    "MERGED",
    "REJECTED",
    "CANCELLED",
    "DISPATCHED",
    "IN_PROGRESS",
    "FEEDBACK",
    "CLOSED",
    "BOUNCED",
    "SUBMITTED",
];

/// Work that somebody telephoned in.
fn for_person(person: u32) -> For {
    For {
        person: PersonId(person),
        source: Source::Telephone,
        happened_at_ms: START_MS - 5_000,
    }
}

impl World {
    /// A phone makes a change, good or bad.
    pub fn make(&mut self, index: usize) {
        let (record, maker, unit) = self.choose_record();
        let intent = self.choose_intent(record, maker);
        let index = match self.dice.below(4) {
            0 => index,
            // Mostly somebody who may: a worker of the grid, the grid head, the desk.
            _ if unit == self.units[3] => self.choose_phone_of(&[1, 2, 3]),
            _ => self.choose_phone_of(&[0, 2, 3]),
        };
        let json = self.payload(intent, record);
        let unit = match self.dice.below(12) {
            0 => *self.dice.pick(&self.units.clone()),
            _ => unit,
        };
        let now = self.clock.wall_ms();
        let monotonic_ms = self.clock.monotonic_ms();
        let base = self.choose_base(index, intent);
        let needs = self.choose_needs();
        let repairs = self.choose_repairs(index);
        let whose = self.dice.below(15) == 0;
        let whose = whose.then(|| self.first_person + self.dice.below(10) as u32);
        let phone = &mut self.phones[index];
        let header = Header {
            seq: phone.next_seq(),
            record,
            unit: UnitId(unit),
            intent: match self.dice.below(60) {
                0 => "report.praise".into(),
                _ => intent.into(),
            },
            schema: 1 + u32::from(self.dice.below(60) == 0),
            documents: DocumentsVersion(1),
            base,
            at: phone.clocks(now, monotonic_ms),
            for_person: whose.map(for_person),
            needs,
            repairs,
            origin: None,
        };
        let district = self.district;
        if self.dice.below(80) == 0 {
            let bytes = vec![7; 1 + self.dice.below(40) as usize];
            self.phones[index].push_bytes(district, None, bytes, json.into_bytes());
        } else {
            self.phones[index].push(district, header, json.into_bytes());
        }
    }

    /// A report that was made.
    pub fn choose_report(&mut self) -> Option<RecordId> {
        let made: Vec<RecordId> = self
            .records
            .iter()
            .map(|(record, ..)| *record)
            .filter(|record| {
                let shown = self.oracle.record(*record.as_bytes());
                shown.is_some_and(|shown| shown.kind == "report" && shown.created.is_some())
            })
            .collect();
        let newest = made.len().checked_sub(1 + self.dice.below(4) as usize)?;
        Some(made[newest])
    }

    /// Where a record's workflow stands; empty when it has none.
    pub fn state_of(&self, record: RecordId) -> String {
        self.oracle
            .record(*record.as_bytes())
            .and_then(|shown| shown.state.clone())
            .unwrap_or_default()
    }

    /// A phone of somebody whose step is next, or now and then of anybody.
    pub fn choose_worker_of(&mut self, record: RecordId) -> usize {
        let state = self.state_of(record);
        // By the order in which the people were made: see the list of them.
        let people: &[u32] = match state.as_str() {
            "DISPATCHED" | "IN_PROGRESS" | "REWORK" => &[4, 4, 0, 2],
            "EXT_ASKED" | "BOUNCED" => &[3, 3, 7],
            "SUSPEND_ASKED" => &[7],
            "FEEDBACK" | "SELF_DONE" => &[5, 5, 3],
            "NEEDS_INFO" => &[0, 2],
            "CLOSED" | "EVALUATED" => &[5, 3, 0],
            _ => &[3, 3, 2, 7],
        };
        match self.dice.below(10) {
            0 => self.dice.below(self.phones.len() as u64) as usize,
            _ => self.choose_phone_of(people),
        }
    }

    /// A phone of one of these people, by the order in which they were made; any phone when none has one.
    fn choose_phone_of(&mut self, people: &[u32]) -> usize {
        let wanted = self.first_person + *self.dice.pick(people);
        let phones: Vec<usize> = (0..self.phones.len())
            .filter(|index| self.phones[*index].person.0 == wanted)
            .collect();
        match phones.is_empty() {
            true => self.dice.below(self.phones.len() as u64) as usize,
            false => *self.dice.pick(&phones),
        }
    }

    /// A step of a report by somebody who looked at it just now.
    pub fn step_case(&mut self, index: usize, record: RecordId) {
        let json = self.transition(record, &"ab".repeat(32));
        let unit = self
            .oracle
            .record(*record.as_bytes())
            .map_or(1, |shown| shown.unit);
        let needs = match self.dice.below(40) {
            0 => self.choose_needs(),
            _ => None,
        };
        let whose = self.dice.below(20) == 0;
        let whose = whose.then(|| self.first_person + self.dice.below(9) as u32);
        let (now, monotonic_ms) = (self.clock.wall_ms(), self.clock.monotonic_ms());
        let phone = &self.phones[index];
        let header = Header {
            seq: phone.next_seq(),
            record,
            unit: UnitId(unit),
            intent: "report.transition".into(),
            schema: 1,
            documents: DocumentsVersion(1),
            base: phone.seen,
            at: phone.clocks(now, monotonic_ms),
            for_person: whose.map(for_person),
            needs,
            repairs: None,
            origin: None,
        };
        let district = self.district;
        self.phones[index].push(district, header, format!("{{{json}}}").into_bytes());
    }

    fn choose_record(&mut self) -> (RecordId, &'static str, u32) {
        if self.records.len() < 3 || self.dice.below(6) == 0 {
            let record = RecordId(self.new_id());
            let maker = *self.dice.pick(&MAKERS);
            let unit = self.units[2 + self.dice.below(2) as usize];
            self.records.push((record, maker, unit));
        }
        // Mostly of the newest, so that people meet.
        let newest = self.records.len().min(8) as u64;
        let index = self.records.len() - 1 - self.dice.below(newest) as usize;
        self.records[index]
    }

    fn choose_intent(&mut self, record: RecordId, maker: &'static str) -> &'static str {
        let is_made = self.oracle.record(*record.as_bytes()).is_some();
        if self.dice.below(if is_made { 30 } else { 2 }) == 0 {
            return maker;
        }
        if self.dice.below(40) == 0 {
            return "visit.amend";
        }
        let choices: &[&'static str] = match maker {
            "report.create" => &[
                "report.amend",
                "report.amend",
                "report.amend",
                "report.transition",
                "report.transition",
                "report.transition",
                "report.comment",
                "report.move",
                "attachment.add",
            ],
            "visit.log" => &["visit.amend", "visit.amend", "visit.void", "attachment.add"],
            "patrol.start" => &["patrol.join", "patrol.check_in", "patrol.finish"],
            "task.create" => &["task.result", "attachment.add"],
            _ => &["attachment.add"],
        };
        let intent: &&str = self.dice.pick(choices);
        intent
    }

    fn payload(&mut self, intent: &str, record: RecordId) -> String {
        let word = self.dice.below(4);
        let digest = "ab".repeat(32);
        let good = match intent {
            "report.create" => {
                let categories = ["SAN-01", "SAN-02", "FAC-02", "FAC-02", "ZZZ-99"];
                let category = *self.dice.pick(&categories);
                format!(r#""category":"{category}","title":"Heap {word}""#)
            }
            "report.amend" => match self.dice.below(3) {
                0 => format!(r#""title":"Heap {word}""#),
                1 => format!(r#""title":"Heap {word}","floor":"{word}""#),
                _ => format!(r#""urgency":"high","later":{{"kept":  {word}.50}}"#),
            },
            "report.transition" => self.transition(record, &digest),
            "report.comment" => format!(r#""text":"Said {word}""#),
            "report.move" => {
                let unit = *self
                    .dice
                    .pick(&[self.units[2], self.units[3], self.units[4], 77]);
                format!(r#""unit":{unit}"#)
            }
            "visit.log" => r#""outcome":"done","note":"talked""#.into(),
            "visit.amend" => format!(r#""outcome":"not_home","note":"Note {word}""#),
            "visit.void" => r#""reason":"twice""#.into(),
            "patrol.start" => r#""team":"T-1","slot":"AM""#.into(),
            "patrol.join" => r#""code":"1234""#.into(),
            "patrol.check_in" => r#""point":"P-07","method":"nfc""#.into(),
            "patrol.finish" => r#""summary":"quiet""#.into(),
            "task.create" => r#""title":"Count the lamps""#.into(),
            "task.result" => r#""to":"DONE","result":"12""#.into(),
            "points.claim" => r#""activity":"A-1""#.into(),
            _ => format!(
                r#""sha256":"{digest}","size_bytes":{},"media_type":"image/jpeg""#,
                10 + word
            ),
        };
        match self.dice.below(90) {
            0 => "not JSON".into(),
            1 => format!("{{{good},\"title\":\"{}\"}}", "x".repeat(101)),
            2 => format!("{{{good},\"urgency\":\"soon\",\"happened_at_ms\":5}}"),
            3 => "{}".into(),
            4 => format!("{{{good},\"note\":\"bell \\u0007\"}}"),
            5 => format!("{{{good},\"photos\":\"none\"}}"),
            _ => format!("{{{good}}}"),
        }
    }

    fn transition(&mut self, record: RecordId, digest: &str) -> String {
        let state = self
            .oracle
            .record(*record.as_bytes())
            .and_then(|record| record.state.clone());
        // Mostly a step that the table has.
        let next: &[&str] = match state.as_deref() {
            _ if self.dice.below(6) == 0 => &STATES,
            Some("SUBMITTED") => &[
                "REGISTERED",
                "REGISTERED",
                "NEEDS_INFO",
                "SELF_DONE",
                "CANCELLED",
            ],
            Some("REGISTERED") => &["DISPATCHED"],
            Some("DISPATCHED") => &["IN_PROGRESS", "IN_PROGRESS", "BOUNCED"],
            Some("BOUNCED") => &["DISPATCHED"],
            Some("IN_PROGRESS") => &[
                "FEEDBACK",
                "FEEDBACK",
                "EXT_ASKED",
                "EXT_ASKED",
                "SUSPEND_ASKED",
                "DISPATCHED",
            ],
            Some("EXT_ASKED" | "SUSPENDED") => &["IN_PROGRESS"],
            Some("SUSPEND_ASKED") => &["SUSPENDED", "IN_PROGRESS"],
            Some("FEEDBACK") => &["CLOSED", "REWORK"],
            Some("REWORK") => &["IN_PROGRESS"],
            Some("SELF_DONE") => &["CLOSED"],
            Some("CLOSED") => &["REOPENED", "EVALUATED", "EVALUATED"],
            Some("EVALUATED") => &["REOPENED"],
            Some("REOPENED") => &["CLOSED"],
            Some("NEEDS_INFO" | "REJECTED" | "CANCELLED") => &["SUBMITTED"],
            _ => &STATES,
        };
        let to = *self.dice.pick(next);
        let desk = *self
            .dice
            .pick(&[self.units[4], self.units[4], self.units[2]]);
        let proof = match self.dice.below(4) {
            0 => String::new(),
            _ => format!(r#""{digest}""#),
        };
        let granted = self.dice.below(3) != 0;
        let own = self.dice.below(3) == 0;
        let target = if own { record.0 } else { self.new_id() };
        let all = [
            r#""level":"II""#.to_owned(),
            r#""reason":"so it is""#.to_owned(),
            format!(r#""desk":{desk}"#),
            r#""due_ms":1795600000000"#.to_owned(),
            r#""until_ms":1795600000000"#.to_owned(),
            format!(r#""proof":[{proof}]"#),
            format!(r#""granted":{granted}"#),
            format!(r#""merged_into":"{target}""#),
            r#""reply":"told them""#.to_owned(),
            r#""rating":4"#.to_owned(),
        ];
        let mut text = format!(r#""to":"{to}""#);
        for field in all {
            if self.dice.below(20) != 0 {
                text.push(',');
                text.push_str(&field);
            }
        }
        if self.dice.below(3) == 0 {
            text.push_str(r#","note":"done by hand""#);
        }
        text
    }

    fn choose_base(&mut self, index: usize, intent: &str) -> LogPlace {
        let seen = self.phones[index].seen;
        // An amendment that claims to have seen its own replica's later write blanks the field: a known defect.
        let may_claim_more = !intent.ends_with(".amend");
        match self.dice.below(30) {
            0 if may_claim_more => LogPlace {
                epoch: Epoch(1 + self.dice.below(3) as u32),
                pos: Pos(self.dice.below(seen.pos.0 + 40)),
            },
            1..=3 => LogPlace::default(),
            4..=9 => LogPlace {
                epoch: seen.epoch,
                pos: Pos(seen.pos.0 - self.dice.below(seen.pos.0.min(12) + 1)),
            },
            _ => seen,
        }
    }

    fn choose_needs(&mut self) -> Option<Needs> {
        match self.dice.below(20) {
            0 => {
                let (record, ..) = self.choose_record();
                Some(Needs::Record(record))
            }
            1 => {
                let other = self.dice.below(self.phones.len() as u64) as usize;
                let seq = self.phones[other].chain.len() as u64 + self.dice.below(2);
                Some(Needs::Change(ChangeId {
                    replica: self.phones[other].replica,
                    seq: Seq(seq.max(1)),
                }))
            }
            _ => None,
        }
    }

    fn choose_repairs(&mut self, index: usize) -> Option<ChangeId> {
        let phone = &self.phones[index];
        let poison = phone
            .chain
            .iter()
            .rposition(|own| own.verdict == Some(Verdict::Quarantined));
        let replica = phone.replica;
        let any = self.dice.below(40) == 0;
        match poison {
            Some(at) if self.dice.below(6) == 0 => Some(ChangeId {
                replica,
                seq: Seq(at as u64 + 1),
            }),
            _ if any => Some(ChangeId {
                replica,
                seq: Seq(1),
            }),
            _ => None,
        }
    }
}
