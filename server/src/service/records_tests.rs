//! Lists, search and one record: filters, pages, scope, and a projection that was lost.

use super::projection::index_path;
use super::testing::{
    DEPARTMENT, DISTRICT, GRID, NEXT_GRID, NOW_MS, OTHER_TOWN, Phone, TOWN, TestDistrict,
};
use super::{Backend, ServiceError};
use crate::language::Language;
use api_schema::record::{RecordPage, RecordQuery, RecordSummary};
use serde_json::json;
use sync_core::ids::{RecordId, UnitId};

fn ids(page: &RecordPage) -> Vec<RecordId> {
    page.records
        .iter()
        .map(|record| RecordId(record.record))
        .collect()
}

async fn list(district: &TestDistrict, phone: &Phone, query: RecordQuery) -> RecordPage {
    let head = district.district().state().head.0;
    let page = district
        .gridwork()
        .list_records(phone.caller, query)
        .await
        .expect("a page");
    assert_eq!(
        page.pos, head.0,
        "the list waits for what was there when it was asked"
    );
    page
}

async fn find(district: &TestDistrict, phone: &Phone, text: &str) -> Vec<RecordId> {
    ids(&list(
        district,
        phone,
        RecordQuery {
            text: Some(text.into()),
            ..RecordQuery::default()
        },
    )
    .await)
}

#[tokio::test]
async fn each_filter_narrows_the_list_and_the_newest_comes_first() {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("grid_head", TOWN)]).await;
    let lead = district.phone(&[("district_lead", DISTRICT)]).await;
    district.sync(&mut worker).await;
    let rubbish = district.report(&mut worker, GRID, "SAN-01", "三号楼前堆放垃圾");
    let noise = district.report(&mut worker, NEXT_GRID, "FIR-01", "LD-12 路灯不亮");
    let visit = district.new_record();
    district.make(
        &mut worker,
        visit,
        GRID,
        "visit.log",
        &json!({ "outcome": "done", "note": "一切正常" }),
    );
    district.sync(&mut worker).await;

    let query = RecordQuery::default;
    let all = list(&district, &lead, query()).await;
    assert_eq!(ids(&all), [visit, noise, rubbish]);
    assert_eq!(all.next, None);
    let first = &all.records[2];
    assert_eq!(
        (
            first.kind.as_str(),
            first.unit,
            first.state.as_deref(),
            first.category.as_deref(),
            first.title.as_deref()
        ),
        (
            "report",
            GRID.0,
            Some("SUBMITTED"),
            Some("SAN-01"),
            Some("三号楼前堆放垃圾")
        )
    );
    assert_eq!((first.time_ms, first.conflicts), (NOW_MS + 1_000, 0));
    for (name, asked, found) in [
        (
            "kind",
            RecordQuery {
                kind: Some("visit".into()),
                ..query()
            },
            vec![visit],
        ),
        (
            "unit",
            RecordQuery {
                unit: Some(GRID.0),
                ..query()
            },
            vec![visit, rubbish],
        ),
        (
            "subtree",
            RecordQuery {
                unit: Some(TOWN.0),
                ..query()
            },
            vec![visit, noise, rubbish],
        ),
        (
            "another unit",
            RecordQuery {
                unit: Some(OTHER_TOWN.0),
                ..query()
            },
            vec![],
        ),
        (
            "no unit",
            RecordQuery {
                unit: Some(999),
                ..query()
            },
            vec![],
        ),
        (
            "state",
            RecordQuery {
                state: Some("SUBMITTED".into()),
                ..query()
            },
            vec![noise, rubbish],
        ),
        (
            "no state",
            RecordQuery {
                state: Some("CLOSED".into()),
                ..query()
            },
            vec![],
        ),
        (
            "category",
            RecordQuery {
                category: Some("FIR-01".into()),
                ..query()
            },
            vec![noise],
        ),
        (
            "from",
            RecordQuery {
                from_ms: Some(NOW_MS + 2_000),
                ..query()
            },
            vec![visit, noise],
        ),
        (
            "to",
            RecordQuery {
                to_ms: Some(NOW_MS + 2_000),
                ..query()
            },
            vec![rubbish],
        ),
        (
            "never",
            RecordQuery {
                from_ms: Some(i64::MAX),
                to_ms: Some(i64::MIN),
                ..query()
            },
            vec![],
        ),
        (
            "text and category",
            RecordQuery {
                text: Some("灯".into()),
                category: Some("FIR-01".into()),
                ..query()
            },
            vec![noise],
        ),
        (
            "text and kind",
            RecordQuery {
                text: Some("灯".into()),
                kind: Some("visit".into()),
                ..query()
            },
            vec![],
        ),
        (
            "text and unit",
            RecordQuery {
                text: Some("灯".into()),
                unit: Some(GRID.0),
                ..query()
            },
            vec![],
        ),
    ] {
        assert_eq!(ids(&list(&district, &lead, asked).await), found, "{name}");
    }
    for asked in [
        RecordQuery {
            kind: Some("reprot".into()),
            ..query()
        },
        RecordQuery {
            after: Some("1.zz".into()),
            ..query()
        },
    ] {
        let refused = district.gridwork().list_records(lead.caller, asked).await;
        assert!(
            matches!(refused, Err(ServiceError::FieldInvalid { .. })),
            "{refused:?}"
        );
    }
}

