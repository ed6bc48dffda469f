//! Tables that the pages show, made from what the code reads.

use serde_json::Value;
use std::fmt::Write;
use sync_core::change::Hash;
use sync_core::digest::SetDigest;
use sync_core::documents::Documents;
use sync_core::hex;
use sync_core::kinds::{self, Form, Intent, Kind, Shape};
use sync_core::limits;
use sync_core::verdict::ProblemCode;

/// The worked example of the change chain: every input and every hash.
pub fn chain(json: &str) -> String {
    let chain: Value = serde_json::from_str(json).expect("JSON");
    let mut text = String::new();
    let mut line =
        |name: &str, value: &str| writeln!(text, "{name:<14}{value}").expect("a string takes text");
    let mut prev = Hash::ZERO.to_string();
    for change in chain["changes"].as_array().expect("changes") {
        let header = hex::decode(change["header"].as_str().expect("text")).expect("hexadecimal");
        line("seq", &change["seq"].to_string());
        line("header", change["header"].as_str().expect("text"));
        for part in change["parts"].as_array().expect("parts") {
            line("part class", &part["class"].to_string());
            if let Some(salt) = part["salt"].as_str() {
                line("  salt", salt);
            }
            line("  bytes", part["text"].as_str().expect("text"));
            line("  commitment", part["commitment"].as_str().expect("text"));
        }
        line("prev", &prev);
        line("header hash", &Hash::of(&[&header]).to_string());
        prev = change["hash"].as_str().expect("text").to_owned();
        line("h", &prev);
        line("", "");
    }
    let mut text: String = text.trim_end().to_owned();
    text = text
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect();
    text
}

/// The members of an object as lines; of one member of it, if it is named.
pub fn flat(json: &str, member: &str) -> String {
    let whole: Value = serde_json::from_str(json).expect("JSON");
    let value = if member.is_empty() {
        &whole
    } else {
        &whole[member]
    };
    let mut lines = Vec::new();
    flatten(String::new(), value, &mut lines);
    // Sorted here, because the order of members is not the same in every build.
    lines.sort();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    lines
        .iter()
        .map(|(name, value)| format!("{name:<width$}{value}\n"))
        .collect()
}

fn flatten(name: String, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        }
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                flatten(below(key), value, lines);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                flatten(below(&index.to_string()), value, lines);
            }
        }
        Value::String(text) => lines.push((name, text.clone())),
        other => lines.push((name, other.to_string())),
    }
}

/// The worked digest.
pub fn digest(bytes: &[u8]) -> String {
    let digest = SetDigest::from_bytes(bytes.try_into().expect("24 bytes"));
    format!(
        "bytes  {}\nsum    {:032x}\ncount  {}\n",
        hex::encode(bytes),
        digest.sum,
        digest.count
    )
}

/// The limits with their values.
pub fn limits() -> String {
    let rows: [(&str, usize); 13] = [
        ("changes in a batch", limits::BATCH_CHANGES_MAX),
        (
            "bytes of a request after decompression",
            limits::REQUEST_BYTES_MAX,
        ),
        ("bytes of a header", limits::HEADER_BYTES_MAX),
        ("bytes of a part", limits::PART_BYTES_MAX),
        ("parts of a change", limits::PARTS_MAX),
        ("top-level fields of a payload", limits::PAYLOAD_FIELDS_MAX),
        ("depth of an unknown field", limits::PAYLOAD_DEPTH_MAX),
        ("entries of a list field", limits::LIST_MAX),
        ("bytes of items in a page", limits::PAGE_BYTES_MAX),
        ("records asked for in a request", limits::WANTED_RECORDS_MAX),
        (
            "receipts handed back in a request",
            limits::REOFFERED_RECEIPTS_MAX,
        ),
        ("attempts shown in an image", limits::ATTEMPTS_SHOWN_MAX),
        (
            "days back that a right may have ended",
            (limits::RIGHT_REACH_MS / 86_400_000) as usize,
        ),
    ];
    let mut text = "| limit | value |\n|---|---:|\n".to_owned();
    for (name, value) in rows {
        writeln!(text, "| {name} | {value} |").expect("a string takes text");
    }
    writeln!(
        text,
        "| earliest time in a payload, ms | {} |",
        limits::TIME_MS_MIN
    )
    .expect("a string takes text");
    writeln!(
        text,
        "| latest time in a payload, ms | {} |",
        limits::TIME_MS_MAX
    )
    .expect("a string takes text");
    text
}

