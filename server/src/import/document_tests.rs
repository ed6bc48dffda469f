use super::*;
use crate::import::Severity;
use serde_json::json;

fn shipped(name: &str) -> &'static str {
    let (_, text) = DEFAULTS
        .iter()
        .find(|(each, _)| *each == name)
        .expect("a document that ships");
    text
}

/// A district that has entered what ships as version 1.
fn district() -> KnownDocuments {
    KnownDocuments::new(
        DEFAULTS
            .iter()
            .map(|(name, text)| ((*name).to_owned(), 1, (*text).to_owned())),
    )
}

/// The shipped text of a document as its second version, with some of its text replaced.
fn second(name: &str, replace: &[(&str, &str)]) -> String {
    let mut text = shipped(name).replace("\"version\": 1", "\"version\": 2");
    for (from, to) in replace {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

/// What is found, as line and reason.
fn found(text: &str) -> Vec<(u64, Reason)> {
    let parsed = parse_document(text.as_bytes(), &district());
    let errors = parsed.findings.iter();
    errors
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| match finding.place {
            Place::Line { line } => (line, finding.reason),
            _ => (0, finding.reason),
        })
        .collect()
}

/// The first line that has this text.
fn line(text: &str, needle: &str) -> u64 {
    let at = text.lines().position(|line| line.contains(needle));
    at.expect("the text") as u64 + 1
}

#[test]
fn what_ships_is_taken_as_the_first_version_and_again_as_no_change() {
    for (name, text) in DEFAULTS {
        let parsed = parse_document(text.as_bytes(), &KnownDocuments::shipped());
        assert_eq!(parsed.findings, [], "{name}");
        assert!(!KnownDocuments::shipped().is_last(&parsed.rows[0]));
        let again = parse_document(text.as_bytes(), &district());
        assert_eq!(again.findings, [], "{name}");
        assert!(district().is_last(&again.rows[0]));
    }
}

#[test]
fn a_second_version_is_taken_from_its_day_on() {
    let text = second(
        "calendar",
        &[(
            "\"2025-01-01\",\n  \"title\"",
            "\"2027-01-01\",\n  \"title\"",
        )],
    );
    let parsed = parse_document(text.as_bytes(), &district());
    assert_eq!(parsed.findings, []);
    let row = &parsed.rows[0];
    assert_eq!((row.name.as_str(), row.version), ("calendar", 2));
    assert_eq!(row.from.to_string(), "2027-01-01");
    assert_eq!(row.text, text, "as it came");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let spoilt = second("roles", &[("\"roles\": [", "\"roles\": [,")]);
    assert_eq!(found(&spoilt), [(line(&spoilt, "[,"), Reason::NotJson)]);
    let unknown = second(
        "roles",
        &[("\"document\": \"roles\"", "\"document\": \"rolls\"")],
    );
    assert_eq!(found(&unknown), [(2, Reason::DocumentUnknown)]);
    let skipped = second("roles", &[("\"version\": 2", "\"version\": 4")]);
    assert_eq!(found(&skipped), [(3, Reason::VersionNotNext)]);
    let no_day = second("roles", &[("2026-01-01", "2026-02-30")]);
    assert_eq!(found(&no_day), [(4, Reason::NoSuchDay)]);
    let intent = second("roles", &[("\"report.comment\"", "\"report.forget\"")]);
    assert_eq!(
        found(&intent),
        [(line(&intent, "report.forget"), Reason::IntentUnknown)]
    );
    let kind = second("roles", &[("\"visit\": \"place\"", "\"faith\": \"place\"")]);
    assert_eq!(
        found(&kind),
        [(line(&kind, "faith"), Reason::RecordKindUnknown)]
    );
    let level = second("categories", &[("\"level\": \"III\"", "\"level\": \"V\"")]);
    assert_eq!(
        found(&level),
        [(line(&level, "\"V\""), Reason::LevelUnknown)]
    );
    let field = second(
        "categories",
        &[("\"self_handled_allowed\"", "\"self_handled\"")],
    );
    let found_fields = found(&field);
    let at = line(&field, "\"code\": \"SAN-01\"") - 1;
    assert_eq!(
        found_fields,
        [
            (at, Reason::DocumentNotOfSchema),
            (at, Reason::DocumentNotOfSchema)
        ],
        "one field too many, one missing"
    );
    let holiday = second(
        "calendar",
        &[("\"to\": \"2026-01-03\"", "\"to\": \"2027-01-03\"")],
    );
    let reasons: Vec<_> = found(&holiday).iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [Reason::DocumentWrong]);
}

