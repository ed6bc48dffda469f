//! What the office asks of the server: units, people, roles, codes, replicas, rulings, the second place, the clock.

use super::Case;
use super::scene::{Scene, told};
use super::server_cases::{RULINGS, with_waiting};
use crate::sim::district::{CODE, RULER};
use crate::sim::server::now;
use serde_json::json;
use server::service::administration::AdminRequest;
use sync_core::entry::RulingKind;
use sync_core::ids::{PersonId, UnitId};

/// The privacy officer of the small district.
const PRIVACY_OFFICER: PersonId = PersonId(11);

/// See the module.
pub fn cases() -> Vec<Case> {
    let person = PersonId(4);
    let mut cases = vec![
        asks(
            "office: adds a unit",
            AdminRequest::AddUnit {
                parent: UnitId(4),
                code: "77".to_owned(),
                name: "新网格".to_owned(),
                kind: "grid".to_owned(),
            },
        ),
        asks(
            "office: imports units",
            AdminRequest::ImportUnits { text: units() },
        ),
        asks(
            "office: adds a person",
            AdminRequest::AddPerson {
                name: "新人".to_owned(),
                number: None,
            },
        ),
        asks(
            "office: imports people",
            AdminRequest::ImportPeople {
                text: format!(
                    "姓名,角色,单位编码,外部编号\n甲,网格员,{CODE}.7,P1\n乙,网格员,{CODE}.8,P2\n"
                ),
            },
        ),
        asks(
            "office: grants a role",
            AdminRequest::Grant {
                person,
                role: "worker".to_owned(),
                unit: UnitId(9),
            },
        ),
        asks(
            "office: ends a role",
            AdminRequest::Revoke {
                person,
                role: "worker".to_owned(),
                unit: UnitId(7),
            },
        ),
        asks("office: agrees to the clock", AdminRequest::AgreeClock),
        code(person),
        rotate(),
        revoke_replica(),
        second_place(),
    ];
    cases.extend(RULINGS.map(|(name, ruling)| rule(name, ruling)));
    cases
}

fn asks(name: &'static str, request: AdminRequest) -> Case {
    asks_in(Scene::new(&[]), name, request)
}

fn asks_in(scene: Scene, name: &'static str, request: AdminRequest) -> Case {
    scene.server_case(name, 1, move |server| {
        let gridwork = server.gridwork().ok_or("down")?;
        let answer = now(Box::pin(gridwork.administer(None, request.clone())));
        answer
            .map(|value| value.to_string().into_bytes())
            .map_err(|error| told(&error))
    })
}

fn units() -> String {
    let square = json!({"type": "Polygon", "coordinates":
        [[[114.0, 22.5], [114.1, 22.5], [114.1, 22.6], [114.0, 22.6], [114.0, 22.5]]]});
    let features: Vec<_> = ["71", "72", "73"]
        .map(|part| {
            json!({"type": "Feature", "geometry": square, "properties": {
                "code": format!("{CODE}.2.{part}"), "name": format!("社区 {part}"), "kind": "community",
                "parent": format!("{CODE}.2"),
            }})
        })
        .into();
    json!({"type": "FeatureCollection", "features": features}).to_string()
}

fn code(person: PersonId) -> Case {
    let scene = Scene::new(&[]);
    scene.drawing_case("office: makes a code", 1, move |server| {
        let gridwork = server.gridwork().ok_or("down")?;
        let district = server.district().ok_or("down")?;
        let code = gridwork.make_code(&district, person);
        code.map(|_| Vec::new()).map_err(|error| told(&error))
    })
}

fn rotate() -> Case {
    let mut case = asks("office: gives new keys", AdminRequest::RotateKey);
    // The keys are kept before the log names them.
    case.commits = 3;
    // Each try draws keys of its own.
    case.expected = super::Expected::Works;
    case
}

fn revoke_replica() -> Case {
    let mut scene = Scene::new(&[4]);
    let replica = scene.replica(4).replica_id();
    let request = AdminRequest::RevokeReplica { replica };
    asks_in(scene, "office: revokes a replica", request)
}

/// What a copy of the district's file ends with: the log has reached a second place.
fn second_place() -> Case {
    let mut scene = Scene::new(&[4]);
    scene.report(4, 7);
    scene.sync(4);
    scene.server_case("office: notes a copy", 1, |server| {
        let district = server.district().ok_or("down")?;
        let head = district.state().head.0;
        let noted = now(Box::pin(
            district.writer().run(move |log, _| log.set_safe(head)),
        ));
        noted
            .map(|()| head.0.to_string().into_bytes())
            .map_err(|error| told(&error))
    })
}

fn rule(name: &'static str, ruling: RulingKind) -> Case {
    let (scene, waiting, sealed) = with_waiting();
    let erases = ruling == RulingKind::Erased;
    let request = AdminRequest::Rule {
        pos: if erases { sealed } else { waiting },
        ruling,
        by: if erases { PRIVACY_OFFICER } else { RULER },
        reason: "看过了".to_owned(),
    };
    asks_in(scene, name, request)
}
