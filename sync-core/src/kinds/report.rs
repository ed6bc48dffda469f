//! Reports: what a worker saw, and the case that follows.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const LEVELS: Form = Form::Choice(&["I", "II", "III", "IV"]);
const PHOTOS: Form = Form::List(&Form::Digest);

const CREATE: &[Field] = &[
    required("category", Form::Code),
    optional("level", LEVELS),
    optional("title", Form::Text(100)),
    optional("description", Form::Text(4_000)),
    optional("place", Form::Place),
    optional("address", Form::Text(200)),
    optional("floor", Form::Text(20)),
    optional("urgency", Form::Choice(&["low", "normal", "high"])),
    optional(
        "source",
        Form::Choice(&["patrol", "visit", "resident", "inspection", "other"]),
    ),
    optional("happened_at_ms", Form::TimeMs),
    optional("facility_number", Form::Text(40)),
    optional("self_handled", Form::Flag),
    optional("photos", PHOTOS),
    optional("found_in", Form::Record),
    optional("found_item", Form::Code),
    optional("same_as", Form::Record),
];

/// What an amendment may write: all that creation may.
const AMEND: &[Field] = &[
    optional("category", Form::Code),
    CREATE[1],
    CREATE[2],
    CREATE[3],
    CREATE[4],
    CREATE[5],
    CREATE[6],
    CREATE[7],
    CREATE[8],
    CREATE[9],
    CREATE[10],
    CREATE[11],
    CREATE[12],
    CREATE[13],
    CREATE[14],
    CREATE[15],
];

/// The intents of a report.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "report.create",
        kind: Some(Kind::Report),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Create(Some("SUBMITTED")),
        fields: CREATE,
    },
    Intent {
        name: "report.amend",
        kind: Some(Kind::Report),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "report.transition",
        kind: Some(Kind::Report),
        schema: 1,
        since: &[1],
        shape: Shape::Transition(None),
        fields: &[
            required("to", Form::Code),
            optional("reason", Form::Text(1_000)),
            optional("note", Form::Text(1_000)),
            optional("desk", Form::Unit),
            optional("level", LEVELS),
            optional("due_ms", Form::TimeMs),
            optional("until_ms", Form::TimeMs),
            optional("merged_into", Form::Record),
            optional("proof", PHOTOS),
            optional("granted", Form::Flag),
            optional("reply", Form::Text(1_000)),
            optional("rating", Form::Integer(1, 5)),
        ],
    },
    Intent {
        name: "report.comment",
        kind: Some(Kind::Report),
        schema: 1,
        since: &[1],
        shape: Shape::Element("comments"),
        fields: &[required("text", Form::Text(2_000))],
    },
    Intent {
        name: "report.move",
        kind: Some(Kind::Report),
        schema: 1,
        since: &[1],
        shape: Shape::Move,
        fields: &[
            required("unit", Form::Unit),
            optional("reason", Form::Text(1_000)),
        ],
    },
];
