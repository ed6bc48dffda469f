//! The pages in `docs/` say what the code does: bytes taken apart, tables and worked conflicts in them are made by this
//! test, between `<!-- begin NAME -->` and `<!-- end NAME -->`, and compared.
//!
//! `GRIDWORK_GOLDEN=write cargo test -p tests --test docs` writes them anew, from the golden files as they lie there.

#[path = "docs/dump.rs"]
mod dump;
#[path = "docs/tables.rs"]
mod tables;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use sync_core::hex;

/// A piece of a page: its name and what stands there.
struct Piece {
    name: String,
    text: String,
}

impl Piece {
    fn block(name: impl Into<String>, text: &str) -> Self {
        Self {
            name: name.into(),
            text: format!("```text\n{}```\n", text),
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page_path(name: &str) -> PathBuf {
    root().join("../docs").join(name)
}

/// The bytes of a golden file.
fn golden(name: &str) -> Vec<u8> {
    let path = root().join("golden").join(format!("{name}.hex"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let digits: String = text.split_whitespace().collect();
    hex::decode(&digits).expect("hexadecimal")
}

const DUMPED: [&str; 17] = [
    "header_bare",
    "header_full",
    "batch",
    "request_idle",
    "request_batch",
    "answers",
    "receipt",
    "head",
    "wipe",
    "certificate",
    "key_second",
    "scope",
    "items_entry",
    "items_image",
    "items_leave",
    "items_ruling",
    "response_idle",
];

fn protocol_pieces() -> Vec<Piece> {
    let dumps =
        DUMPED.map(|name| Piece::block(format!("bytes {name}"), &dump::dump(name, &golden(name))));
    let mut pieces: Vec<Piece> = dumps.into();
    let chain = fs::read_to_string(root().join("golden/chain.json")).expect("the chain");
    pieces.push(Piece::block("chain", &tables::chain(&chain)));
    let keys = fs::read_to_string(root().join("golden/keys.json")).expect("the keys");
    pieces.push(Piece::block("keys", &tables::flat(&keys, "")));
    let enrolment = fs::read_to_string(root().join("golden/enrolment.json")).expect("enrolment");
    pieces.push(Piece::block(
        "enrolment",
        &tables::flat(&enrolment, "enrol"),
    ));
    pieces.push(Piece::block("fork", &tables::flat(&enrolment, "fork")));
    let log = fs::read_to_string(root().join("golden/log_chain.json")).expect("the log");
    pieces.push(Piece::block("log chain", &tables::flat(&log, "entries")));
    pieces.push(Piece::block("digest", &tables::digest(&golden("digest"))));
    pieces.push(Piece {
        name: "limits".into(),
        text: tables::limits(),
    });
    pieces.push(Piece {
        name: "problem codes".into(),
        text: tables::problem_codes(),
    });
    pieces
}

fn merge_pieces() -> Vec<Piece> {
    let mut pieces: Vec<Piece> = tests::worked_conflicts::all()
        .iter()
        .map(|worked| Piece::block(worked.name, &worked.text))
        .collect();
    pieces.push(Piece {
        name: "kinds".into(),
        text: tables::kinds(),
    });
    pieces.push(Piece {
        name: "fields".into(),
        text: tables::fields(),
    });
    pieces.push(Piece {
        name: "workflows".into(),
        text: tables::workflows(),
    });
    let image = String::from_utf8(golden("image_worked_on")).expect("text");
    pieces.push(Piece::block("image", &(image + "\n")));
    pieces
}

/// Compares every piece of a page; writes them where that is asked for.
fn check_page(page: &str, pieces: &[Piece]) {
    let path = page_path(page);
    let mut text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let is_writing = std::env::var_os("GRIDWORK_GOLDEN").is_some_and(|value| value == "write");
    for piece in pieces {
        let (begin, end) = (
            format!("<!-- begin {} -->\n", piece.name),
            format!("<!-- end {} -->", piece.name),
        );
        let at = text
            .find(&begin)
            .unwrap_or_else(|| panic!("{page} has no {:?}", piece.name))
            + begin.len();
        let to = at
            + text[at..]
                .find(&end)
                .unwrap_or_else(|| panic!("{page}: {:?} has no end", piece.name));
        if is_writing {
            text.replace_range(at..to, &piece.text);
        } else {
            assert_eq!(
                &text[at..to],
                piece.text,
                "{page}: {:?} is out of date",
                piece.name
            );
        }
    }
    if is_writing {
        fs::write(&path, &text).expect("writing a page");
    }
    let known: BTreeSet<&str> = pieces.iter().map(|piece| piece.name.as_str()).collect();
    let marked: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("<!-- begin ")?.strip_suffix(" -->"))
        .collect();
    assert_eq!(marked, known, "{page} marks what nothing makes");
}

#[test]
fn the_protocol_page_shows_the_golden_bytes() {
    check_page("protocol.md", &protocol_pieces());
}

#[test]
fn the_merge_page_shows_what_the_code_does() {
    check_page("merge.md", &merge_pieces());
}

/// What a reader would type off the page is the message, byte by byte.
#[test]
fn the_hexadecimal_on_the_page_is_the_whole_message() {
    let text = fs::read_to_string(page_path("protocol.md")).expect("the page");
    for name in DUMPED {
        let (_, rest) = text
            .split_once(&format!("<!-- begin bytes {name} -->\n```text\n"))
            .expect(name);
        let (block, _) = rest.split_once("```").expect(name);
        let digits: String = block
            .lines()
            .map(|line| line.get(..dump::WIDTH).unwrap_or(line).trim())
            .collect();
        assert_eq!(digits, hex::encode(&golden(name)), "{name}");
    }
}

/// A tag in a message that the page's tables do not explain would leave a stranger stuck.
#[test]
fn every_tag_of_every_message_stands_in_a_table() {
    let text = fs::read_to_string(page_path("protocol.md")).expect("the page");
    for (heading, schema) in dump::SCHEMAS {
        let (_, rest) = text
            .split_once(&format!("\n#### {heading}\n"))
            .unwrap_or_else(|| panic!("no table for {heading}"));
        let table: String = rest
            .lines()
            .skip_while(|line| !line.starts_with("| "))
            .take_while(|line| !line.is_empty())
            .map(|line| format!("{line}\n"))
            .collect();
        for field in *schema {
            let row = format!("| {} | `{}` |", field.tag, field.name);
            assert!(table.contains(&row), "{heading} lacks {row}");
        }
        // Two lines are the table's head.
        let rows = table.lines().count() - 2;
        assert_eq!(rows, schema.len(), "{heading} explains what is not there");
    }
}
