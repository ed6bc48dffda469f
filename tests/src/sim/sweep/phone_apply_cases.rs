//! What a phone takes in: receipts, pages, images, rulings, another scope, an epoch, a fork, a revocation.

use super::scene::{Scene, draft, told};
use super::{Case, Expected};
use crate::sim::district::RULER;
use serde_json::json;
use server::service::administration::AdminRequest;
use sync_core::digest::SetDigest;
use sync_core::entry::RulingKind;
use sync_core::ids::{PersonId, Pos, Seq, UnitId};
use sync_core::wire::{ImageItem, Item, Status, read_items};

const WORKER: u32 = 4;
const OTHER_WORKER: u32 = 5;
const GRID: u32 = 7;

/// See the module.
pub fn cases() -> Vec<Case> {
    vec![
        receipts(),
        entries(),
        images(),
        prepared_file(),
        rulings(),
        another_scope(),
        another_key(),
        new_epoch(),
        fork_status(),
        upgrade_required(),
        safe(),
        differs(),
        revoked(),
        wipes(),
    ]
}

/// Two workers who know three reports.
fn settled() -> (Scene, sync_core::ids::RecordId) {
    let mut scene = Scene::new(&[WORKER, OTHER_WORKER]);
    let record = scene.report(WORKER, GRID);
    scene.report(WORKER, GRID);
    scene.report(OTHER_WORKER, 8);
    for number in [WORKER, OTHER_WORKER, WORKER] {
        scene.sync(number);
    }
    (scene, record)
}

/// Takes in the answer that the worker gets now, after `alter` has had its way with it.
fn takes_in(
    mut scene: Scene,
    name: &'static str,
    alter: impl FnOnce(&mut sync_core::wire::SyncResponse),
) -> Case {
    let (mut response, facts) = scene.answer(WORKER);
    alter(&mut response);
    let at = scene.phones[&WORKER].clocks(&scene.server);
    scene.phone_case(name, WORKER, move |replica| {
        let applied = replica.apply_response(&response, &facts, at);
        applied
            .map(|applied| format!("{applied:?}").into_bytes())
            .map_err(|error| told(&error))
    })
}

fn receipts() -> Case {
    let (mut scene, record) = settled();
    let comment = json!({"text": "还在"});
    scene.make(WORKER, draft(record, GRID, "report.comment", &comment));
    scene.report(WORKER, GRID);
    scene.report(WORKER, 11);
    takes_in(scene, "phone: takes in receipts", |_| ())
}

fn entries() -> Case {
    let (mut scene, record) = settled();
    // A change of its own lies over the record to which entries come.
    let own = json!({"description": "自己的"});
    scene.make(WORKER, draft(record, GRID, "report.amend", &own));
    for title in ["甲", "乙"] {
        let amended = json!({"title": title});
        scene.make(OTHER_WORKER, draft(record, GRID, "report.amend", &amended));
        scene.report(OTHER_WORKER, GRID);
    }
    scene.sync(OTHER_WORKER);
    takes_in(scene, "phone: takes in entries", |_| ())
}

fn images() -> Case {
    let mut scene = Scene::new(&[WORKER, OTHER_WORKER]);
    for unit in [GRID, 8, GRID] {
        scene.report(OTHER_WORKER, unit);
    }
    scene.sync(OTHER_WORKER);
    takes_in(scene, "phone: takes in images", |_| ())
}

/// A first sync from a prepared file: whole images, then the cursor.
fn prepared_file() -> Case {
    let mut scene = Scene::new(&[WORKER, OTHER_WORKER]);
    for unit in [GRID, 8, GRID] {
        scene.report(OTHER_WORKER, unit);
    }
    scene.sync(OTHER_WORKER);
    let (response, _) = scene.answer(WORKER);
    let images: Vec<ImageItem> = read_items(&response.items)
        .filter_map(|item| match item {
            Ok(Some(Item::Image(image))) => Some(image),
            _ => None,
        })
        .collect();
    assert!(images.len() > 1, "BUG: a first page holds images");
    let mut case = scene.phone_case("phone: takes a prepared file", WORKER, move |replica| {
        let rows = images
            .iter()
            .map(|image| (image.record, image.pos, &image.image[..]));
        let taken = replica.apply_images(rows).map_err(|error| told(&error))?;
        let finished = replica.finish_snapshot(response.cursor);
        finished
            .map(|()| taken.to_string().into_bytes())
            .map_err(|error| told(&error))
    });
    // The images, and that they are all.
    case.commits = 2;
    // Images that lie there already are not counted again.
    case.expected = Expected::Works;
    case
}

