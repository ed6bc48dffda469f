//! Answers and segments to a real phone: good ones, their items spoilt by choice, with a check that fits again.

use super::choices::Choices;
use crate::sim::disk::{Disk, Files, Node};
use crate::sim::sweep::{Scene, State, draft, open_phone};
use serde_json::json;
use std::cell::RefCell;
use sync_core::change::Header;
use sync_core::digest::SetDigest;
use sync_core::ids::{Epoch, PersonId, Pos, ReplicaNo, ScopeVersion, Seq};
use sync_core::kinds::Kind;
use sync_core::replica::{Filter, Replica, RequestFacts};
use sync_core::time::Evidence;
use sync_core::wire::{Item, Status, SyncResponse, read_items, write_item};

struct Base {
    node: Node,
    files: Files,
    response: SyncResponse,
    facts: RequestFacts,
    at: Evidence,
    items: Vec<Item>,
}

thread_local! {
    static PAGE: RefCell<Option<Base>> = const { RefCell::new(None) };
    static SEGMENT: RefCell<Option<Base>> = const { RefCell::new(None) };
}

const PHONE: u32 = 4;

fn base(name: &str, is_first: bool) -> Base {
    let mut scene = Scene::new(&[PHONE, 5]);
    let record = scene.report(5, 7);
    scene.report(5, 8);
    scene.sync(5);
    if !is_first {
        scene.sync(PHONE);
        scene.sync(5);
        let own = json!({"description": "自己的"});
        scene.make(PHONE, draft(record, 7, "report.amend", &own));
        scene.report(PHONE, 7);
        let other = json!({"title": "别人的"});
        scene.make(5, draft(record, 7, "report.amend", &other));
        scene.report(5, 7);
        scene.sync(5);
    }
    let (response, facts) = scene.answer(PHONE);
    let items = read_items(&response.items);
    let items = items.filter_map(|item| item.ok().flatten()).collect();
    Base {
        node: Disk::install().node(&format!("fuzz.{name}.{:?}", std::thread::current().id())),
        files: scene.phones[&PHONE].node.snapshot(),
        at: scene.phones[&PHONE].clocks(&scene.server),
        response,
        facts,
        items,
    }
}

/// An answer with a spoilt page.
pub fn pages(data: &[u8]) {
    PAGE.with_borrow_mut(|base_or_none| {
        let base = base_or_none.get_or_insert_with(|| base("page", false));
        base.node.restore(&base.files);
        let mut replica = open_phone(&base.node).expect("BUG: the phone opens");
        take_page(base, &mut replica, data);
        base.node.die();
    });
}

fn take_page(base: &Base, replica: &mut Replica, data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut response = base.response.clone();
    let mut items = base.items.clone();
    while choices.are_left() {
        if choices.byte().is_multiple_of(3) {
            spoil_response(&mut choices, &mut response);
        } else {
            spoil_items(&mut choices, &mut items);
        }
    }
    response.items.clear();
    for item in &items {
        write_item(&mut response.items, item);
    }
    // As it comes off the wire, under a check that fits.
    let Ok(response) = SyncResponse::decode(&response.encode()) else {
        return;
    };
    let before = read_state(&base.node);
    let head = replica.head().expect("a head");
    let taken = replica.apply_response(&response, &base.facts, base.at);
    if taken.is_err() {
        assert!(
            before == read_state(&base.node),
            "a refused answer left something"
        );
    }
    assert_eq!(replica.head().expect("a head"), head);
    look_at_everything(replica);
    // The same answer again finds a phone that can be read.
    let _ = replica.apply_response(&response, &base.facts, base.at);
    look_at_everything(replica);
    // And the true answer is taken in, unless the false one spoke of a later log or epoch.
    let _ = replica.apply_response(&base.response, &base.facts, base.at);
    look_at_everything(replica);
}

fn read_state(node: &Node) -> State {
    State::read(node, &["phone.db"]).expect("a sound file")
}

fn look_at_everything(replica: &Replica) {
    replica.counts().expect("counts");
    replica.outbox().expect("an outbox");
    replica.state_digest().expect("a digest");
    for kind in [Kind::Report, Kind::Visit, Kind::Patrol, Kind::Task] {
        for row in replica.list(&Filter::of(kind)).expect("a list") {
            replica.record_view(row.record).expect("a record");
        }
    }
}

