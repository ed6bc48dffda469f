//! Mediations: two or more parties, what they agreed, who signed, and where it went when they did not.

use super::{Field, Form, Intent, Kind, Shape, optional, required};

const DIGESTS: Form = Form::List(&Form::Digest);

/// Names and addresses of the parties stand in the sealed part; here they are numbered.
const CREATE: &[Field] = &[
    required("category", Form::Code),
    required("parties", Form::Integer(2, 50)),
    optional("subject", Form::Text(500)),
    optional("report", Form::Record),
    optional("mode", Form::Choice(&["on_site", "online", "telephone"])),
    optional("place", Form::Place),
    optional("address", Form::Text(200)),
    optional("held_at_ms", Form::TimeMs),
    optional("mediators", Form::List(&Form::Person)),
];

const AMEND: &[Field] = &[
    optional("category", Form::Code),
    optional("parties", Form::Integer(2, 50)),
    CREATE[2],
    CREATE[3],
    CREATE[4],
    CREATE[5],
    CREATE[6],
    CREATE[7],
    CREATE[8],
    optional("agreement", Form::Text(4_000)),
];

/// The intents of a mediation.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "mediation.create",
        kind: Some(Kind::Mediation),
        schema: 1,
        since: &[2],
        shape: Shape::Create(Some("OPEN")),
        fields: CREATE,
    },
    Intent {
        name: "mediation.amend",
        kind: Some(Kind::Mediation),
        schema: 1,
        since: &[2],
        shape: Shape::Amend,
        fields: AMEND,
    },
    Intent {
        name: "mediation.sign",
        kind: Some(Kind::Mediation),
        schema: 1,
        since: &[2],
        shape: Shape::Element("signatures"),
        fields: &[
            required("party", Form::Integer(1, 50)),
            required("sha256", Form::Digest),
            optional("signed_at_ms", Form::TimeMs),
        ],
    },
    Intent {
        name: "mediation.transition",
        kind: Some(Kind::Mediation),
        schema: 1,
        since: &[2],
        shape: Shape::Transition(None),
        fields: &[
            required("to", Form::Code),
            optional("reason", Form::Text(1_000)),
            optional("note", Form::Text(1_000)),
            optional("agreement", Form::Text(4_000)),
            optional("desk", Form::Unit),
            optional(
                "to_body",
                Form::Choice(&["court", "arbitration", "police", "department", "other"]),
            ),
            optional("documents", DIGESTS),
            optional("receipt_number", Form::Text(64)),
            optional("receipts", DIGESTS),
            optional("kept", Form::Flag),
        ],
    },
];