/// Which index answers depends on the caller's width and the filters; what is found must not.
#[tokio::test]
async fn filters_together_find_what_all_of_them_find_for_narrow_and_wide_callers() {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("grid_head", TOWN)]).await;
    let mut desk = district.phone(&[("duty_desk", DISTRICT)]).await;
    let handler = district.phone(&[("department_handler", DEPARTMENT)]).await;
    district.sync(&mut worker).await;
    for (unit, category) in [(GRID, "SAN-01"), (NEXT_GRID, "FIR-01"), (GRID, "FIR-01")] {
        for number in 0..3 {
            let report = district.report(&mut worker, unit, category, "桶满了");
            district.sync(&mut worker).await;
            district.sync(&mut desk).await;
            for to in ["REGISTERED", "DISPATCHED"].iter().take(number) {
                let step = match *to {
                    "DISPATCHED" => json!({
                        "to": to, "desk": DEPARTMENT.0, "level": "II", "due_ms": NOW_MS + 86_400_000
                    }),
                    _ => json!({ "to": to, "level": "II" }),
                };
                district.make(&mut desk, report, unit, "report.transition", &step);
                district.sync(&mut desk).await;
            }
        }
    }
    // Two who write the same field without having seen each other.
    let disputed = district.report(&mut worker, GRID, "SAN-01", "桶满了");
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;
    for (phone, floor) in [(&mut worker, "3"), (&mut desk, "4")] {
        district.make(
            phone,
            disputed,
            GRID,
            "report.amend",
            &json!({ "floor": floor }),
        );
    }
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;

    for (caller, count) in [(&worker, 10), (&desk, 10), (&handler, 3)] {
        let all = list(&district, caller, RecordQuery::default())
            .await
            .records;
        assert_eq!(all.len(), count);
        assert_eq!(all.iter().any(|record| record.conflicts > 0), count == 10);
        for query in combinations() {
            let found = list(&district, caller, query.clone()).await.records;
            let wanted = all.iter().filter(|record| is_asked_for(record, &query));
            let wanted: Vec<_> = wanted.map(|record| record.record).collect();
            let found: Vec<_> = found.iter().map(|record| record.record).collect();
            assert_eq!(found, wanted, "{query:?}");
        }
    }
}

