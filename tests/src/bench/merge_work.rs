//! The work of the merge benchmarks: two replicas of the same reports, each with edits that the other has not seen.

use uuid::Uuid;

use super::random::Random;
use super::record_ids::{IdOrder, IdSource};
use super::reference_work::{Author, FIRST_MOMENT_MS};
use super::report::{FIELDS, Place, Report};

/// One field of a report: its place in [`FIELD_NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field(pub u8);

/// The fields of `report.create`, in the order of [`Report`].
pub const FIELD_NAMES: [&str; FIELDS] = [
    "category",
    "level",
    "title",
    "description",
    "place",
    "address",
    "floor",
    "urgency",
    "source",
    "happened_at_ms",
    "facility_number",
    "self_handled",
];

/// The value of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// Text, codes included.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Flag(bool),
    /// A place.
    Place(Place),
}

/// One field of one record written anew on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldEdit {
    /// The record.
    pub record: Uuid,
    /// The field.
    pub field: Field,
    /// What it says now.
    pub value: FieldValue,
    /// When, in milliseconds since 1970; rises with each edited record of a side.
    pub time_ms: i64,
}

/// What both replicas have in common and what each has written since.
#[derive(Clone, Debug)]
pub struct MergeWork {
    /// The records that both hold, in order of id.
    pub reports: Vec<(Uuid, Report)>,
    /// The edits of the two sides; the edits of one record on one side stand together: they are one amendment.
    pub edits: [Vec<FieldEdit>; 2],
}

impl MergeWork {
    /// `reports` records, of which each side changed `fields_each` different random fields in `edited` random ones.
    /// Panics when more is to be edited than there is.
    pub fn new(seed: u64, reports: usize, edited: usize, fields_each: usize) -> Self {
        assert!(
            edited <= reports && fields_each <= FIELDS,
            "BUG: more edits than fields"
        );
        let mut ids = IdSource::new(IdOrder::TimeOrdered, seed);
        let mut authors: Vec<Author> = (0..20).map(|number| Author::new(seed, number)).collect();
        let reports: Vec<(Uuid, Report)> = (0..reports)
            .map(|position| (ids.next_id(), authors[position % 20].next_report()))
            .collect();
        let edits = [0, 1].map(|side| {
            let mut random = Random::for_part(seed, 1_000 + side);
            let mut author = Author::new(seed, 2_000 + side);
            let mut made = Vec::with_capacity(edited * fields_each);
            let mut time_ms = FIRST_MOMENT_MS + 30 * 86_400_000;
            for chosen in sample(&mut random, reports.len(), edited) {
                time_ms += random.between(1, 60_000);
                // The new words are those of another report: as long and as different as in the field.
                let words = author.next_report();
                for field in sample(&mut random, FIELDS, fields_each) {
                    let field = Field(field as u8);
                    made.push(FieldEdit {
                        record: reports[chosen].0,
                        field,
                        value: field_of(&words, field),
                        time_ms,
                    });
                }
            }
            made
        });
        Self { reports, edits }
    }

    /// The work of the issue: 10,000 reports, 2 fields in 5,000 of them on each side.
    pub fn reference(seed: u64) -> Self {
        Self::new(seed, 10_000, 5_000, 2)
    }

    /// Edits of both sides together.
    pub fn field_edits(&self) -> u64 {
        (self.edits[0].len() + self.edits[1].len()) as u64
    }

    /// How often both sides wrote the same field of the same record.
    pub fn clashes(&self) -> usize {
        let ours: std::collections::BTreeSet<(Uuid, Field)> = self.edits[0]
            .iter()
            .map(|edit| (edit.record, edit.field))
            .collect();
        self.edits[1]
            .iter()
            .filter(|edit| ours.contains(&(edit.record, edit.field)))
            .count()
    }
}

/// The value of one field of a report.
pub fn field_of(report: &Report, field: Field) -> FieldValue {
    let text = |text: &str| FieldValue::Text(text.to_owned());
    match field.0 {
        0 => text(&report.category),
        1 => FieldValue::Text(format!("{:?}", report.level)),
        2 => text(&report.title),
        3 => text(&report.description),
        4 => FieldValue::Place(report.place),
        5 => text(&report.address),
        6 => text(&report.floor),
        7 => FieldValue::Text(format!("{:?}", report.urgency).to_lowercase()),
        8 => FieldValue::Text(format!("{:?}", report.source).to_lowercase()),
        9 => FieldValue::Integer(report.happened_at_ms),
        10 => text(&report.facility_number),
        11 => FieldValue::Flag(report.self_handled),
        other => panic!("BUG: a report has no field {other}"),
    }
}

/// `count` different numbers below `bound`, in random order (Fisher and Yates, stopped early).
fn sample(random: &mut Random, bound: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..bound).collect();
    for position in 0..count {
        let other = position + random.below((bound - position) as u64) as usize;
        all.swap(position, other);
    }
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_side_edits_the_asked_number_of_different_fields_and_records() {
        let work = MergeWork::new(4, 200, 100, 2);
        for side in &work.edits {
            assert_eq!(side.len(), 200);
            let cells: BTreeSet<_> = side.iter().map(|edit| (edit.record, edit.field)).collect();
            assert_eq!(cells.len(), 200);
            let records: BTreeSet<_> = side.iter().map(|edit| edit.record).collect();
            assert_eq!(records.len(), 100);
        }
        assert_eq!(work.field_edits(), 400);
        assert!(work.clashes() > 0, "no field was written on both sides");
    }

    #[test]
    fn names_and_values_follow_the_report() {
        let report = Author::new(1, 1).next_report();
        let json = serde_json::to_value(&report).expect("json");
        for (number, name) in FIELD_NAMES.iter().enumerate() {
            let expected = &json[*name];
            match field_of(&report, Field(number as u8)) {
                FieldValue::Text(text) => assert_eq!(expected, &text),
                FieldValue::Integer(integer) => assert_eq!(expected, &integer),
                FieldValue::Flag(flag) => assert_eq!(expected, &flag),
                FieldValue::Place(place) => {
                    assert_eq!(expected, &serde_json::to_value(place).expect("json"));
                }
            }
        }
    }
}
