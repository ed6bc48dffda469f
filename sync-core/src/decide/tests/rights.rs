//! Whose grants count: of the role's intents, on the unit or above it, at some time in the interval, 35 days back.

use super::scene::{AUTHOR, DISTRICT, GRID, NOW_MS, OTHER_TOWN, TOWN, district, grant};
use crate::decide::rights::find_right;
use crate::directory::{DirectoryChange, Grant};
use crate::documents::Documents;
use crate::ids::{Pos, UnitId};
use crate::limits;
use crate::time::Interval;

/// Roles that carry the intent, and whether all had ended; `None` without any.
fn found(
    grants: &[Grant],
    intent: &str,
    units: &[UnitId],
    earliest_ms: i64,
) -> Option<(Vec<String>, bool)> {
    let mut directory = district();
    for grant in grants {
        directory.apply(Pos(0), DirectoryChange::Grant(grant.clone()));
    }
    let interval = Interval {
        earliest_ms,
        received_ms: NOW_MS,
    };
    let right = find_right(
        &directory,
        &Documents::defaults(),
        AUTHOR,
        intent,
        units,
        interval,
    )?;
    let roles = right.grants.iter().map(|grant| grant.role.clone());
    Some((roles.collect(), right.ended))
}

#[test]
fn a_grant_counts_on_its_unit_and_below_and_for_the_intents_of_its_role() {
    let grants = [
        grant("worker", TOWN),
        grant("patrol_member", DISTRICT),
        grant("duty_desk", OTHER_TOWN),
    ];
    let roles =
        |intent, units: &[UnitId]| found(&grants, intent, units, NOW_MS).map(|right| right.0);
    let worker = Some(vec!["worker".to_owned()]);
    let desk = Some(vec!["duty_desk".to_owned()]);
    assert_eq!(roles("report.create", &[TOWN]), worker);
    assert_eq!(roles("report.create", &[GRID]), worker);
    assert_eq!(roles("report.create", &[DISTRICT]), None);
    assert_eq!(roles("report.create", &[OTHER_TOWN]), desk);
    assert_eq!(
        roles("report.create", &[DISTRICT, OTHER_TOWN]),
        desk,
        "the unit or the desk"
    );
    assert_eq!(roles("report.move", &[TOWN]), None);
    assert_eq!(
        roles("patrol.join", &[GRID]),
        Some(vec!["worker".to_owned(), "patrol_member".to_owned()])
    );
    assert_eq!(roles("report.create", &[UnitId(404)]), None);
    assert_eq!(found(&[], "report.create", &[TOWN], NOW_MS), None);
    assert_eq!(
        found(
            &[grant("no_such_role", DISTRICT)],
            "report.create",
            &[TOWN],
            NOW_MS
        ),
        None
    );
}

#[test]
fn a_right_reaches_as_far_back_as_the_change_may_have_been_made_and_35_days_at_most() {
    let until = |until_ms| Grant {
        until_ms: Some(until_ms),
        ..grant("worker", TOWN)
    };
    let ended = |until_ms, earliest_ms| {
        found(&[until(until_ms)], "report.create", &[TOWN], earliest_ms).map(|right| right.1)
    };
    let reach_ms = NOW_MS - limits::RIGHT_REACH_MS;
    assert_eq!(ended(NOW_MS + 1, NOW_MS), Some(false));
    assert_eq!(
        ended(NOW_MS, NOW_MS),
        None,
        "ended when it arrived, and made no earlier"
    );
    assert_eq!(ended(NOW_MS, NOW_MS - 1), Some(true));
    assert_eq!(ended(NOW_MS - 5, NOW_MS - 5), None);
    assert_eq!(ended(reach_ms + 1, i64::MIN), Some(true));
    assert_eq!(ended(reach_ms, i64::MIN), None, "further back than 35 days");
    let begins = |from_ms| Grant {
        from_ms,
        ..grant("worker", TOWN)
    };
    assert_eq!(
        found(&[begins(NOW_MS)], "report.create", &[TOWN], 0).map(|right| right.1),
        Some(false)
    );
    assert_eq!(
        found(&[begins(NOW_MS + 1)], "report.create", &[TOWN], 0),
        None
    );
    // An interval that begins after it ends is the moment of arrival.
    assert_eq!(ended(NOW_MS + 1, NOW_MS + 99), Some(false));
    // One that lasts is enough.
    let both = [until(NOW_MS - 5), grant("duty_desk", DISTRICT)];
    assert_eq!(
        found(&both, "report.create", &[TOWN], 0),
        Some((vec!["worker".into(), "duty_desk".into()], false))
    );
}