fn combinations() -> Vec<RecordQuery> {
    let mut all = vec![RecordQuery::default()];
    let mut each = |set: &dyn Fn(&mut RecordQuery, usize), count: usize| {
        let with = |query: &RecordQuery, choice| {
            let mut query = query.clone();
            set(&mut query, choice);
            query
        };
        all = all
            .iter()
            .flat_map(|query| (0..count).map(move |choice| (query, choice)))
            .map(|(query, choice)| with(query, choice))
            .collect();
    };
    let units = [None, Some(DISTRICT.0), Some(GRID.0), Some(NEXT_GRID.0)];
    let categories = [None, Some("SAN-01"), Some("FIR-01")];
    let states = [None, Some("SUBMITTED"), Some("DISPATCHED"), Some("CLOSED")];
    let desks = [None, Some(DEPARTMENT.0), Some(TOWN.0)];
    let conflicts = [None, Some(true), Some(false)];
    each(&|query, choice| query.unit = units[choice], 4);
    each(
        &|query, choice| query.category = categories[choice].map(Into::into),
        3,
    );
    each(
        &|query, choice| query.state = states[choice].map(Into::into),
        4,
    );
    each(&|query, choice| query.desk = desks[choice], 3);
    each(&|query, choice| query.conflict = conflicts[choice], 3);
    all
}

fn is_asked_for(record: &RecordSummary, query: &RecordQuery) -> bool {
    query
        .unit
        .is_none_or(|unit| unit == DISTRICT.0 || record.unit == unit)
        && query.desk.is_none_or(|desk| record.desk == Some(desk))
        && query
            .conflict
            .is_none_or(|wanted| wanted == (record.conflicts > 0))
        && query
            .category
            .as_deref()
            .is_none_or(|it| record.category.as_deref() == Some(it))
        && query
            .state
            .as_deref()
            .is_none_or(|it| record.state.as_deref() == Some(it))
}

#[tokio::test]
async fn chinese_is_found_by_any_run_of_characters_and_codes_are_not_words() {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    district.sync(&mut worker).await;
    let rubbish = district.report(&mut worker, GRID, "SAN-01", "三号楼前堆放垃圾，Smell 很重");
    let lamp = district.report(&mut worker, GRID, "FIR-01", "路灯 LD-12 不亮");
    district.make(
        &mut worker,
        lamp,
        GRID,
        "report.comment",
        &json!({ "text": "楼前也不亮" }),
    );
    district.sync(&mut worker).await;
    for (text, found) in [
        ("垃", vec![rubbish]),
        ("垃圾", vec![rubbish]),
        ("堆放垃圾", vec![rubbish]),
        ("楼前", vec![lamp, rubbish]),
        ("圾垃", vec![]),
        ("垃圾 三号", vec![rubbish]),
        ("垃圾 路灯", vec![]),
        ("smell", vec![rubbish]),
        ("ld-12", vec![lamp]),
        ("SAN", vec![]),
        ("亮楼", vec![]),
        ("\" OR \"", vec![]),
        ("，。", vec![]),
    ] {
        assert_eq!(find(&district, &worker, text).await, found, "{text}");
    }
    // What is not shown any more is not found any more.
    district.make(
        &mut worker,
        rubbish,
        GRID,
        "report.amend",
        &json!({ "description": "已清理" }),
    );
    district.sync(&mut worker).await;
    assert_eq!(find(&district, &worker, "垃圾").await, []);
    assert_eq!(find(&district, &worker, "清理").await, [rubbish]);
}

