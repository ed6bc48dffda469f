use super::*;
use crate::documents::Documents;
use crate::ids::{PersonId, UnitId};
use crate::testing::Story;

const NOON_MS: i64 = 1_795_998_600_000;
const DIGEST: &str = "5555555555555555555555555555555555555555555555555555555555555555";

#[test]
fn an_inspection_is_clear_when_the_last_look_at_each_fault_was_good() {
    let begun = || {
        Story::at(NOON_MS).does(
            1,
            "inspection.create",
            r#"{"checklist":"CHK-SHOP","answers":[{"item":"EXIT","answer":"fault","note":"boxes"},
                {"item":"GAS","answer":"fault"},{"item":"WIRING","answer":"ok"}]}"#,
        )
    };
    let record = begun().record();
    assert_eq!(inspection::open_faults(&record), ["EXIT", "GAS"]);
    let documents = Documents::defaults();
    let checklist = documents.checklist("CHK-SHOP").expect("a checklist");
    let hazards = inspection::hazards(&inspection::answers(&record), checklist);
    let told: Vec<_> = hazards
        .iter()
        .map(|hazard| (hazard.item.as_str(), hazard.category.as_deref()))
        .collect();
    assert_eq!(told, [("EXIT", Some("FIR-01")), ("GAS", Some("FIR-04"))]);
    let answers = inspection::answers(&record);
    assert_eq!(
        inspection::unanswered("CHK-SHOP", &answers, &documents),
        ["EXTINGUISHER", "LIVING", "EBIKE"]
    );
    let again = begun()
        .does(2, "inspection.recheck", r#"{"item":"EXIT","answer":"ok"}"#)
        .does(2, "inspection.recheck", r#"{"item":"GAS","answer":"ok"}"#);
    let worse = begun()
        .does(2, "inspection.recheck", r#"{"item":"EXIT","answer":"ok"}"#)
        .does(
            2,
            "inspection.recheck",
            r#"{"item":"EXIT","answer":"fault"}"#,
        );
    assert!(inspection::open_faults(&again.record()).is_empty());
    assert_eq!(inspection::open_faults(&worse.record()), ["EXIT", "GAS"]);
}

#[test]
fn a_mediation_is_signed_when_each_party_has_signed() {
    let sign = |party: i64| format!(r#"{{"party":{party},"sha256":"{DIGEST}"}}"#);
    let story = Story::at(NOON_MS)
        .does(
            1,
            "mediation.create",
            r#"{"category":"MED-01","parties":3}"#,
        )
        .does(1, "mediation.sign", &sign(1))
        .does(1, "mediation.sign", &sign(3))
        .does(1, "mediation.sign", &sign(3));
    let record = story.record();
    assert!(!mediation::is_signed_by_all(&record));
    let record = Story::at(NOON_MS)
        .does(
            1,
            "mediation.create",
            r#"{"category":"MED-01","parties":2}"#,
        )
        .does(1, "mediation.sign", &sign(2))
        .does(1, "mediation.sign", &sign(1))
        .record();
    assert!(mediation::is_signed_by_all(&record));
}

#[test]
fn each_handing_on_of_a_mediation_is_followed_to_its_receipt_and_its_outcome() {
    let record = Story::at(NOON_MS)
        .does(
            1,
            "mediation.create",
            r#"{"category":"MED-01","parties":2}"#,
        )
        .does(
            1,
            "mediation.transition",
            &format!(r#"{{"to":"REFERRED","to_body":"department","documents":["{DIGEST}"]}}"#),
        )
        .does(
            1,
            "mediation.transition",
            r#"{"to":"OPEN","reason":"not theirs"}"#,
        )
        .does(
            1,
            "mediation.transition",
            &format!(
                r#"{{"to":"REFERRED","to_body":"court","documents":["{DIGEST}","{DIGEST}"]}}"#
            ),
        )
        .after(60_000)
        .does(
            1,
            "mediation.transition",
            r#"{"to":"RECEIVED","receipt_number":"(2026) 118"}"#,
        )
        .does(
            1,
            "mediation.transition",
            r#"{"to":"ENDED","note":"a judgement"}"#,
        )
        .record();
    let referrals = mediation::referrals(&record);
    let told: Vec<_> = referrals
        .iter()
        .map(|referral| {
            let outcome = referral.outcome.as_deref();
            (referral.to_body.as_str(), referral.documents, outcome)
        })
        .collect();
    assert_eq!(
        told,
        [("department", 1, Some("OPEN")), ("court", 2, Some("ENDED"))]
    );
    assert_eq!(referrals[0].receipt_number, None);
    assert_eq!(referrals[1].receipt_number.as_deref(), Some("(2026) 118"));
    assert_eq!(referrals[1].received_ms, Some(NOON_MS + 60_000));
}

/// A visit by somebody of body 20, and words of others on it, before or after.
fn visit(words: &[(u32, &str)], logged_first: bool) -> crate::merge::RecordState {
    let log = |story: Story| {
        story.does(
            1,
            "visit.log",
            r#"{"outcome":"done","joint":true,"body":20}"#,
        )
    };
    let mut story = Story::at(NOON_MS);
    if logged_first {
        story = log(story);
    }
    for (person, json) in words {
        story = story.does(*person, "visit.confirm", json);
    }
    if !logged_first {
        story = log(story);
    }
    story.record()
}

#[test]
fn two_people_of_two_bodies_confirm_one_visit_in_either_order() {
    let agrees = r#"{"agrees":true,"body":30}"#;
    for logged_first in [true, false] {
        let joint = visit::joint(&visit(&[(2, agrees)], logged_first)).expect("a joint visit");
        assert!(joint.is_confirmed);
        assert_eq!(joint.logged_by, Some(PersonId(1)));
        assert_eq!(joint.confirmations[0].body, Some(UnitId(30)));
    }
    let confirmed = |words: &[(u32, &str)]| {
        visit::joint(&visit(words, true))
            .expect("a joint visit")
            .is_confirmed
    };
    assert!(!confirmed(&[]));
    // Oneself, the same body, no body, or somebody who was not there.
    assert!(!confirmed(&[(1, agrees)]));
    assert!(!confirmed(&[(2, r#"{"agrees":true,"body":20}"#)]));
    assert!(!confirmed(&[(2, r#"{"agrees":true}"#)]));
    assert!(!confirmed(&[
        (2, agrees),
        (3, r#"{"agrees":false,"body":40}"#)
    ]));
    // The last word of each counts.
    assert!(confirmed(&[
        (2, r#"{"agrees":false,"body":30}"#),
        (2, agrees)
    ]));
    // Before anybody has logged it there is nothing to be confirmed.
    let early = Story::at(NOON_MS).does(2, "visit.confirm", agrees).record();
    assert!(!visit::joint(&early).expect("a word").is_confirmed);
    let alone = Story::at(NOON_MS)
        .does(1, "visit.log", r#"{"outcome":"done"}"#)
        .record();
    assert!(visit::joint(&alone).is_none());
}

#[test]
fn a_visit_without_change_answers_what_the_one_before_did() {
    let id = "018f0000-0000-7000-8000-000000000001";
    let first = Story::at(NOON_MS)
        .does(
            1,
            "visit.log",
            r#"{"outcome":"done","checklist":"CHK-CARE","answers":[{"item":"WELL","answer":"GOOD"}]}"#,
        )
        .record();
    let same = Story::at(NOON_MS)
        .does(
            1,
            "visit.log",
            &format!(r#"{{"outcome":"no_change","previous":"{id}"}}"#),
        )
        .record();
    let find = |asked: &str| (asked == id).then_some(&first);
    let answers = visit::answers(&same, find);
    assert_eq!(
        (answers[0].item.as_str(), answers[0].answer.as_str()),
        ("WELL", "GOOD")
    );
    assert!(visit::answers(&same, |_| None).is_empty());
    // One that names itself ends.
    assert!(visit::answers(&same, |_| Some(&same)).is_empty());
}