fn rulings() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, 11);
    scene.sync(WORKER);
    let inbox = scene.office(AdminRequest::Inbox);
    let pos = inbox["inbox"][0]["pos"].as_u64();
    scene.office(AdminRequest::Rule {
        pos: Pos(pos.expect("BUG: something waits")),
        ruling: RulingKind::Rejected,
        by: RULER,
        reason: "不是我们的".to_owned(),
    });
    takes_in(scene, "phone: takes in a ruling", |_| ())
}

fn another_scope() -> Case {
    let (mut scene, record) = settled();
    for unit in [7, 8] {
        scene.office(AdminRequest::Revoke {
            person: PersonId(WORKER),
            role: "worker".to_owned(),
            unit: UnitId(unit),
        });
    }
    scene.office(AdminRequest::Grant {
        person: PersonId(WORKER),
        role: "worker".to_owned(),
        unit: UnitId(9),
    });
    // Its copy must stay until this is answered.
    let late = json!({"text": "还没发"});
    let (response, facts) = scene.answer(WORKER);
    scene.make(WORKER, draft(record, GRID, "report.comment", &late));
    let at = scene.phones[&WORKER].clocks(&scene.server);
    scene.phone_case("phone: takes in another scope", WORKER, move |replica| {
        let applied = replica.apply_response(&response, &facts, at);
        applied
            .map(|applied| format!("{applied:?}").into_bytes())
            .map_err(|error| told(&error))
    })
}

/// Another key of the server comes with the answer.
fn another_key() -> Case {
    let (mut scene, _) = settled();
    scene.office(AdminRequest::RotateKey);
    scene.report(WORKER, GRID);
    takes_in(scene, "phone: takes in another key", |_| ())
}

fn new_epoch() -> Case {
    let (mut scene, record) = settled();
    let copy = scene.server.node.snapshot();
    let comment = json!({"text": "后来的"});
    scene.make(WORKER, draft(record, GRID, "report.comment", &comment));
    scene.report(WORKER, GRID);
    scene.sync(WORKER);
    scene.server.put_back(&copy);
    scene.server.start(true).expect("BUG: it starts");
    takes_in(scene, "phone: takes in an epoch", |_| ())
}

fn fork_status() -> Case {
    let (mut scene, record) = settled();
    scene.clone_phone(WORKER, 104);
    for number in [104, WORKER] {
        let comment = json!({"text": format!("{number}")});
        scene.make(number, draft(record, GRID, "report.comment", &comment));
    }
    scene.sync(104);
    takes_in(scene, "phone: is told of a fork", |response| {
        assert_eq!(response.status, Status::Fork);
    })
}

fn upgrade_required() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, GRID);
    takes_in(scene, "phone: is told to upgrade", |response| {
        response.status = Status::UpgradeRequired;
        response.items.clear();
    })
}

/// What is safe and part of an image is forgotten.
fn safe() -> Case {
    let (scene, _) = settled();
    takes_in(scene, "phone: forgets what is safe", |response| {
        response.safe_seq = Seq(2);
    })
}

/// The digest differs: everything is asked for again.
fn differs() -> Case {
    let (scene, _) = settled();
    takes_in(scene, "phone: finds that it differs", |response| {
        response.digest = Some(SetDigest::default());
    })
}

fn revoke(scene: &mut Scene) {
    let replica = scene.replica(WORKER).replica_id();
    scene.office(AdminRequest::RevokeReplica { replica });
}

fn revoked() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, GRID);
    revoke(&mut scene);
    takes_in(scene, "phone: is told of its revocation", |response| {
        assert_eq!(response.status, Status::Revoked);
    })
}

fn wipes() -> Case {
    let (mut scene, _) = settled();
    revoke(&mut scene);
    let (response, facts) = scene.answer(WORKER);
    let at = scene.phones[&WORKER].clocks(&scene.server);
    let applied = scene.replica(WORKER).apply_response(&response, &facts, at);
    assert!(applied.expect("BUG: an answer fits").revoked);
    scene.phone_case("phone: wipes itself", WORKER, |replica| {
        let wiped = replica.wipe_when_safe();
        wiped
            .map(|wiped| format!("{wiped:?}").into_bytes())
            .map_err(|error| told(&error))
    })
}