#[tokio::test]
async fn pages_of_every_size_give_every_record_once_and_in_order() {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    district.sync(&mut worker).await;
    let mut made = Vec::new();
    assert_eq!(
        ids(&list(&district, &worker, RecordQuery::default()).await),
        made
    );
    for number in 0..6 {
        // Two of each millisecond, so that time alone does not order them.
        if number % 2 == 1 {
            let record = district.new_record();
            let open = json!({ "category": "SAN-01", "description": "同一时刻" });
            let draft =
                sync_core::replica::Draft::new(record, GRID, "report.create", open.to_string());
            worker
                .replica
                .make_change(draft, district.now())
                .expect("a change");
            made.insert(0, record);
        } else {
            made.insert(0, district.report(&mut worker, GRID, "SAN-01", "垃圾"));
        }
    }
    district.sync(&mut worker).await;
    for limit in 1..=8 {
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let query = RecordQuery {
                limit: Some(limit),
                after,
                ..RecordQuery::default()
            };
            let page = list(&district, &worker, query).await;
            pages += 1;
            assert!(page.records.len() <= limit as usize && pages <= 6);
            found.extend(ids(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, made, "pages of {limit}");
        assert_eq!(
            pages,
            6_u32.div_ceil(limit),
            "no empty page at the end of pages of {limit}"
        );
    }
}

#[tokio::test]
async fn what_is_out_of_scope_is_in_no_list_no_search_and_no_detail() {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("grid_head", TOWN)]).await;
    let mut here = district.phone(&[("worker", GRID)]).await;
    let there = district.phone(&[("worker", NEXT_GRID)]).await;
    let volunteer = district.phone(&[("patrol_member", DISTRICT)]).await;
    let handler = district.phone(&[("department_handler", DEPARTMENT)]).await;
    district.sync(&mut worker).await;
    let record = district.report(&mut worker, GRID, "SAN-01", "垃圾");
    district.sync(&mut worker).await;
    district.sync(&mut here).await;
    for (who, phone, sees) in [
        ("here", &here, true),
        ("there", &there, false),
        ("volunteer", &volunteer, false),
        ("handler", &handler, false),
    ] {
        let expected = if sees { vec![record] } else { vec![] };
        assert_eq!(
            ids(&list(&district, phone, RecordQuery::default()).await),
            expected,
            "{who}"
        );
        assert_eq!(find(&district, phone, "垃圾").await, expected, "{who}");
        for query in [
            RecordQuery {
                unit: Some(GRID.0),
                ..RecordQuery::default()
            },
            RecordQuery {
                category: Some("SAN-01".into()),
                ..RecordQuery::default()
            },
            RecordQuery {
                state: Some("SUBMITTED".into()),
                ..RecordQuery::default()
            },
        ] {
            assert_eq!(ids(&list(&district, phone, query).await), expected, "{who}");
        }
        let detail = district
            .gridwork()
            .get_record(phone.caller, record.0, Language::Chinese)
            .await;
        assert_eq!(detail.is_ok(), sees, "{who}");
        assert!(
            sees || matches!(detail, Err(ServiceError::NotFound)),
            "{who}"
        );
    }
    // A right that ends is felt at once, however fresh the projection.
    end_role(&district, &here, "worker", GRID).await;
    assert_eq!(
        ids(&list(&district, &here, RecordQuery::default()).await),
        []
    );
}

async fn end_role(district: &TestDistrict, phone: &Phone, role: &str, unit: UnitId) {
    let (person, role) = (district.person(phone), role.to_owned());
    let change = move |until_ms| sync_core::directory::DirectoryChange::GrantEnded {
        person,
        role,
        unit,
        until_ms,
    };
    let ended = district
        .district()
        .writer()
        .run(move |log, now_ms| log.change_directory(change(now_ms), now_ms));
    ended.await.expect("ended");
}

#[tokio::test]
async fn a_record_tells_its_values_its_conflicts_and_how_it_came_to_them() {
    let district = TestDistrict::new().await;
    let mut one = district.phone(&[("worker", GRID)]).await;
    let mut two = district.phone(&[("worker", GRID)]).await;
    district.sync(&mut one).await;
    let record = district.report(&mut one, GRID, "SAN-01", "垃圾");
    district.sync(&mut one).await;
    district.sync(&mut two).await;
    district.make(
        &mut one,
        record,
        GRID,
        "report.amend",
        &json!({ "title": "一" }),
    );
    district.make(
        &mut two,
        record,
        GRID,
        "report.amend",
        &json!({ "title": "二" }),
    );
    district.make(
        &mut two,
        record,
        GRID,
        "report.comment",
        &json!({ "text": "看过了" }),
    );
    district.make(
        &mut two,
        record,
        GRID,
        "report.transition",
        &json!({ "to": "CLOSED", "note": "好了" }),
    );
    district.sync(&mut one).await;
    district.sync(&mut two).await;

    let detail = district
        .gridwork()
        .get_record(one.caller, record.0, Language::English)
        .await
        .expect("found");
    assert_eq!(
        (detail.summary.conflicts, detail.summary.title.as_deref()),
        (1, Some("二"))
    );
    let title = &detail.fields["title"];
    assert_eq!(
        (&title.shown.value, title.shown.person),
        (&json!("二"), two.caller.person)
    );
    assert_eq!(
        (
            title.others.len(),
            &title.others[0].value,
            title.others[0].person
        ),
        (1, &json!("一"), one.caller.person)
    );
    assert!(detail.fields["description"].others.is_empty());
    assert_eq!(
        detail.sets["comments"][0].value,
        json!({ "text": "看过了" })
    );
    let timeline: Vec<_> = detail
        .timeline
        .iter()
        .map(|entry| {
            (
                entry.intent.as_str(),
                entry.verdict.as_str(),
                entry.standing.as_str(),
                entry.replica,
            )
        })
        .collect();
    let (first, second) = (one.caller.replica, two.caller.replica);
    assert_eq!(
        timeline,
        [
            ("report.create", "accepted", "in_force", first),
            ("report.amend", "accepted", "in_force", first),
            ("report.amend", "conflict", "conflict", second),
            ("report.comment", "accepted", "in_force", second),
            ("report.transition", "not_applied", "not_applied", second),
        ]
    );
    let problem = &detail.timeline[4].problems[0];
    assert_eq!(problem.code, "transition_not_allowed");
    assert!(
        problem.message.contains("SUBMITTED") && problem.message.contains("CLOSED"),
        "{}",
        problem.message
    );
    let list = list(&district, &one, RecordQuery::default()).await;
    assert_eq!(list.records[0].conflicts, 1);
}

