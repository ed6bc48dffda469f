//! The tables of the written rules, read from the pages themselves: kinds, intents, fields, limits.

use std::collections::BTreeMap;
use std::sync::OnceLock;

const MERGE_PAGE: &str = include_str!("../../../docs/merge.md");
const PROTOCOL_PAGE: &str = include_str!("../../../docs/protocol.md");

/// How an intent's payload merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Makes the record; its workflow, if it has one, starts at this state.
    Makes(Option<String>),
    /// Writes registers.
    Writes,
    /// A step to this state, or to the one that the field `to` names.
    Steps(Option<String>),
    /// A step to the unit that the field `unit` names.
    Moves,
    /// Adds an element to this set.
    Adds(String),
}

/// What a field's value must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text of 1 to this many characters.
    Text(usize),
    /// 1 to 32 of `A-Z 0-9 _ -`.
    Code,
    /// One of these.
    Choice(Vec<String>),
    /// An integer between these.
    Integer(i64, i64),
    /// Milliseconds since 1970.
    Time,
    /// `true` or `false`.
    Flag,
    /// Where on earth.
    Place,
    /// A record's id.
    Record,
    /// A person's number.
    Person,
    /// A unit's number.
    Unit,
    /// 64 hexadecimal digits.
    Digest,
    /// A list of these.
    List(Box<Form>),
    /// An object with these parts: name, whether it must be there, form.
    Object(Vec<(String, bool, Form)>),
}

/// A field of an intent.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it must be there.
    pub is_needed: bool,
    /// What it looks like.
    pub form: Form,
}

/// An intent.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Its name.
    pub name: String,
    /// The kind of record; `None` for any.
    pub kind: Option<String>,
    /// The newest version of its payload.
    pub schema: u32,
    /// How it merges.
    pub shape: Shape,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// The intent of this name.
pub fn intent(name: &str) -> Option<&'static Intent> {
    static INTENTS: OnceLock<BTreeMap<String, Intent>> = OnceLock::new();
    INTENTS.get_or_init(read_intents).get(name)
}

/// The value of a limit, by its words in the table of limits.
pub fn limit(words: &str) -> i64 {
    static LIMITS: OnceLock<BTreeMap<String, i64>> = OnceLock::new();
    let limits = LIMITS.get_or_init(|| {
        rows(PROTOCOL_PAGE, "limits")
            .into_iter()
            .filter_map(|row| Some((row[0].clone(), row[1].parse().ok()?)))
            .collect()
    });
    *limits
        .get(words)
        .unwrap_or_else(|| panic!("BUG: the page has no limit {words:?}"))
}

/// The cells of each row of a table, without its heading.
fn rows(page: &str, name: &str) -> Vec<Vec<String>> {
    let begin = format!("<!-- begin {name} -->");
    let end = format!("<!-- end {name} -->");
    let table = page
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end))
        .unwrap_or_else(|| panic!("BUG: the page has no table {name:?}"))
        .0;
    table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn read_intents() -> BTreeMap<String, Intent> {
    let mut fields: BTreeMap<String, Vec<Field>> = BTreeMap::new();
    for row in rows(MERGE_PAGE, "fields") {
        let name = quoted(&row[0]).remove(0);
        fields.entry(name).or_default().push(Field {
            name: quoted(&row[1]).remove(0),
            is_needed: row[2] == "yes",
            form: read_form(&row[3]),
        });
    }
    rows(MERGE_PAGE, "kinds")
        .into_iter()
        .map(|row| {
            let name = quoted(&row[1]).remove(0);
            let intent = Intent {
                kind: (row[0] != "any").then(|| row[0].clone()),
                schema: row[2].parse().expect("BUG: a schema is a number"),
                shape: read_shape(&row[3]),
                fields: fields.remove(&name).unwrap_or_default(),
                name: name.clone(),
            };
            (name, intent)
        })
        .collect()
}

fn read_shape(text: &str) -> Shape {
    let word = || quoted(text).pop();
    if text.starts_with("makes the record") {
        Shape::Makes(word())
    } else if text.starts_with("registers") {
        Shape::Writes
    } else if text.starts_with("workflow step to the unit") {
        Shape::Moves
    } else if text.starts_with("workflow step to the state in") {
        Shape::Steps(None)
    } else if text.starts_with("workflow step to") {
        Shape::Steps(word())
    } else if text.starts_with("adds to the set") {
        Shape::Adds(word().expect("BUG: a set has a name"))
    } else {
        panic!("BUG: the page names a shape that no oracle knows: {text}")
    }
}

fn read_form(text: &str) -> Form {
    let numbers = || -> Vec<i64> {
        text.split(|letter: char| !letter.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect()
    };
    if let Some(inner) = text.strip_prefix("list of: ") {
        return Form::List(Box::new(read_form(inner)));
    }
    if let Some(inner) = text
        .strip_prefix("{ ")
        .and_then(|text| text.strip_suffix(" }"))
    {
        let part = |part: &str| {
            let (name, form) = part.split_once(": ").expect("BUG: a part has a form");
            let is_needed = !name.ends_with('?');
            (
                name.trim_end_matches('?').to_owned(),
                is_needed,
                read_form(form),
            )
        };
        return Form::Object(inner.split("; ").map(part).collect());
    }
    match text {
        "`true` or `false`" => Form::Flag,
        "place" => Form::Place,
        "a record's id" => Form::Record,
        "a person's number" => Form::Person,
        "a unit's number" => Form::Unit,
        _ if text.starts_with("text, ") => {
            Form::Text(usize::try_from(numbers()[1]).expect("BUG: a length"))
        }
        _ if text.starts_with("code: ") => Form::Code,
        _ if text.starts_with("integer, ") => Form::Integer(numbers()[0], numbers()[1]),
        _ if text.starts_with("time, ") => Form::Time,
        _ if text.starts_with("SHA-256") => Form::Digest,
        _ if text.starts_with('`') => Form::Choice(quoted(text)),
        _ => panic!("BUG: the page names a form that no oracle knows: {text}"),
    }
}
