//! Inspections: a place held against a checklist, what was wrong, and whether it was put right.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const ANSWERS: Form = Form::Choice(&["ok", "fault", "not_applicable"]);

/// The answer to one item of the checklist.
const ANSWER: &[Field] = &[
    required("item", Form::Code),
    required("answer", ANSWERS),
    optional("note", Form::Text(300)),
    optional("photos", Form::List(&Form::Digest)),
];

const CREATE: &[Field] = &[
    required("checklist", Form::Code),
    required("answers", Form::List(&Form::Object(ANSWER))),
    optional("subject", Form::Record),
    optional("title", Form::Text(100)),
    optional("place", Form::Place),
    optional("address", Form::Text(200)),
    optional("happened_at_ms", Form::TimeMs),
    optional("note", Form::Text(2_000)),
    optional("with_persons", Form::List(&Form::Person)),
];

const AMEND: &[Field] = &[
    optional("answers", Form::List(&Form::Object(ANSWER))),
    CREATE[2],
    CREATE[3],
    CREATE[4],
    CREATE[5],
    CREATE[6],
    CREATE[7],
    CREATE[8],
];

/// The intents of an inspection.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "inspection.create",
        kind: Some(Kind::Inspection),
        schema: 1,
        since: &[2],
        shape: Shape::Create(Some("RECORDED")),
        fields: CREATE,
    },
    Intent {
        name: "inspection.amend",
        kind: Some(Kind::Inspection),
        schema: 1,
        since: &[2],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "inspection.recheck",
        kind: Some(Kind::Inspection),
        schema: 1,
        since: &[2],
        shape: Shape::Element("rechecks"),
        fields: ANSWER,
    },
    Intent {
        name: "inspection.transition",
        kind: Some(Kind::Inspection),
        schema: 1,
        since: &[2],
        shape: Shape::Transition(None),
        fields: &[
            required("to", Form::Code),
            optional("reason", Form::Text(1_000)),
            optional("note", Form::Text(1_000)),
            optional("until_ms", Form::TimeMs),
        ],
    },
];
