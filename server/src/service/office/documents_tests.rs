//! Documents brought in online, over a real district.

use super::Office;
use crate::language::Language;
use crate::service::ServiceError;
use crate::service::testing::{DISTRICT, GRID, TOWN, TestDistrict};
use api_schema::document::{DocumentFile, DocumentImport, DocumentState};
use sync_core::documents::DEFAULTS;

/// The calendar as its second version, in force from a day on.
fn calendar(from: &str) -> String {
    let (_, text) = DEFAULTS
        .iter()
        .find(|(name, _)| *name == "calendar")
        .expect("it ships");
    let at = text.find("\"in_force_from\": \"").expect("a day") + 18;
    let mut text = (*text).to_owned();
    text.replace_range(at..at + 10, from);
    text.replacen("\"version\": 1", "\"version\": 2", 1)
}

fn import(text: String, only_check: bool) -> DocumentImport {
    DocumentImport {
        files: vec![DocumentFile {
            file: "calendar.json".into(),
            text,
        }],
        only_check,
    }
}

#[tokio::test]
async fn who_administers_documents_checks_and_takes_them_and_nobody_else() {
    let district = TestDistrict::new().await;
    let lead = district.phone(&[("district_lead", DISTRICT)]).await;
    let gridwork = district.gridwork();
    let head = || district.district().state().head.0;
    for roles in [
        [("worker", GRID)],
        [("district_lead", TOWN)],
        [("duty_desk", DISTRICT)],
    ] {
        let other = district.phone(&roles).await;
        let before = head();
        let refused = gridwork.import_documents(
            other.caller,
            import(calendar("2026-04-01"), false),
            Language::English,
        );
        assert!(matches!(refused.await, Err(ServiceError::Forbidden)));
        assert_eq!(head(), before);
    }
    let before = head();
    let wrong = calendar("2026-04-01").replacen("\"2026\"", "\"20x6\"", 1);
    let wrong = wrong.replacen("\"working_day_minutes\"", "\"minutes\"", 1);
    let checked =
        gridwork.import_documents(lead.caller, import(wrong.clone(), true), Language::English);
    let checked = checked.await.expect("a check");
    assert!(checked.only_checked && checked.entered.is_empty());
    let problem = &checked.problems[0];
    assert!(problem.is_error && problem.line.is_some(), "{problem:?}");
    assert!(!problem.reason.is_empty() && !problem.message.is_empty());
    let refused = gridwork.import_documents(lead.caller, import(wrong, false), Language::English);
    match refused.await {
        Err(ServiceError::FieldInvalid { errors }) => assert_eq!(errors[0].field, "calendar.json"),
        other => panic!("{other:?}"),
    }
    let good = || import(calendar("2026-04-01"), true);
    let checked = gridwork.import_documents(lead.caller, good(), Language::English);
    assert_eq!(checked.await.expect("a check").entered[0].version, 2);
    assert_eq!(head(), before);
    let taken = DocumentImport {
        only_check: false,
        ..good()
    };
    let taken = gridwork.import_documents(lead.caller, taken, Language::English);
    let taken = taken.await.expect("taken");
    assert_eq!(taken.entered[0].document, "calendar");
    assert!(taken.entered[0].from_ms.is_some() && !taken.only_checked);
    let listed = gridwork.list_documents(lead.caller).await.expect("a list");
    let listed: Vec<_> = (listed.documents.iter())
        .filter(|listed| listed.document == "calendar")
        .map(|listed| (listed.version, listed.state))
        .collect();
    assert_eq!(
        listed,
        [(1, DocumentState::InForce), (2, DocumentState::ToCome)]
    );
    let text = gridwork.get_document(lead.caller, "calendar".into(), 2);
    assert_eq!(text.await.expect("the text"), calendar("2026-04-01"));
    let none = gridwork.get_document(lead.caller, "calendar".into(), 3);
    assert!(matches!(none.await, Err(ServiceError::NotFound)));
}
