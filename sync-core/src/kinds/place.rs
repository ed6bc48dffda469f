//! Places that are looked after: a shop, a building, a facility.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const CREATE: &[Field] = &[
    required("title", Form::Text(100)),
    required(
        "type",
        Form::Choice(&[
            "shop", "rental", "building", "facility", "site", "public", "other",
        ]),
    ),
    optional("place", Form::Place),
    optional("address", Form::Text(200)),
    optional("facility_number", Form::Text(40)),
    optional("checklist", Form::Code),
    optional("inspect_every_days", Form::Integer(1, 1_000)),
    optional("note", Form::Text(1_000)),
];

const AMEND: &[Field] = &[
    optional("title", Form::Text(100)),
    optional(
        "type",
        Form::Choice(&[
            "shop", "rental", "building", "facility", "site", "public", "other",
        ]),
    ),
    CREATE[2],
    CREATE[3],
    CREATE[4],
    CREATE[5],
    CREATE[6],
    CREATE[7],
];

/// The intents of a place.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "place.create",
        kind: Some(Kind::Place),
        schema: 1,
        since: &[2],
        shape: Shape::Create(None),
        fields: CREATE,
    },
    Intent {
        name: "place.amend",
        kind: Some(Kind::Place),
        schema: 1,
        since: &[2],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "place.void",
        kind: Some(Kind::Place),
        schema: 1,
        since: &[2],
        shape: Shape::Element("voids"),
        fields: &[required("reason", Form::Text(500))],
    },
];
