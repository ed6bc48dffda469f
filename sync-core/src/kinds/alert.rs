//! Alerts: a rule saw too much of something in a time or place; somebody follows it to its end.

use super::{Form, Intent, Kind, Shape, optional, required};

/// The intents of an alert.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "alert.raise",
        kind: Some(Kind::Alert),
        schema: 1,
        since: &[2],
        shape: Shape::Create(Some("OPEN")),
        fields: &[
            required("rule", Form::Code),
            required("grade", Form::Choice(&["blue", "yellow", "orange", "red"])),
            required("window_from_ms", Form::TimeMs),
            required("window_until_ms", Form::TimeMs),
            optional("count", Form::Integer(0, 1_000_000)),
            optional("share_permille", Form::Integer(0, 1_000)),
            optional("category", Form::Code),
            optional("reports", Form::List(&Form::Record)),
            optional("place", Form::Place),
            optional("responsible", Form::Unit),
        ],
    },
    Intent {
        name: "alert.transition",
        kind: Some(Kind::Alert),
        schema: 1,
        since: &[2],
        shape: Shape::Transition(None),
        fields: &[
            required("to", Form::Code),
            optional("reason", Form::Text(1_000)),
            optional("note", Form::Text(1_000)),
            optional("desk", Form::Unit),
        ],
    },
];
