//! Attachments: a change names the bytes by their SHA-256; the bytes themselves follow another way.

use super::{Form, Intent, Shape, optional, required};

/// The intents of an attachment, which belongs to a record of any kind.
pub const INTENTS: &[Intent] = &[Intent {
    name: "attachment.add",
    kind: None,
    schema: 1,
    since: &[1],
    shape: Shape::Element("attachments"),
    fields: &[
        required("sha256", Form::Digest),
        required("size_bytes", Form::Integer(1, 104_857_600)),
        required(
            "media_type",
            Form::Choice(&[
                "image/jpeg",
                "image/png",
                "image/webp",
                "video/mp4",
                "audio/mp4",
            ]),
        ),
        optional(
            "purpose",
            Form::Choice(&["before", "after", "evidence", "signature", "other"]),
        ),
        optional("taken_at_ms", Form::TimeMs),
        optional("place", Form::Place),
    ],
}];
