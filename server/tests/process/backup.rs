//! Backups of a server that works meanwhile, and the way back: nothing acknowledged before is missing, what came after
//! comes back from the phones, and a backup that is not whole is refused.

use crate::phone::Phone;
use crate::server::{DataDirectory, Ran, Serving, run, run_with};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use sync_core::words::Standing;

pub const PASSPHRASE: (&str, &str) = ("GRIDWORK_BACKUP_PASSPHRASE", "十二个字以上的长口令才可以用");

pub fn back_up(data: &Path, to: &Path) -> Ran {
    let arguments = ["backup", "--data", text(data), "--to", text(to), "--json"];
    run_with(&arguments, &[PASSPHRASE])
}

pub fn restore(from: &Path, data: &Path, more: &[&str]) -> Ran {
    let mut arguments = vec![
        "restore",
        "--from",
        text(from),
        "--data",
        text(data),
        "--json",
    ];
    arguments.extend(more);
    run_with(&arguments, &[PASSPHRASE])
}

pub fn check(from: &Path) -> Ran {
    run_with(
        &["restore", "--from", text(from), "--check", "--json"],
        &[PASSPHRASE],
    )
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn object(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", ran.stdout, ran.stderr))
}

/// The code of the error that a command printed.
pub fn error_of(ran: &Ran) -> String {
    assert!(!ran.success, "{}", ran.stdout);
    object(ran)["error"]["code"]
        .as_str()
        .expect("a code")
        .to_owned()
}

fn reports(phone: &Phone) -> usize {
    usize::try_from(phone.replica.counts().expect("counts").records).expect("few")
}

fn digest(phone: &Phone) -> sync_core::change::Hash {
    phone.replica.state_digest().expect("digest")
}

fn assert_verifies(data: &Path) {
    let verified = run(&["verify", "--data", text(data), "--json"]);
    assert!(verified.success, "{}", verified.stdout);
}

/// A place beside the data directory, gone at the end of the test.
pub fn place() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_backup_under_load_ends_and_holds_all_that_was_acknowledged_before_it_began() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let serving = data.serve(None);
    let (code, folder) = (data.code(), outside.path().to_owned());
    let mut first = Phone::enrol(&serving.url, &code, &folder);
    for number in 0..300 {
        first.report(&format!("之前 {number}"));
    }
    first.sync(&serving.url).expect("sync");

    let stop = AtomicBool::new(false);
    let backup = folder.join("backup");
    let codes = [data.code(), data.code()];
    let writers = codes.map(|code| {
        let mut phone = Phone::enrol(&serving.url, &code, &folder);
        phone.sync(&serving.url).expect("sync");
        phone
    });
    let (made, busy) = std::thread::scope(|scope| {
        let writers = writers.map(|mut phone| {
            let (url, stop) = (&serving.url, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    phone.report("同时");
                    phone.sync(url).expect("a sync during the backup");
                }
                phone
            })
        });
        let made = [
            back_up(data.path(), &backup),
            back_up(data.path(), &folder.join("second")),
        ];
        stop.store(true, Ordering::Relaxed);
        let phones: Vec<_> = writers
            .into_iter()
            .map(|writer| writer.join().expect("no panic"))
            .collect();
        (made, phones)
    });
    for ran in &made {
        assert!(ran.success, "{}", ran.stdout);
        assert_eq!(object(ran)["not_noted"], Value::Null, "{}", ran.stdout);
    }
    let written: usize = busy
        .iter()
        .map(|phone| phone.replica.head().expect("head").0.0 as usize)
        .sum();
    assert!(written > 2, "the backup was not made under load");
    assert!(check(&backup).success);

    // The server heard of it: the phone learns that its changes have reached the second place.
    first.sync(&serving.url).expect("sync");
    assert_eq!(first.safe_seq, 300);
    drop(serving);

    let restored = folder.join("restored");
    let ran = restore(&backup, &restored, &[]);
    assert!(ran.success, "{}", ran.stdout);
    let changes = object(&ran)["districts"][0]["verified"]["changes"]
        .as_u64()
        .expect("a number");
    assert!(
        changes >= 300,
        "{changes} changes of 300 that were acknowledged before"
    );
    assert_verifies(&restored);

    // What the backup misses comes back from the phones.
    let serving = Serving::start(&restored, &[], None);
    let mut phones = busy;
    phones.push(first);
    converge(&mut phones, &serving.url, 300 + written);
    serving.stop();
    assert_verifies(&restored);
}

