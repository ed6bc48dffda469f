//! Messages taken apart: hexadecimal on the left, what it says on the right.

use std::fmt::Write;
use sync_core::codec::{take, take_varint, unzigzag};

/// Columns of hexadecimal.
pub const WIDTH: usize = 32;

/// How a field's value reads.
#[derive(Clone, Copy)]
pub enum Form {
    Integer,
    Signed,
    Bytes,
    Text,
    Nested(&'static [Field]),
    Answers,
    Times,
    Steps,
    Items,
}

/// A field of a message.
#[derive(Clone, Copy)]
pub struct Field {
    pub tag: u64,
    pub name: &'static str,
    form: Form,
}

const fn field(tag: u64, name: &'static str, form: Form) -> Field {
    Field { tag, name, form }
}

use Form::{Answers, Bytes, Integer, Items, Nested, Signed, Steps, Text, Times};

const FOR: &[Field] = &[
    field(1, "person", Integer),
    field(2, "source", Integer),
    field(3, "happened_at_ms", Signed),
];
const NEEDS: &[Field] = &[
    field(1, "replica", Bytes),
    field(2, "seq", Integer),
    field(3, "record", Bytes),
];
const REPAIRS: &[Field] = &[field(1, "replica", Bytes), field(2, "seq", Integer)];
const ORIGIN: &[Field] = &[
    field(1, "replica", Bytes),
    field(2, "seq", Integer),
    field(3, "hash", Bytes),
];
const HEADER: &[Field] = &[
    field(1, "seq", Integer),
    field(2, "record", Bytes),
    field(3, "unit", Integer),
    field(4, "intent", Text),
    field(5, "schema", Integer),
    field(6, "documents", Integer),
    field(7, "base_epoch", Integer),
    field(8, "base_pos", Integer),
    field(9, "wall_ms", Signed),
    field(10, "monotonic_ms", Integer),
    field(11, "boot", Integer),
    field(12, "skew_ms", Signed),
    field(13, "for", Nested(FOR)),
    field(14, "needs", Nested(NEEDS)),
    field(15, "repairs", Nested(REPAIRS)),
    field(16, "origin", Nested(ORIGIN)),
];
const REQUEST: &[Field] = &[
    field(1, "protocol", Integer),
    field(2, "district", Bytes),
    field(3, "replica", Bytes),
    field(4, "request_no", Integer),
    field(5, "head_seq", Integer),
    field(6, "head_hash", Bytes),
    field(7, "wall_ms", Signed),
    field(8, "monotonic_ms", Integer),
    field(9, "boot", Integer),
    field(10, "skew_ms", Signed),
    field(11, "cursor_epoch", Integer),
    field(12, "scope_version", Integer),
    field(13, "cursor_pos", Integer),
    field(14, "backfill", Integer),
    field(15, "first_seq", Integer),
    field(16, "prev_hash", Bytes),
    field(17, "count", Integer),
    field(18, "end_hash", Bytes),
    field(19, "receipt", Nested(RECEIPT)),
    field(20, "wanted", Bytes),
    field(21, "wants_token", Integer),
    field(22, "page_bytes_max", Integer),
    field(23, "image_version", Integer),
    field(24, "app", Text),
    field(25, "certificate", Nested(CERTIFICATE)),
    field(26, "known_keys", Integer),
    field(27, "last_head", Nested(HEAD)),
    field(28, "documents_held", Bytes),
];
const CERTIFICATE: &[Field] = &[
    field(1, "epoch", Integer),
    field(2, "replica", Bytes),
    field(3, "replica_no", Integer),
    field(4, "person", Integer),
    field(5, "public_key", Bytes),
    field(6, "received_ms", Signed),
    field(7, "key_id", Text),
    field(8, "signature", Bytes),
];
const PROBLEM: &[Field] = &[
    field(1, "code", Text),
    field(2, "field", Text),
    field(3, "limit", Text),
];
const ANSWER: &[Field] = &[
    field(1, "verdict", Integer),
    field(2, "marks", Integer),
    field(3, "problem", Nested(PROBLEM)),
];
const RECEIPT: &[Field] = &[
    field(1, "epoch", Integer),
    field(2, "replica", Bytes),
    field(3, "from", Integer),
    field(4, "to", Integer),
    field(5, "chain_hash", Bytes),
    field(6, "first_pos", Integer),
    field(7, "last_pos", Integer),
    field(8, "received_ms", Signed),
    field(10, "answers", Answers),
    field(11, "times", Times),
    field(12, "key_id", Text),
    field(13, "signature", Bytes),
];
const HEAD: &[Field] = &[
    field(1, "epoch", Integer),
    field(2, "pos", Integer),
    field(3, "hash", Bytes),
    field(4, "key_id", Text),
    field(5, "signature", Bytes),
];
const WIPE: &[Field] = &[
    field(1, "replica", Bytes),
    field(2, "revoked_ms", Signed),
    field(3, "key_id", Text),
    field(4, "signature", Bytes),
];
const KEY: &[Field] = &[
    field(1, "key_id", Text),
    field(2, "public_key", Bytes),
    field(3, "signature", Bytes),
];
const SCOPE_PART: &[Field] = &[
    field(1, "kind", Integer),
    field(2, "reads", Integer),
    field(3, "units", Steps),
];
const SCOPE: &[Field] = &[field(1, "part", Nested(SCOPE_PART))];
const ITEM: &[Field] = &[
    field(1, "what", Integer),
    field(2, "epoch", Integer),
    field(3, "pos", Integer),
    field(4, "first_epoch", Integer),
    field(5, "first_pos", Integer),
    field(6, "replica_no", Integer),
    field(7, "person", Integer),
    field(8, "time_ms", Signed),
    field(9, "answer", Answers),
    field(10, "header", Bytes),
    field(11, "open", Text),
    field(12, "record", Bytes),
    field(13, "image", Text),
    field(14, "seq", Integer),
    field(15, "ruling", Integer),
    field(16, "reason", Text),
];
const RESPONSE: &[Field] = &[
    field(1, "request_no", Integer),
    field(2, "status", Integer),
    field(3, "epoch", Integer),
    field(4, "epoch_start", Integer),
    field(5, "mark", Integer),
    field(6, "duplicates", Integer),
    field(7, "receipt", Nested(RECEIPT)),
    field(8, "received_ms", Signed),
    field(9, "safe_seq", Integer),
    field(10, "scope_version", Integer),
    field(11, "scope", Nested(SCOPE)),
    field(12, "items", Items),
    field(13, "cursor_epoch", Integer),
    field(14, "cursor_pos", Integer),
    field(15, "backfill", Integer),
    field(16, "more", Integer),
    field(17, "digest", Bytes),
    field(18, "head", Nested(HEAD)),
    field(19, "token", Text),
    field(20, "documents", Integer),
    field(21, "replica_no", Integer),
    field(22, "wipe", Nested(WIPE)),
    field(23, "key", Nested(KEY)),
    field(24, "manifest", Bytes),
    field(25, "text", Bytes),
];

/// Every message with a table on the protocol page, by the table's heading.
pub const SCHEMAS: &[(&str, &[Field])] = &[
    ("Header", HEADER),
    ("Header: for", FOR),
    ("Header: needs", NEEDS),
    ("Header: repairs", REPAIRS),
    ("Header: origin", ORIGIN),
    ("Request fields", REQUEST),
    ("Response fields", RESPONSE),
    ("Answer", ANSWER),
    ("Problem", PROBLEM),
    ("Receipt", RECEIPT),
    ("Signed head", HEAD),
    ("Wipe order", WIPE),
    ("Server key", KEY),
    ("Enrolment certificate", CERTIFICATE),
    ("Scope", SCOPE),
    ("Scope: part", SCOPE_PART),
    ("Item", ITEM),
];

/// Takes a golden file apart.
pub fn dump(name: &str, bytes: &[u8]) -> String {
    let mut out = Dump {
        text: String::new(),
    };
    match name.split('_').next().expect("a first word") {
        "header" => out.header(bytes, 0),
        "batch" => out.batch(bytes, 3),
        "request" => out.request(bytes, if name == "request_batch" { 3 } else { 0 }),
        "answers" => out.answers(bytes, 0),
        "receipt" => out.fields(bytes, RECEIPT, 0),
        "head" => out.fields(bytes, HEAD, 0),
        "wipe" => out.fields(bytes, WIPE, 0),
        "certificate" => out.fields(bytes, CERTIFICATE, 0),
        "key" => out.fields(bytes, KEY, 0),
        "scope" => out.fields(bytes, SCOPE, 0),
        "items" => out.items(bytes, 0),
        "response" => {
            out.line(&bytes[..4], 0, "magic \"GWR1\"");
            let (fields, check) = bytes[4..].split_at(bytes.len() - 4 - 8);
            out.fields(fields, RESPONSE, 0);
            out.line(check, 0, "check");
        }
        other => panic!("no dump for {other}"),
    }
    out.text
}

struct Dump {
    text: String,
}

impl Dump {
    fn line(&mut self, bytes: &[u8], depth: usize, what: &str) {
        for (index, part) in bytes.chunks(WIDTH / 2).enumerate() {
            let digits = sync_core::hex::encode(part);
            if index == 0 {
                writeln!(self.text, "{digits:WIDTH$}  {:1$}{what}", "", depth * 2)
                    .expect("a string takes text");
            } else {
                writeln!(self.text, "{digits}").expect("a string takes text");
            }
        }
    }