fn spoil_response(choices: &mut Choices<'_>, response: &mut SyncResponse) {
    match choices.below(12) {
        0 => {
            response.status = [
                Status::Ok,
                Status::Fork,
                Status::UpgradeRequired,
                Status::Revoked,
            ][choices.below(4)];
        }
        1 => response.epoch = Epoch(choices.number(1) as u32),
        2 => response.epoch_start = Pos(choices.number(response.epoch_start.0)),
        3 => response.mark = Seq(choices.number(response.mark.0)),
        4 => response.received_ms = choices.number(response.received_ms as u64) as i64,
        5 => response.safe_seq = Seq(choices.number(response.safe_seq.0)),
        6 => response.cursor.pos = Pos(choices.number(response.cursor.pos.0)),
        7 => response.cursor.scope_version = ScopeVersion(choices.number(1) as u32),
        8 => response.cursor.backfill = choices.number(0),
        9 => response.more = !response.more,
        10 => response.digest = Some(SetDigest::from_bytes(&[choices.byte(); 24])),
        _ => response.head = None,
    }
}

fn spoil_items(choices: &mut Choices<'_>, items: &mut Vec<Item>) {
    let index = choices.below(items.len().max(1));
    if items.is_empty() {
        return;
    }
    match choices.below(8) {
        0 => {
            items.remove(index);
        }
        1 => {
            let copy = items[index].clone();
            items.push(copy);
        }
        2 => {
            let other = choices.below(items.len());
            items.swap(index, other);
        }
        3 => {
            if let Some(record) = record_of(&items[index]) {
                items.push(Item::Leave(record));
            }
        }
        _ => spoil_item(choices, &mut items[index]),
    }
}

fn record_of(item: &Item) -> Option<sync_core::ids::RecordId> {
    match item {
        Item::Entry(entry) => Some(Header::decode(&entry.header).ok()?.record),
        Item::Image(image) => Some(image.record),
        Item::Leave(record) => Some(*record),
        Item::Ruling(_) => None,
    }
}

fn spoil_item(choices: &mut Choices<'_>, item: &mut Item) {
    match item {
        Item::Entry(entry) => match choices.below(8) {
            0 => entry.place.pos = Pos(choices.number(entry.place.pos.0)),
            1 => entry.place.epoch = Epoch(choices.number(1) as u32),
            2 => entry.replica = ReplicaNo(choices.number(u64::from(entry.replica.0)) as u32),
            3 => entry.person = PersonId(choices.number(u64::from(entry.person.0)) as u32),
            4 => entry.time_ms = choices.number(entry.time_ms as u64) as i64,
            5 => choices.spoil(&mut entry.header),
            6 => {
                let open = entry.open.get_or_insert_default();
                choices.spoil(open);
            }
            _ => entry.open = None,
        },
        Item::Image(image) => match choices.below(3) {
            0 => image.pos = Pos(choices.number(image.pos.0)),
            _ => choices.spoil(&mut image.image),
        },
        Item::Ruling(ruling) => match choices.below(3) {
            0 => ruling.pos = Pos(choices.number(ruling.pos.0)),
            1 => ruling.seq = Seq(choices.number(ruling.seq.0)),
            _ => ruling.replica = ReplicaNo(choices.number(u64::from(ruling.replica.0)) as u32),
        },
        Item::Leave(_) => {}
    }
}

/// A segment of a prepared file, spoilt item by item or as bytes; the phone reads it as its shells do.
pub fn segments(data: &[u8]) {
    SEGMENT.with_borrow_mut(|base_or_none| {
        let base = base_or_none.get_or_insert_with(|| base("segment", true));
        base.node.restore(&base.files);
        let mut replica = open_phone(&base.node).expect("BUG: the phone opens");
        take_segment(base, &mut replica, data);
        base.node.die();
    });
}

fn take_segment(base: &Base, replica: &mut Replica, data: &[u8]) {
    let mut choices = Choices::new(data);
    let spoils_bytes = choices.byte().is_multiple_of(4);
    let mut items = base.items.clone();
    let mut bytes = Vec::new();
    if spoils_bytes {
        items.iter().for_each(|item| write_item(&mut bytes, item));
        while choices.are_left() {
            choices.spoil(&mut bytes);
        }
    } else {
        while choices.are_left() {
            spoil_items(&mut choices, &mut items);
        }
        items.iter().for_each(|item| write_item(&mut bytes, item));
    }
    let mut images = Vec::new();
    for item in read_items(&bytes) {
        match item {
            Ok(Some(Item::Image(image))) => images.push(image),
            Ok(_) => {}
            Err(_) => return,
        }
    }
    let rows = images
        .iter()
        .map(|image| (image.record, image.pos, &image.image[..]));
    let before = read_state(&base.node);
    match replica.apply_images(rows) {
        Ok(_) => {
            let finished = replica.finish_snapshot(base.response.cursor);
            finished.expect("a cursor of its own epoch");
        }
        Err(_) => assert!(
            before == read_state(&base.node),
            "a refused segment left something"
        ),
    }
    look_at_everything(replica);
    let _ = replica.apply_response(&base.response, &base.facts, base.at);
    look_at_everything(replica);
}
