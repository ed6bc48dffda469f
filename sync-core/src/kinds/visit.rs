//! Visits to households and places.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const OUTCOMES: Form = Form::Choice(&["done", "no_change", "not_home", "declined"]);

/// The answer to one item of the visit's checklist.
const ANSWER: &[Field] = &[
    required("item", Form::Code),
    required("answer", Form::Text(200)),
];

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
    optional("body", Form::Unit),
    optional("joint", Form::Flag),
    optional("checklist", Form::Code),
    optional("answers", Form::List(&Form::Object(ANSWER))),
    optional("previous", Form::Record),
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
    LOG[10],
    LOG[11],
    LOG[12],
    LOG[13],
    LOG[14],
];

/// The intents of a visit.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "visit.log",
        kind: Some(Kind::Visit),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Create(None),
        fields: LOG,
    },
    Intent {
        name: "visit.amend",
        kind: Some(Kind::Visit),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "visit.confirm",
        kind: Some(Kind::Visit),
        schema: 1,
        since: &[2],
        shape: Shape::Element("confirmations"),
        fields: &[
            required("agrees", Form::Flag),
            optional("body", Form::Unit),
            optional("code", Form::Text(256)),
            optional("note", Form::Text(500)),
        ],
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