/// All phones come to the same `reports`, with nothing left to send.
fn converge(phones: &mut [Phone], url: &str, count: usize) {
    for _ in 0..3 {
        for phone in phones.iter_mut() {
            phone.sync_again(url).expect("sync");
        }
    }
    for phone in phones.iter() {
        assert_eq!(reports(phone), count);
        assert_eq!(phone.replica.counts().expect("counts").waiting, 0);
        assert_eq!(digest(phone), digest(&phones[0]));
    }
}

#[test]
fn two_restores_of_one_backup_are_told_apart_by_the_phones_that_lived_in_both_and_lose_nothing() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let serving = data.serve(None);
    let codes = [data.code(), data.code(), data.code()];
    let mut phones: Vec<_> = codes
        .iter()
        .map(|code| Phone::enrol(&serving.url, code, outside.path()))
        .collect();
    phones[0].report("备份之前");
    phones
        .iter_mut()
        .for_each(|phone| assert!(phone.sync(&serving.url).is_ok()));
    let backup = outside.path().join("backup");
    assert!(back_up(data.path(), &backup).success);
    phones[1].report("备份之后");
    phones[1].sync(&serving.url).expect("sync");
    serving.stop();

    // The first restore: two phones live on in it, one of them far.
    let first = outside.path().join("first");
    let first_epoch = object(&restore(&backup, &first, &[]))["districts"][0]["epoch"].clone();
    let serving = Serving::start(&first, &[], None);
    for number in 0..20 {
        phones[1].report(&format!("第一次恢复之后 {number}"));
        phones[1].sync(&serving.url).expect("sync");
    }
    phones[2].report("第三部手机");
    phones[2].sync(&serving.url).expect("sync");
    serving.stop();

    // That disk is lost as well; the same backup goes to a new place.
    let second = outside.path().join("second");
    let second_epoch = object(&restore(&backup, &second, &[]))["districts"][0]["epoch"].clone();
    // Nothing on this machine tells of the first restore: for a moment one number names two histories.
    assert_eq!(first_epoch, second_epoch);
    let serving = Serving::start(&second, &[], None);
    phones[0].report("第二次恢复之后");
    phones[0].sync(&serving.url).expect("sync");
    converge(&mut phones, &serving.url, 1 + 1 + 20 + 1 + 1);
    let epoch = u64::from(phones[0].replica.epoch().expect("epoch").0);
    assert!(Some(epoch) > second_epoch.as_u64(), "{epoch}");
    serving.stop();
    // Whoever knows better may say so.
    let third = outside.path().join("third");
    let told = object(&restore(&backup, &third, &["--epoch", "40"]));
    assert_eq!(told["districts"][0]["epoch"], 40);
    // A directory that is replaced is asked what it knows.
    let again = object(&restore(&backup, &third, &["--replace"]));
    assert_eq!(again["districts"][0]["epoch"], 41);
    assert_verifies(&second);
}

#[test]
fn a_server_rolled_back_without_a_word_is_found_out_by_what_a_phone_has_seen() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let serving = data.serve(None);
    let codes = [data.code(), data.code(), data.code()];
    let mut phones: Vec<_> = codes
        .iter()
        .map(|code| Phone::enrol(&serving.url, code, outside.path()))
        .collect();
    phones[0].report("快照之前");
    phones[0].sync(&serving.url).expect("sync");
    serving.stop();
    let snapshot = outside.path().join("snapshot");
    copy_all(data.path(), &snapshot);

    let serving = data.serve(None);
    for phone in &mut phones[..2] {
        phone.report("快照之后");
        phone.sync(&serving.url).expect("sync");
    }
    let seen = phones[1].replica.epoch().expect("epoch");
    serving.stop();

    // The whole machine is put back, control file and all, so nothing on it tells. A phone that saw less comes first, and
    // the log grows to where the others had seen another one.
    let serving = Serving::start(&snapshot, &[], None);
    for number in 0..4 {
        phones[2].report(&format!("另一个历史 {number}"));
        phones[2].sync(&serving.url).expect("sync");
    }
    assert_eq!(
        phones[2].replica.epoch().expect("epoch"),
        seen,
        "nothing was noticed yet"
    );
    // The apps are started again, as they are every morning: two have seen places that this log has in another form.
    phones.iter_mut().for_each(Phone::restart);
    converge(&mut phones, &serving.url, 1 + 2 + 4);
    assert!(phones[2].replica.epoch().expect("epoch") > seen);
    serving.stop();
    assert_verifies(&snapshot);
}

