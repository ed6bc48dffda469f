//! Mediations: who has signed, and where a mediation that failed was handed on to.

use crate::merge::RecordState;
use std::collections::BTreeSet;

/// A step by which a mediation was handed to another body, with what it handed over and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// Which body: `court`, `arbitration` ...
    pub to_body: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// How many documents went along.
    pub documents: usize,
    /// The number of the receipt, once the body has taken it.
    pub receipt_number: Option<String>,
    /// When it took it.
    pub received_ms: Option<i64>,
    /// The state that it came to afterwards: taken back, or ended.
    pub outcome: Option<String>,
}

/// The parties who have signed, by their numbers.
pub fn signed(record: &RecordState) -> BTreeSet<i64> {
    record
        .elements
        .iter()
        .filter(|element| element.set == "signatures")
        .filter_map(|element| element.fields.value::<i64>("party"))
        .collect()
}

/// Whether every party has signed. A mediation without parties is signed by nobody.
pub fn is_signed_by_all(record: &RecordState) -> bool {
    let parties: i64 = record
        .shown("parties")
        .and_then(|value| serde_json::from_str(value.get()).ok())
        .unwrap_or(0);
    let signed = signed(record);
    parties > 0 && (1..=parties).all(|party| signed.contains(&party))
}

/// Every time it was handed on, in order.
pub fn referrals(record: &RecordState) -> Vec<Referral> {
    let mut referrals: Vec<Referral> = Vec::new();
    for step in &record.steps {
        let Some((from, to)) = &step.states else {
            continue;
        };
        if to == "REFERRED" {
            referrals.push(Referral {
                to_body: step.fields.value("to_body").unwrap_or_default(),
                at_ms: step.stamp.time_ms,
                documents: step
                    .fields
                    .value::<Vec<String>>("documents")
                    .map_or(0, |list| list.len()),
                receipt_number: None,
                received_ms: None,
                outcome: None,
            });
            continue;
        }
        let Some(last) = referrals.last_mut() else {
            continue;
        };
        if to == "RECEIVED" {
            last.receipt_number = step.fields.value("receipt_number");
            last.received_ms = Some(step.stamp.time_ms);
        } else if matches!(from.as_str(), "REFERRED" | "RECEIVED") {
            last.outcome = Some(to.clone());
        }
    }
    referrals
}