#[tokio::test]
async fn a_lost_damaged_or_foreign_projection_is_made_again() {
    let mut district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    district.sync(&mut worker).await;
    let record = district.report(&mut worker, GRID, "SAN-01", "垃圾");
    district.sync(&mut worker).await;
    assert_eq!(find(&district, &worker, "垃圾").await, [record]);
    let path = index_path(district.district().path());
    district.close();
    let foreign = |sql: &str| {
        rusqlite::Connection::open(&path)
            .expect("open")
            .execute_batch(sql)
            .expect("sql");
    };
    for (what, spoil) in [
        (
            "lost",
            &(|| std::fs::remove_file(&path).expect("removed")) as &dyn Fn(),
        ),
        ("damaged", &|| {
            std::fs::write(&path, b"not a database at all, but some text").expect("written")
        }),
        ("another version", &|| {
            foreign("PRAGMA user_version = 77; DELETE FROM record")
        }),
        ("another epoch", &|| {
            foreign("UPDATE place SET epoch = 9; DELETE FROM record")
        }),
        ("ahead of the log", &|| {
            foreign("UPDATE place SET pos = 1000000; DELETE FROM record")
        }),
        ("behind", &|| {
            foreign("UPDATE place SET pos = 1; DELETE FROM record; DELETE FROM words")
        }),
        ("half made", &|| {
            foreign("UPDATE place SET next_no = 1; DELETE FROM record; DELETE FROM words")
        }),
    ] {
        spoil();
        district.open();
        assert_eq!(find(&district, &worker, "垃圾").await, [record], "{what}");
        district.close();
    }
}

#[tokio::test]
async fn the_directory_holds_the_units_in_scope_and_those_above() {
    let district = TestDistrict::new().await;
    let worker = district.phone(&[("worker", GRID)]).await;
    let found = district
        .gridwork()
        .directory(worker.caller)
        .await
        .expect("a directory");
    let units: Vec<_> = found.units.iter().map(|unit| unit.unit).collect();
    assert_eq!(units, [DISTRICT.0, TOWN.0, GRID.0]);
    assert_eq!(
        (found.units[0].parent, found.units[2].parent),
        (None, Some(TOWN.0))
    );
    assert_eq!(
        (found.categories.len(), found.documents.len()),
        (25, sync_core::documents::DEFAULTS.len())
    );
    assert_eq!(found.time_zone, "Asia/Shanghai");
    let again = district
        .gridwork()
        .directory(worker.caller)
        .await
        .expect("a directory");
    assert_eq!(
        (again.scope_version, again.pos),
        (found.scope_version, found.pos),
        "nothing changed"
    );
    end_role(&district, &worker, "worker", GRID).await;
    let after = district
        .gridwork()
        .directory(worker.caller)
        .await
        .expect("a directory");
    assert!(after.units.is_empty() && after.scope_version > found.scope_version);
}
