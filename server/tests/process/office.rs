//! Acting online, over a real process: the answer of before a restart is the answer of after it, byte for byte.

use crate::phone::Phone;
use crate::server::DataDirectory;
use serde_json::{Value, json};

fn post(url: &str, token: &str, body: &Value) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(format!("{url}/v1/changes"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("accept-language", "en")
        .send(body.to_string())
        .expect("an answer");
    let text = answer.body_mut().read_to_string().expect("a body");
    let value = serde_json::from_str(&text).expect("json");
    (answer.status().as_u16(), value)
}

#[test]
fn the_same_change_again_has_the_same_answer_after_a_restart() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let phone = Phone::enrol(&serving.url, &data.code(), data.path());
    let change = json!({
        "id": "018f4c1e-7b7a-7cc3-98c4-dc0c0c073990", "record": "018f4c1e-7b7a-7cc3-98c4-dc0c0c07398f", "unit": 1,
        "intent": "report.create", "payload": {"category": "SAN-01", "description": "来电"},
    });
    let (status, first) = post(&serving.url, &phone.token, &change);
    assert_eq!(
        (status, &first["verdict"]),
        (200, &json!("accepted")),
        "{first}"
    );
    let wrong = json!({
        "id": "018f4c1e-7b7a-7cc3-98c4-dc0c0c073991", "record": "018f4c1e-7b7a-7cc3-98c4-dc0c0c07398f", "unit": 1,
        "intent": "report.transition", "payload": {"to": "CLOSED"},
    });
    let (status, verdict) = post(&serving.url, &phone.token, &wrong);
    assert_eq!((status, &verdict["verdict"]), (200, &json!("not_applied")));
    serving.stop();

    let serving = data.serve(None);
    assert_eq!(post(&serving.url, &phone.token, &change), (200, first));
    assert_eq!(post(&serving.url, &phone.token, &wrong), (200, verdict));
    let mut other = change.clone();
    other["payload"]["description"] = json!("去电");
    let (status, problem) = post(&serving.url, &phone.token, &other);
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("change_id_reused"))
    );
    let (status, problem) = post(&serving.url, "x", &change);
    assert_eq!((status, &problem["code"]), (401, &json!("token_refused")));
    serving.stop();
    let verified = crate::server::run(&["verify", "--data", &data.text()]);
    assert!(verified.success, "{}", verified.stderr);
}
