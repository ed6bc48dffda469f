//! First syncs from prepared files come to the same as first syncs from pages, whatever happens meanwhile.

use super::build::Pass;
use crate::service::testing::{
    DEPARTMENT, DISTRICT, GRID, NEXT_GRID, OTHER_TOWN, Phone, TOWN, TestDistrict,
};
use crate::service::{AcceptedCodings, Backend, Coding, ServiceError};
use api_schema::snapshot::SnapshotList;
use serde_json::json;
use std::io::Read;
use std::sync::Mutex;
use sync_core::change::Hash;
use sync_core::ids::{Epoch, Pos, RecordId, ScopeVersion};
use sync_core::wire::{Cursor, ImageItem, Item, read_items};

const ZSTD: AcceptedCodings = AcceptedCodings {
    zstd: true,
    gzip: true,
};
const GZIP: AcceptedCodings = AcceptedCodings {
    zstd: false,
    gzip: true,
};

async fn list(district: &TestDistrict, phone: &Phone) -> SnapshotList {
    district
        .gridwork()
        .list_snapshots(phone.caller)
        .await
        .expect("a list")
}

async fn fetch(
    district: &TestDistrict,
    phone: &Phone,
    name: &str,
    segment: u32,
    accepted: AcceptedCodings,
) -> Result<Vec<u8>, ServiceError> {
    let found = district
        .gridwork()
        .snapshot_segment(phone.caller, name.to_owned(), segment, accepted)
        .await?;
    let mut stored = Vec::new();
    assert_eq!(
        { &found.file }.read_to_end(&mut stored).expect("read") as u64,
        found.size_bytes
    );
    let mut raw = Vec::new();
    match found.coding {
        Coding::Zstd => raw = zstd::decode_all(&stored[..]).expect("zstd"),
        Coding::Gzip => {
            flate2::read::GzDecoder::new(&stored[..])
                .read_to_end(&mut raw)
                .expect("gzip");
        }
    }
    Ok(raw)
}

/// Takes every file of the list, as a new phone does. Answers with the records that were in them.
async fn take_files(
    district: &TestDistrict,
    phone: &mut Phone,
    list: &SnapshotList,
) -> Vec<RecordId> {
    let mut records = Vec::new();
    for snapshot in &list.snapshots {
        for segment in &snapshot.segments {
            let raw = fetch(district, phone, &snapshot.name, segment.segment, ZSTD)
                .await
                .expect("a segment");
            assert_eq!(
                (raw.len() as u64, Hash::of(&[&raw]).to_string()),
                (segment.size_bytes, segment.sha256.clone())
            );
            let images: Vec<ImageItem> = read_items(&raw)
                .map(|item| match item {
                    Ok(Some(Item::Image(image))) => image,
                    other => panic!("not an image: {other:?}"),
                })
                .collect();
            assert_eq!(images.len() as u32, segment.records);
            records.extend(images.iter().map(|image| image.record));
            let images = images
                .iter()
                .map(|image| (image.record, image.pos, &image.image[..]));
            phone.replica.apply_images(images).expect("taken");
        }
    }
    let cursor = Cursor {
        epoch: Epoch(list.epoch),
        scope_version: ScopeVersion(list.scope_version),
        pos: Pos(list.cursor_pos),
        backfill: 0,
    };
    phone.replica.finish_snapshot(cursor).expect("a cursor");
    records
}

/// A new phone that begins with files holds what one that begins with pages holds.
async fn check_first_sync(
    district: &TestDistrict,
    roles: &[(&str, sync_core::ids::UnitId)],
) -> Vec<RecordId> {
    let mut paged = district.phone(roles).await;
    district.sync(&mut paged).await;
    let mut fresh = district.phone(roles).await;
    let files = list(district, &fresh).await;
    assert!(!files.snapshots.is_empty());
    let records = take_files(district, &mut fresh, &files).await;
    district.sync(&mut fresh).await;
    assert_eq!(
        fresh.replica.digest().expect("a digest"),
        paged.replica.digest().expect("a digest")
    );
    assert_eq!(
        fresh.replica.state_digest().expect("a digest"),
        paged.replica.state_digest().expect("a digest")
    );
    records
}

async fn build(district: &TestDistrict) -> super::PassReport {
    district
        .gridwork()
        .build_snapshots_now(district.district())
        .await
        .expect("built")
}

