//! Patrol rounds: started by a leader, joined, checked in at points, finished.

use super::{Form, Intent, Kind, Shape, optional, required};

/// The intents of a patrol.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "patrol.start",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[1],
        shape: Shape::Create(Some("STARTED")),
        fields: &[
            required("team", Form::Code),
            required("slot", Form::Code),
            optional("route", Form::Code),
            optional("started_at_ms", Form::TimeMs),
            optional("note", Form::Text(500)),
        ],
    },
    Intent {
        name: "patrol.join",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[1],
        shape: Shape::Element("members"),
        fields: &[
            optional("code", Form::Text(64)),
            optional("member", Form::Person),
        ],
    },
    Intent {
        name: "patrol.check_in",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[1],
        shape: Shape::Element("check_ins"),
        fields: &[
            required("point", Form::Code),
            required("method", Form::Choice(&["nfc", "code", "place", "note"])),
            optional("place", Form::Place),
            optional("photos", Form::List(&Form::Digest)),
            optional("note", Form::Text(500)),
        ],
    },
    Intent {
        name: "patrol.finish",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[1],
        shape: Shape::Transition(Some("FINISHED")),
        fields: &[
            optional("summary", Form::Text(1_000)),
            optional("missed", Form::List(&Form::Code)),
            optional("reason", Form::Text(500)),
        ],
    },
];