#[test]
fn codes_are_retired_and_never_removed() {
    let retired = second(
        "categories",
        &[(
            "\"code\": \"SAN-02\",",
            "\"code\": \"SAN-02\", \"retired\": true,",
        )],
    );
    assert_eq!(found(&retired), []);
    let mut removed: Value = serde_json::from_str(shipped("categories")).expect("json");
    removed["version"] = json!(2);
    let list = removed["categories"].as_array_mut().expect("a list");
    list.retain(|category| category["code"] != "SAN-02");
    let reasons: Vec<_> = found(&removed.to_string());
    assert_eq!(reasons, [(1, Reason::CodeRemoved)]);
    let twice = second(
        "categories",
        &[("\"code\": \"SAN-02\"", "\"code\": \"SAN-01\"")],
    );
    assert_eq!(
        found(&twice)
            .iter()
            .map(|(_, reason)| *reason)
            .collect::<Vec<_>>(),
        [Reason::CodeRemoved, Reason::CodeTwice]
    );
}

#[test]
fn a_table_that_lets_somebody_verify_their_own_work_is_refused_at_that_step() {
    let own = second(
        "case_workflow",
        &[(
            "\"from\": \"FEEDBACK\", \"to\": \"CLOSED\", \"roles\": [\"verifier\"], \"requires\": [], \"guards\": [\"verifier_is_not_handler\", ",
            "\"from\": \"FEEDBACK\", \"to\": \"CLOSED\", \"roles\": [\"verifier\"], \"requires\": [], \"guards\": [",
        )],
    );
    let at = line(&own, "\"from\": \"FEEDBACK\", \"to\": \"CLOSED\"");
    assert_eq!(found(&own), [(at, Reason::WorkflowSelfVerification)]);
    let around = second("case_workflow", &[("\"covers\": [2, 3, 5], ", "")]);
    let at = line(&around, "\"from\": \"SELF_DONE\", \"to\": \"CLOSED\"");
    assert!(found(&around).contains(&(at, Reason::WorkflowBypass)));
    let guard = second("case_workflow", &[("[\"own_report\"]", "[\"own_wish\"]")]);
    assert_eq!(
        found(&guard),
        [(line(&guard, "own_wish"), Reason::GuardUnknown)]
    );
    let nowhere = second(
        "case_workflow",
        &[("\"to\": \"SELF_DONE\"", "\"to\": \"DONE\"")],
    );
    assert_eq!(
        found(&nowhere),
        [(line(&nowhere, "\"DONE\""), Reason::StateUnknown)]
    );
    let role = second("task_workflow", &[("\"worker\"", "\"walker\"")]);
    let at = line(&role, "walker");
    assert_eq!(found(&role), [(at, Reason::RoleUnknown)]);
}

#[test]
fn bytes_that_are_no_document_are_refused() {
    let parse = |bytes: &[u8]| parse_document(bytes, &district());
    for (bytes, reason) in [
        (&b"\xff\xfe"[..], Reason::NotUtf8),
        (b"", Reason::NotJson),
        (b"[1]", Reason::DocumentUnknown),
    ] {
        let parsed = parse(bytes);
        assert_eq!((parsed.findings[0].reason, parsed.rows.len()), (reason, 0));
    }
    let large = vec![b' '; DOCUMENT_BYTES_MAX + 1];
    assert_eq!(parse(&large).findings[0].reason, Reason::FileTooLarge);
}
