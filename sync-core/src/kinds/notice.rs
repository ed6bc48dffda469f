//! Notices: something that somebody must know, acknowledged once. They hold codes and records, never a name or free text.

use super::{Form, Intent, Kind, Shape, optional, required};

/// The intents of a notice.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "notice.create",
        kind: Some(Kind::Notice),
        schema: 1,
        since: &[2],
        shape: Shape::Create(None),
        fields: &[
            required("event", Form::Code),
            required("person", Form::Person),
            optional("about", Form::Record),
            optional("about_pos", Form::Integer(1, i64::MAX)),
            optional("level", Form::Choice(&["I", "II", "III", "IV"])),
            optional("must_acknowledge", Form::Flag),
            optional("due_at_ms", Form::TimeMs),
            optional("previous", Form::Record),
        ],
    },
    Intent {
        name: "notice.acknowledge",
        kind: Some(Kind::Notice),
        schema: 1,
        since: &[2],
        shape: Shape::Element("acknowledgements"),
        fields: &[],
    },
];
