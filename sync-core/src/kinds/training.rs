//! Training sessions, with the list of those who signed in.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const CREATE: &[Field] = &[
    required("title", Form::Text(100)),
    required("held_at_ms", Form::TimeMs),
    optional("topic", Form::Code),
    optional("minutes", Form::Integer(1, 1_440)),
    optional("place", Form::Place),
    optional("address", Form::Text(200)),
    optional("note", Form::Text(2_000)),
];

const AMEND: &[Field] = &[
    optional("title", Form::Text(100)),
    optional("held_at_ms", Form::TimeMs),
    CREATE[2],
    CREATE[3],
    CREATE[4],
    CREATE[5],
    CREATE[6],
];

/// The intents of a training session.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "training.create",
        kind: Some(Kind::Training),
        schema: 1,
        since: &[2],
        shape: Shape::Create(None),
        fields: CREATE,
    },
    Intent {
        name: "training.amend",
        kind: Some(Kind::Training),
        schema: 1,
        since: &[2],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "training.sign_in",
        kind: Some(Kind::Training),
        schema: 1,
        since: &[2],
        shape: Shape::Element("attendance"),
        fields: &[optional("code", Form::Text(256))],
    },
    Intent {
        name: "training.void",
        kind: Some(Kind::Training),
        schema: 1,
        since: &[2],
        shape: Shape::Element("voids"),
        fields: &[required("reason", Form::Text(500))],
    },
];