    fn varint(&mut self, input: &mut &[u8], depth: usize, what: &str) -> u64 {
        let before = *input;
        let value = take_varint(input).expect("a golden message");
        self.line(
            &before[..before.len() - input.len()],
            depth,
            &format!("{what} {value}"),
        );
        value
    }

    fn prefixed<'a>(&mut self, input: &mut &'a [u8], depth: usize, what: &str) -> &'a [u8] {
        let length = self.varint(input, depth, &format!("{what}, length"));
        take(input, length as usize).expect("a golden message")
    }

    fn header(&mut self, bytes: &[u8], depth: usize) {
        self.line(&bytes[..2], depth, "frame version 1, suite 1");
        self.fields(&bytes[2..], HEADER, depth);
    }

    fn batch(&mut self, mut input: &[u8], count: usize) {
        for number in 1..=count {
            let header = self.prefixed(&mut input, 0, &format!("header {number}"));
            self.header(header, 1);
        }
        for number in 1..=count {
            let parts = self.varint(&mut input, 0, &format!("parts of change {number}:"));
            for _ in 0..parts {
                let class = take(&mut input, 1).expect("a golden message");
                self.line(class, 1, &format!("class {}", class[0]));
                if class[0] > 0 {
                    let salt = take(&mut input, 16).expect("a golden message");
                    self.line(salt, 1, "salt");
                }
                let bytes = self.prefixed(&mut input, 1, "bytes");
                self.line(bytes, 1, std::str::from_utf8(bytes).expect("text"));
            }
        }
    }

    fn request(&mut self, bytes: &[u8], count: usize) {
        self.line(&bytes[..4], 0, "magic \"GWQ1\"");
        let mut input = &bytes[4..];
        let fields = self.prefixed(&mut input, 0, "fields");
        self.fields(fields, REQUEST, 1);
        let signature = take(&mut input, 64).expect("a golden message");
        self.line(signature, 0, "signature over \"gridwork/sync/1\" | fields");
        self.batch(input, count);
    }

    fn items(&mut self, mut input: &[u8], depth: usize) {
        while !input.is_empty() {
            let item = self.prefixed(&mut input, depth, "item");
            self.fields(item, ITEM, depth + 1);
        }
    }

    fn answers(&mut self, mut input: &[u8], depth: usize) {
        while !input.is_empty() {
            self.varint(&mut input, depth, "answers alike:");
            let answer = self.prefixed(&mut input, depth, "answer");
            self.fields(answer, ANSWER, depth + 1);
        }
    }

    fn fields(&mut self, mut input: &[u8], schema: &[Field], depth: usize) {
        while !input.is_empty() {
            let whole = input;
            let key = take_varint(&mut input).expect("a golden message");
            let field = schema
                .iter()
                .find(|field| field.tag == key >> 1)
                .expect("a tag of the table");
            let title = format!("{} {}", field.tag, field.name);
            let number = take_varint(&mut input).expect("a golden message");
            let head = &whole[..whole.len() - input.len()];
            if key & 1 == 0 {
                let shown = match field.form {
                    Form::Signed => unzigzag(number).to_string(),
                    _ => number.to_string(),
                };
                self.line(head, depth, &format!("{title} = {shown}"));
                continue;
            }
            let bytes = take(&mut input, number as usize).expect("a golden message");
            match field.form {
                Form::Text => {
                    let text = std::str::from_utf8(bytes).expect("text");
                    self.line(
                        &whole[..head.len() + bytes.len()],
                        depth,
                        &format!("{title} = {text}"),
                    );
                }
                Form::Nested(schema) => {
                    self.line(head, depth, &format!("{title}, {number} bytes"));
                    self.fields(bytes, schema, depth + 1);
                }
                Form::Answers => {
                    self.line(head, depth, &format!("{title}, {number} bytes"));
                    self.answers(bytes, depth + 1);
                }
                Form::Items => {
                    self.line(head, depth, &format!("{title}, {number} bytes"));
                    self.items(bytes, depth + 1);
                }
                Form::Times | Form::Steps => {
                    self.line(head, depth, &format!("{title}, {number} bytes"));
                    let mut rest = bytes;
                    while !rest.is_empty() {
                        let before = rest;
                        let value = take_varint(&mut rest).expect("a golden message");
                        let what = match field.form {
                            Form::Times => format!("received_ms - {}", unzigzag(value)),
                            _ => format!("+{value}"),
                        };
                        self.line(&before[..before.len() - rest.len()], depth + 1, &what);
                    }
                }
                Form::Integer | Form::Signed | Form::Bytes => {
                    self.line(
                        &whole[..head.len() + bytes.len()],
                        depth,
                        &format!("{title}, {number} bytes"),
                    );
                }
            }
        }
    }
}