#[test]
fn a_phone_that_enrolled_after_the_snapshot_tells_of_the_roll_back_by_its_certificate() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let snapshot = outside.path().join("snapshot");
    data.serve(None).stop();
    copy_all(data.path(), &snapshot);
    let serving = data.serve(None);
    let mut phones = [Phone::enrol(&serving.url, &data.code(), outside.path())];
    phones[0].report("快照之后");
    phones[0].sync(&serving.url).expect("sync");
    let seen = phones[0].replica.epoch().expect("epoch");
    serving.stop();
    // Nobody else has seen what the snapshot lacks, and the server does not know this phone.
    let serving = Serving::start(&snapshot, &[], None);
    converge(&mut phones, &serving.url, 1);
    assert!(phones[0].replica.epoch().expect("epoch") > seen);
    serving.stop();
    assert_verifies(&snapshot);
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => copy_all(&path, &copy),
            kind if kind.is_file() => drop(std::fs::copy(&path, &copy).expect("a copy")),
            _ => {}
        }
    }
}

#[test]
fn a_backup_that_was_broken_off_is_none_and_the_next_one_works() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let serving = data.serve(None);
    let mut phone = Phone::enrol(&serving.url, &data.code(), outside.path());
    phone.report("一条");
    phone.sync(&serving.url).expect("sync");
    let backup = outside.path().join("backup");
    for place in ["backup_copied", "backup_before_manifest", "backup_gathered"] {
        let arguments = ["backup", "--data", &data.text(), "--to", text(&backup)];
        let killed = run_with(&arguments, &[PASSPHRASE, ("GRIDWORK_FAILPOINT", place)]);
        assert!(!killed.success, "{place}");
        assert!(!backup.exists(), "{place}: nothing has the backup's name");
        assert_eq!(error_of(&check(&backup)), "backup.error.no_manifest");
        phone.report(place);
        phone.sync(&serving.url).expect("the server goes on");
    }
    let ran = back_up(data.path(), &backup);
    assert!(ran.success, "{}", ran.stdout);
    assert!(check(&backup).success);
    assert_eq!(
        error_of(&back_up(data.path(), &backup)),
        "backup.error.exists"
    );
    let left: Vec<PathBuf> = std::fs::read_dir(outside.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    serving.stop();
}

#[test]
fn a_restore_that_was_broken_off_starts_no_server_and_is_done_again() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let backup = outside.path().join("backup");
    assert!(back_up(data.path(), &backup).success);
    assert_eq!(
        error_of(&restore(&backup, data.path(), &[])),
        "backup.error.not_empty"
    );
    assert_verifies(data.path());
    let arguments = [
        "restore",
        "--from",
        text(&backup),
        "--data",
        &data.text(),
        "--replace",
    ];
    for place in ["restore_gathered", "restore_moving"] {
        let killed = run_with(&arguments, &[PASSPHRASE, ("GRIDWORK_FAILPOINT", place)]);
        assert!(!killed.success);
        let refused = run(&["serve", "--data", &data.text(), "--listen", "127.0.0.1:0"]);
        assert!(
            !refused.success && refused.stderr.contains("broken off"),
            "{place}: {}",
            refused.stderr
        );
    }
    let ran = restore(&backup, data.path(), &["--replace"]);
    assert!(ran.success, "{}", ran.stdout);
    let serving = data.serve(None);
    let mut phone = Phone::enrol(&serving.url, &data.code(), outside.path());
    phone.sync(&serving.url).expect("sync");
    // While it is served, nothing is put in its place.
    let busy = restore(&backup, data.path(), &["--replace"]);
    assert!(
        !busy.success && busy.stdout.contains("another gridwork serves"),
        "{}",
        busy.stdout
    );
    serving.stop();
    assert_verifies(data.path());
}

#[test]
fn changes_that_had_no_answer_yet_are_sent_as_new_after_a_restore() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let serving = data.serve(None);
    let mut phone = Phone::enrol(&serving.url, &data.code(), outside.path());
    phone.sync(&serving.url).expect("sync");
    let backup = outside.path().join("backup");
    assert!(back_up(data.path(), &backup).success);
    phone.report("有回执");
    phone.sync(&serving.url).expect("sync");
    phone.report("没有回执");
    serving.stop();
    let restored = outside.path().join("restored");
    assert!(restore(&backup, &restored, &[]).success);
    let serving = Serving::start(&restored, &[], None);
    phone.sync(&serving.url).expect("sync");
    for seq in [1, 2] {
        let item = phone
            .replica
            .own_change(sync_core::ids::Seq(seq))
            .expect("own")
            .expect("there");
        assert_ne!(item.standing, Standing::Unsent, "{seq}");
    }
    assert_eq!(reports(&phone), 2);
    serving.stop();
    assert_verifies(&restored);
}
