//! Real processes over loopback: kills between commit and reply, second servers, newer files, operators' mistakes.

mod attachments;
mod backup;
mod backup_damage;
mod device;
mod office;
mod phone;
mod server;

use phone::Phone;
use server::{DataDirectory, run};
use sync_core::kinds::Kind;
use sync_core::replica::Filter;
use sync_core::words::Standing;

#[test]
fn a_server_killed_between_commit_and_reply_gives_the_same_verdicts_again_and_nothing_twice() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let mut phone = Phone::enrol(&serving.url, &data.code(), data.path());
    assert!(phone.sync(&serving.url).is_ok());
    serving.stop();

    phone.report("第一条");
    phone.report("第二条");
    phone.poison();
    phone.report("第四条");
    let dying = data.serve(Some("after_commit"));
    assert!(phone.sync(&dying.url).is_err(), "the reply must not arrive");
    assert!(!dying.wait().success());
    let waiting: Vec<_> = phone
        .replica
        .outbox()
        .expect("outbox")
        .iter()
        .map(|item| item.standing)
        .collect();
    assert_eq!(
        waiting,
        [Standing::Unsent; 4],
        "nothing counts as received without a receipt"
    );

    let serving = data.serve(None);
    let duplicates = phone.sync(&serving.url).expect("a whole sync");
    assert_eq!(duplicates, 4, "the log had all four from before the kill");
    let standings: Vec<_> = (1..=4)
        .map(|seq| {
            phone
                .replica
                .own_change(sync_core::ids::Seq(seq))
                .expect("own")
                .map(|item| item.standing)
        })
        .collect();
    assert_eq!(standings[2], Some(Standing::Quarantined));
    // The person still sees the poisoned one, with the word that it needs repair; it is part of no record.
    let counts = phone.replica.counts().expect("counts");
    assert_eq!((counts.records, counts.needs_repair), (3, 1));
    assert_eq!(phone.sync(&serving.url), Ok(0));
    serving.stop();
    let left = data.path().join("districts/440399.db-wal");
    assert!(
        !left.exists(),
        "a server that is asked to stop closes its files"
    );

    let verified = run(&["verify", "--data", &data.text(), "--json"]);
    assert!(verified.success, "{}", verified.stdout);
    let entries: serde_json::Value =
        serde_json::from_str(&verified.stdout).expect("one JSON object");
    assert_eq!(entries["districts"][0]["changes"], 4, "{entries}");
}

#[test]
fn a_second_server_on_the_same_directory_refuses_to_start_and_says_why() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let second = run(&["serve", "--data", &data.text(), "--listen", "127.0.0.1:0"]);
    assert!(!second.success);
    assert!(
        second.stderr.contains("another gridwork serves"),
        "{}",
        second.stderr
    );
    // Administration goes through the server that holds the directory.
    let people = run(&["admin", "--data", &data.text(), "people", "--json"]);
    assert!(
        people.success && people.stdout.contains("\"person\":1"),
        "{} {}",
        people.stdout,
        people.stderr
    );
    serving.stop();
}

#[test]
fn a_directory_of_a_newer_version_is_refused_and_left_alone() {
    let data = DataDirectory::with_worker();
    let file = data.path().join("districts/440399.db");
    let connection = rusqlite::Connection::open(&file).expect("open");
    connection
        .pragma_update(None, "user_version", 99)
        .expect("pragma");
    drop(connection);
    let refused = run(&["serve", "--data", &data.text(), "--listen", "127.0.0.1:0"]);
    assert!(!refused.success);
    assert!(
        refused.stderr.contains("newer version"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_older_file_in_a_district_s_place_is_found_out_and_begins_a_new_epoch_when_asked() {
    let data = DataDirectory::with_worker();
    let copy = data.path().join("copy.db");
    let serving = data.serve(None);
    let mut phone = Phone::enrol(&serving.url, &data.code(), data.path());
    phone.report("之前");
    phone.sync(&serving.url).expect("sync");
    let copied = run(&[
        "admin",
        "--data",
        &data.text(),
        "copy",
        &copy.display().to_string(),
    ]);
    assert!(copied.success, "{}", copied.stderr);
    phone.report("之后");
    phone.sync(&serving.url).expect("sync");
    serving.stop();

    let file = data.path().join("districts/440399.db");
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
    std::fs::rename(&copy, &file).expect("put back");
    let refused = run(&["serve", "--data", &data.text(), "--listen", "127.0.0.1:0"]);
    assert!(
        !refused.success && refused.stderr.contains("--restored"),
        "{}",
        refused.stderr
    );

    let serving = data.serve_with(&["--restored"]);
    phone
        .sync(&serving.url)
        .expect("the phone offers what the copy misses");
    let mut other = Phone::enrol(&serving.url, &data.code(), data.path());
    other.sync(&serving.url).expect("sync");
    assert_eq!(
        other
            .replica
            .list(&Filter::of(Kind::Report))
            .expect("list")
            .len(),
        2
    );
    assert_eq!(
        other.replica.state_digest().expect("digest"),
        phone.replica.state_digest().expect("digest")
    );
    serving.stop();
    let verified = run(&["verify", "--data", &data.text(), "--json"]);
    assert!(verified.success, "{}", verified.stdout);
}

#[test]
fn batches_and_pages_at_every_border_arrive_once() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let limit = sync_core::limits::BATCH_CHANGES_MAX as u64;
    let mut made = 0;
    let mut phone = Phone::enrol(&serving.url, &data.code(), data.path());
    for count in [0, 1, limit - 1, limit, limit + 1, 2 * limit] {
        for _ in 0..count {
            phone.report("边界");
        }
        made += count;
        phone.sync(&serving.url).expect("sync");
        let (mark, _) = phone.replica.head().expect("head");
        assert_eq!(mark.0, made);
        assert_eq!(
            phone.replica.counts().expect("counts").waiting,
            0,
            "{count}"
        );
    }
    let mut other = Phone::enrol(&serving.url, &data.code(), data.path());
    other.sync(&serving.url).expect("sync");
    assert_eq!(other.replica.counts().expect("counts").records, made);
    assert_eq!(
        other.replica.state_digest().expect("digest"),
        phone.replica.state_digest().expect("digest")
    );
    serving.stop();
}

#[test]
fn mistakes_of_an_operator_are_named() {
    let data = DataDirectory::with_worker();
    for (arguments, named) in [
        (
            &[
                "admin", "grant", "--person", "9", "--role", "king", "--unit", "1",
            ][..],
            "person",
        ),
        (
            &[
                "admin", "grant", "--person", "1", "--role", "king", "--unit", "1",
            ][..],
            "role",
        ),
        (
            &[
                "admin", "add-unit", "--parent", "77", "--code", "001", "--name", "镇", "--kind",
                "town",
            ][..],
            "parent",
        ),
        (
            &[
                "admin", "add-unit", "--parent", "1", "--code", "a", "--name", "镇", "--kind",
                "town",
            ][..],
            "code",
        ),
        (
            &["init", "--district", "440399", "--name", "又一个"][..],
            "exists",
        ),
        (&["init", "--district", "x", "--name", "名"][..], "district"),
        (
            &[
                "init",
                "--district",
                "1",
                "--name",
                "名",
                "--time-zone",
                "Mars/Base",
            ][..],
            "time_zone",
        ),
    ] {
        let mut whole = arguments.to_vec();
        let text = data.text();
        whole.extend(["--data", &text]);
        let refused = run(&whole);
        assert!(
            !refused.success && refused.stderr.contains(named),
            "{whole:?}: {}",
            refused.stderr
        );
    }
}