#[tokio::test]
async fn files_and_then_the_log_come_to_the_same_as_pages() {
    let district = TestDistrict::new().await;
    let mut head = district.phone(&[("grid_head", DISTRICT)]).await;
    assert_eq!(
        list(&district, &head).await.snapshots.len(),
        0,
        "before there are files, pages are the way"
    );
    district.sync(&mut head).await;
    let here = district.report(&mut head, GRID, "SAN-01", "这里");
    let there = district.report(&mut head, NEXT_GRID, "SAN-01", "那里");
    let visit = district.new_record();
    district.make(
        &mut head,
        visit,
        GRID,
        "visit.log",
        &json!({ "outcome": "done" }),
    );
    district.sync(&mut head).await;
    let built = build(&district).await;
    // The pass in the background may have been first.
    assert_eq!(built.written + built.kept, 3);

    let mut records = check_first_sync(&district, &[("worker", TOWN)]).await;
    records.sort_unstable();
    assert_eq!(records, [here, there, visit]);

    // What happens after the files were made comes with the log: changes, moves, a unit that had no file, a desk.
    district.make(
        &mut head,
        here,
        GRID,
        "report.amend",
        &json!({ "title": "改" }),
    );
    district.make(
        &mut head,
        there,
        NEXT_GRID,
        "report.move",
        &json!({ "unit": GRID.0 }),
    );
    district.report(&mut head, OTHER_TOWN, "FIR-01", "新的");
    district.sync(&mut head).await;
    for roles in [
        &[("worker", TOWN)][..],
        &[("worker", GRID)],
        &[("grid_head", DISTRICT)],
        &[("auditor", DISTRICT)],
    ] {
        assert!(!check_first_sync(&district, roles).await.is_empty());
    }
    // The record that moved away is in the other grid's file, and leaves with the log.
    check_first_sync(&district, &[("worker", NEXT_GRID)]).await;
}

