//! Tasks: given by the office, answered with a result.

use super::{Form, Intent, Kind, Shape, optional, required};

/// The intents of a task.
pub const INTENTS: &[Intent] = &[
    Intent {
        name: "task.create",
        kind: Some(Kind::Task),
        schema: 2,
        since: &[1, 2],
        shape: Shape::Create(Some("OPEN")),
        fields: &[
            required("title", Form::Text(100)),
            optional("description", Form::Text(2_000)),
            optional("assignee", Form::Person),
            optional("due_at_ms", Form::TimeMs),
            optional("about", Form::Record),
            optional("rule", Form::Code),
            optional("cycle", Form::Text(20)),
            optional("activity", Form::Code),
        ],
    },
    Intent {
        name: "task.amend",
        kind: Some(Kind::Task),
        schema: 1,
        since: &[2],
        shape: Shape::Amend,
        fields: &[
            optional("title", Form::Text(100)),
            optional("description", Form::Text(2_000)),
            optional("assignee", Form::Person),
            optional("due_at_ms", Form::TimeMs),
        ],
    },
    Intent {
        name: "task.transition",
        kind: Some(Kind::Task),
        schema: 1,
        since: &[2],
        shape: Shape::Transition(None),
        fields: &[
            required("to", Form::Choice(&["OPEN", "CANCELLED", "CONFIRMED"])),
            optional("reason", Form::Text(500)),
            optional("note", Form::Text(500)),
        ],
    },
    Intent {
        name: "task.result",
        kind: Some(Kind::Task),
        schema: 1,
        since: &[1],
        shape: Shape::Transition(None),
        fields: &[
            required("to", Form::Choice(&["DONE", "DECLINED"])),
            optional("result", Form::Text(2_000)),
            optional("reason", Form::Text(500)),
            optional("photos", Form::List(&Form::Digest)),
        ],
    },
];