/// Every problem code with its English message.
pub fn problem_codes() -> String {
    let messages: Value =
        serde_json::from_str(include_str!("../../../sync-core/messages/en.json")).expect("JSON");
    let mut text = "| code | message |\n|---|---|\n".to_owned();
    for code in ProblemCode::ALL {
        let message = messages[format!("problem.{}", code.as_str())].as_str();
        let message = message.unwrap_or_else(|| panic!("no message for {}", code.as_str()));
        writeln!(text, "| `{}` | {message} |", code.as_str()).expect("a string takes text");
    }
    text
}

fn kind_name(intent: &Intent) -> &'static str {
    intent.kind.map_or("any", Kind::as_str)
}

fn shape_name(shape: Shape) -> String {
    match shape {
        Shape::Create(None) => "makes the record; registers".into(),
        Shape::Create(Some(state)) => {
            format!("makes the record; registers; workflow starts at `{state}`")
        }
        Shape::Amend => "registers".into(),
        Shape::Element(set) => format!("adds to the set `{set}`"),
        Shape::Transition(None) => "workflow step to the state in `to`".into(),
        Shape::Transition(Some(to)) => format!("workflow step to `{to}`"),
        Shape::Move => "workflow step to the unit in `unit`".into(),
    }
}

/// Kinds and intents with their shapes.
pub fn kinds() -> String {
    let mut text = "| kind | intent | schema | shape |\n|---|---|---:|---|\n".to_owned();
    for intent in kinds::all() {
        let (kind, shape) = (kind_name(intent), shape_name(intent.shape));
        writeln!(
            text,
            "| {kind} | `{}` | {} | {shape} |",
            intent.name, intent.schema
        )
        .expect("a string takes text");
    }
    text
}

fn form_name(form: Form) -> String {
    match form {
        Form::Text(chars) => format!("text, 1 to {chars} characters"),
        Form::Code => "code: 1 to 32 of `A-Z 0-9 _ -`".into(),
        Form::Choice(choices) => choices
            .iter()
            .map(|choice| format!("`{choice}`"))
            .collect::<Vec<_>>()
            .join(" "),
        Form::Integer(min, max) => format!("integer, {min} to {max}"),
        Form::TimeMs => "time, ms since 1970".into(),
        Form::Flag => "`true` or `false`".into(),
        Form::Place => "place".into(),
        Form::Record => "a record's id".into(),
        Form::Person => "a person's number".into(),
        Form::Unit => "a unit's number".into(),
        Form::Digest => "SHA-256, 64 lower-case hexadecimal digits".into(),
        Form::List(inner) => format!("list of: {}", form_name(*inner)),
        Form::Object(fields) => {
            let parts = fields.iter().map(|field| {
                let needed = if field.required { "" } else { "?" };
                format!("{}{needed}: {}", field.name, form_name(field.form))
            });
            format!("{{ {} }}", parts.collect::<Vec<_>>().join("; "))
        }
    }
}

/// Every field of every intent.
pub fn fields() -> String {
    let mut text =
        "| intent | field | needed | form | merges as |\n|---|---|---|---|---|\n".to_owned();
    for intent in kinds::all() {
        let merges = match intent.shape {
            Shape::Create(_) | Shape::Amend => "register",
            Shape::Element(_) => "of its element",
            Shape::Transition(_) | Shape::Move => "of its step",
        };
        for field in intent.fields {
            let needed = if field.required { "yes" } else { "" };
            let (name, form) = (field.name, form_name(field.form));
            writeln!(
                text,
                "| `{}` | `{name}` | {needed} | {form} | {merges} |",
                intent.name
            )
            .expect("a string takes text");
        }
    }
    text
}

/// The steps of every workflow.
pub fn workflows() -> String {
    let documents = Documents::defaults();
    let mut text =
        "| kind | from | to | who | needs | guards |\n|---|---|---|---|---|---|\n".to_owned();
    for kind in Kind::ALL {
        let Some(workflow) = documents.workflow(kind) else {
            continue;
        };
        for step in &workflow.transitions {
            let (who, needs, guards) = (
                step.roles.join(" "),
                step.requires.join(" "),
                step.guards.join(" "),
            );
            writeln!(
                text,
                "| {} | `{}` | `{}` | {who} | {needs} | {guards} |",
                kind.as_str(),
                step.from,
                step.to
            )
            .expect("a string takes text");
        }
    }
    text
}
