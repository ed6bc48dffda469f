//! Points claims: a person says which work should count. The ledger itself comes later.

use super::{Form, Intent, Kind, Shape, optional, required};

/// The intents of a claim.
pub const INTENTS: &[Intent] = &[Intent {
    name: "points.claim",
    kind: Some(Kind::Claim),
    schema: 1,
    since: &[1],
    shape: Shape::Create(Some("CLAIMED")),
    fields: &[
        required("activity", Form::Code),
        optional("evidence", Form::Record),
        optional("happened_at_ms", Form::TimeMs),
        optional("note", Form::Text(1_000)),
    ],
}];