#[tokio::test]
async fn only_what_changed_is_written_again_and_old_files_stay_for_an_hour() {
    let mut district = TestDistrict::new().await;
    let mut head = district.phone(&[("grid_head", TOWN)]).await;
    district.sync(&mut head).await;
    let here = district.report(&mut head, GRID, "SAN-01", "这里");
    district.report(&mut head, NEXT_GRID, "SAN-01", "那里");
    district.sync(&mut head).await;
    build(&district).await;
    let before = list(&district, &head).await;
    let again = build(&district).await;
    assert_eq!((again.written, again.kept), (0, 2));
    district.make(
        &mut head,
        here,
        GRID,
        "report.amend",
        &json!({ "title": "改" }),
    );
    district.sync(&mut head).await;
    let third = build(&district).await;
    assert_eq!((third.written, third.kept), (1, 1));

    district.close();
    district.open();
    let after = list(&district, &head).await;
    assert!(
        after.cursor_pos > before.cursor_pos,
        "the catalogue outlives the process"
    );
    let names = |list: &SnapshotList| {
        list.snapshots
            .iter()
            .map(|file| file.name.clone())
            .collect::<Vec<_>>()
    };
    let old: Vec<_> = names(&before)
        .into_iter()
        .filter(|name| !names(&after).contains(name))
        .collect();
    assert_eq!(old.len(), 1);
    let sweep = || {
        district
            .gridwork()
            .background(district.district())
            .expect("running")
            .snapshots
            .files
            .sweep()
            .expect("swept")
    };
    district.clock.advance_ms(3_600_000);
    sweep();
    assert!(
        fetch(&district, &head, &old[0], 0, ZSTD).await.is_ok(),
        "a slow first sync goes on"
    );
    district.clock.advance_ms(1);
    sweep();
    assert!(matches!(
        fetch(&district, &head, &old[0], 0, ZSTD).await,
        Err(ServiceError::NotFound)
    ));
    assert!(
        !district
            .folder
            .path()
            .join("snapshots/440399")
            .join(&old[0])
            .exists()
    );
    assert_eq!(names(&list(&district, &head).await), names(&after));
    check_first_sync(&district, &[("worker", TOWN)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_moves_while_the_files_are_made_is_not_lost() {
    let district = TestDistrict::new().await;
    let mut head = district.phone(&[("grid_head", TOWN)]).await;
    district.sync(&mut head).await;
    let first = district.report(&mut head, GRID, "SAN-01", "一");
    let second = district.report(&mut head, GRID, "SAN-01", "二");
    district.report(&mut head, NEXT_GRID, "SAN-01", "三");
    district.sync(&mut head).await;
    build(&district).await;
    district.make(
        &mut head,
        first,
        GRID,
        "report.amend",
        &json!({ "title": "改" }),
    );
    district.sync(&mut head).await;
    // The first grid's file must be written anew, the other's is still right; between the two steps that read them,
    // the second report goes from the one to the other.
    let background = district
        .gridwork()
        .background(district.district())
        .expect("running");
    let files = &background.snapshots.files;
    let before = files.current();
    let steps = Mutex::new((0, head));
    let runtime = tokio::runtime::Handle::current();
    let catalogue = tokio::task::block_in_place(|| {
        let go_on = |_| {
            let mut steps = steps.lock().expect("one thread");
            steps.0 += 1;
            if steps.0 == 1 {
                district.make(
                    &mut steps.1,
                    second,
                    GRID,
                    "report.move",
                    &json!({ "unit": NEXT_GRID.0 }),
                );
                runtime.block_on(district.sync(&mut steps.1));
            }
            true
        };
        let pass = Pass {
            district: district.district(),
            folder: &files.folder,
            before: before.as_deref(),
            step: 1,
            go_on: &go_on,
        };
        pass.run().expect("a pass").expect("not stopped").0
    });
    let of_next = catalogue
        .files
        .iter()
        .filter(|file| file.unit == NEXT_GRID)
        .count();
    assert_eq!(
        of_next, 2,
        "the file that was right, and one for the record that came"
    );
    files.put_in_force(catalogue).expect("in force");
    for roles in [
        [("worker", TOWN)],
        [("worker", GRID)],
        [("worker", NEXT_GRID)],
    ] {
        check_first_sync(&district, &roles).await;
    }
    let again = build(&district).await;
    assert_eq!(
        (again.written, again.kept),
        (1, 1),
        "one file in place of two"
    );
    check_first_sync(&district, &[("worker", TOWN)]).await;
}

#[tokio::test]
async fn a_segment_is_for_those_who_may_read_its_unit_now() {
    let district = TestDistrict::new().await;
    let mut head = district.phone(&[("grid_head", TOWN)]).await;
    district.sync(&mut head).await;
    district.report(&mut head, GRID, "SAN-01", "这里");
    district.sync(&mut head).await;
    build(&district).await;
    let files = list(&district, &head).await;
    let name = files.snapshots[0].name.clone();
    let zstd = fetch(&district, &head, &name, 0, ZSTD).await.expect("zstd");
    for _ in 0..2 {
        assert_eq!(
            fetch(&district, &head, &name, 0, GZIP).await.expect("gzip"),
            zstd
        );
    }
    for (who, role, unit) in [
        ("another grid", "worker", NEXT_GRID),
        ("a volunteer", "patrol_member", DISTRICT),
        ("a department", "department_handler", DEPARTMENT),
        ("an administrator", "system_admin", DISTRICT),
    ] {
        let phone = district.phone(&[(role, unit)]).await;
        assert_eq!(list(&district, &phone).await.snapshots.len(), 0, "{who}");
        let refused = fetch(&district, &phone, &name, 0, ZSTD).await;
        assert!(matches!(refused, Err(ServiceError::NotFound)), "{who}");
    }
    // Whoever reads by desk as well gets pages: no file is cut by desk.
    let both = district
        .phone(&[("worker", GRID), ("department_handler", DEPARTMENT)])
        .await;
    let none = list(&district, &both).await;
    assert_eq!((none.snapshots.len(), none.cursor_pos), (0, 0));
    let other = name.replace("-u3-", "-u1-");
    for (name, segment) in [
        (name.as_str(), 1),
        ("../catalogue.json", 0),
        ("catalogue.json", 0),
        ("building", 0),
        ("", 0),
        (&other, 0),
    ] {
        let refused = fetch(&district, &head, name, segment, ZSTD).await;
        assert!(
            matches!(refused, Err(ServiceError::NotFound)),
            "{name}/{segment}"
        );
    }
}
