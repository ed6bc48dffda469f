//! Patrol rounds: started by a leader, joined, checked in at points, finished.

use super::{Form, Intent, Kind, Shape, optional, required};

/// What may be doubtful about a round. Nothing is refused for it, and only a person settles it.
pub const DOUBTS: &[&str] = &[
    "mock_location",
    "impossible_speed",
    "same_photo",
    "clock",
    "one_person_two_phones",
    "reused_code",
    "revoked_code",
    "foreign_code",
    "far_from_point",
];

/// The intents of a patrol.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "patrol.start",
        kind: Some(Kind::Patrol),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Create(Some("STARTED")),
        fields: &[
            required("team", Form::Code),
            required("slot", Form::Code),
            optional("route", Form::Code),
            optional("started_at_ms", Form::TimeMs),
            optional("note", Form::Text(500)),
            optional("plan", Form::Code),
            optional("date", Form::Text(10)),
            optional("track", Form::Flag),
        ],
    },
    Intent {
        name: "patrol.miss",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[2],
        shape: Shape::Create(Some("MISSED")),
        fields: &[
            required("team", Form::Code),
            required("slot", Form::Code),
            required("date", Form::Text(10)),
            required("reason", Form::Code),
            optional("note", Form::Text(500)),
        ],
    },
    Intent {
        name: "patrol.join",
        kind: Some(Kind::Patrol),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Element("members"),
        fields: &[
            optional("code", Form::Text(256)),
            optional("member", Form::Person),
        ],
    },
    Intent {
        name: "patrol.confirm",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[2],
        shape: Shape::Element("confirmations"),
        fields: &[
            required("was_there", Form::Flag),
            optional("reason", Form::Text(500)),
        ],
    },
    Intent {
        name: "patrol.check_in",
        kind: Some(Kind::Patrol),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Element("check_ins"),
        fields: &[
            required("point", Form::Code),
            required("method", Form::Choice(&["nfc", "code", "place", "note"])),
            optional("place", Form::Place),
            optional("photos", Form::List(&Form::Digest)),
            optional("note", Form::Text(500)),
            optional("code", Form::Text(256)),
            optional("mock", Form::Flag),
        ],
    },
    Intent {
        name: "patrol.track",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[2],
        shape: Shape::Element("tracks"),
        fields: &[
            required("from_ms", Form::TimeMs),
            required("until_ms", Form::TimeMs),
            required("fixes", Form::Integer(1, 10_000)),
        ],
    },
    Intent {
        name: "patrol.settle_doubt",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[2],
        shape: Shape::Element("settled_doubts"),
        fields: &[
            required("doubt", Form::Choice(DOUBTS)),
            required("about", Form::Text(80)),
            required("outcome", Form::Choice(&["cleared", "upheld"])),
            required("reason", Form::Text(500)),
        ],
    },
    Intent {
        name: "patrol.transition",
        kind: Some(Kind::Patrol),
        schema: 1,
        since: &[2],
        shape: Shape::Transition(None),
        fields: &[
            required(
                "to",
                Form::Choice(&["STARTED", "PAUSED", "FINISHED", "ABANDONED"]),
            ),
            optional("reason", Form::Text(500)),
            optional(
                "cause",
                Form::Choice(&["signal_lost", "indoors", "rest", "emergency", "other"]),
            ),
        ],
    },
    Intent {
        name: "patrol.finish",
        kind: Some(Kind::Patrol),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Transition(Some("FINISHED")),
        fields: &[
            optional("summary", Form::Text(1_000)),
            optional("missed", Form::List(&Form::Code)),
            optional("reason", Form::Text(500)),
            optional("missed_reason", Form::Code),
        ],
    },
];
