//! Visits to households and places.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const OUTCOMES: Form = Form::Choice(&["done", "no_change", "not_home", "declined"]);

const LOG: &[Field] = &[
    required("outcome", OUTCOMES),
    optional(
        "purpose",
        Form::Choice(&["care", "safety", "service", "information", "other"]),
    ),
    optional("household", Form::Record),
    optional("place", Form::Place),
    optional("address", Form::Text(200)),
    optional("note", Form::Text(2_000)),
    optional("needs", Form::List(&Form::Code)),
    optional("happened_at_ms", Form::TimeMs),
    optional("next_due_at_ms", Form::TimeMs),
    optional("with_persons", Form::List(&Form::Person)),
];

const AMEND: &[Field] = &[
    optional("outcome", OUTCOMES),
    LOG[1],
    LOG[2],
    LOG[3],
    LOG[4],
    LOG[5],
    LOG[6],
    LOG[7],
    LOG[8],
    LOG[9],
];

/// The intents of a visit.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "visit.log",
        kind: Some(Kind::Visit),
        schema: 1,
        since: &[1],
        shape: Shape::Create(None),
        fields: LOG,
    },
    Intent {
        name: "visit.amend",
        kind: Some(Kind::Visit),
        schema: 1,
        since: &[1],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "visit.void",
        kind: Some(Kind::Visit),
        schema: 1,
        since: &[1],
        shape: Shape::Element("voids"),
        fields: &[required("reason", Form::Text(500))],
    },
];
