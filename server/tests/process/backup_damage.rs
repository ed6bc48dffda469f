//! A backup that is not as it was made, or whose keys do not open, is put back nowhere.

use crate::backup::{PASSPHRASE, back_up, check, error_of, place, restore, text};
use crate::server::{DataDirectory, run_with};

#[test]
fn a_backup_that_was_damaged_or_changed_is_refused_and_touches_nothing() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let backup = outside.path().join("backup");
    assert!(back_up(data.path(), &backup).success);
    let target = outside.path().join("target");
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let damages: [(&str, Damage, &str); 8] = [
        (
            "districts/440399.db",
            flip_middle,
            "backup.error.file_differs",
        ),
        ("districts/440399.db", cut, "backup.error.file_differs"),
        ("control.db", flip_middle, "backup.error.file_differs"),
        ("keys.sealed", flip_middle, "backup.error.file_differs"),
        ("keys.sealed", cut, "backup.error.file_differs"),
        ("MANIFEST.json", cut, "backup.error.manifest_damaged"),
        (
            "MANIFEST.json",
            |text| replace(text, "\"epoch\": 1", "\"epoch\": 2"),
            "backup.error.manifest_damaged",
        ),
        (
            "MANIFEST.json",
            |text| replace(text, "\"format\": 1", "\"format\": 9"),
            "backup.error.manifest_newer",
        ),
    ];
    for (name, damage, wanted) in damages {
        let path = backup.join(name);
        let whole = std::fs::read(&path).expect("the file");
        std::fs::write(&path, damage(whole.clone())).expect("write");
        assert_eq!(error_of(&check(&backup)), wanted, "{name}");
        assert_eq!(error_of(&restore(&backup, &target, &[])), wanted, "{name}");
        assert!(
            !target.join("control.db").exists() && !target.join("restoring").exists(),
            "{name}"
        );
        std::fs::write(&path, whole).expect("write");
    }
    for name in ["districts/440399.db", "MANIFEST.json"] {
        let aside = outside.path().join("aside");
        std::fs::rename(backup.join(name), &aside).expect("rename");
        let wanted = if name == "MANIFEST.json" {
            "backup.error.no_manifest"
        } else {
            "backup.error.file_missing"
        };
        assert_eq!(error_of(&check(&backup)), wanted);
        assert_eq!(error_of(&restore(&backup, &target, &[])), wanted);
        std::fs::rename(&aside, backup.join(name)).expect("rename");
    }
    assert!(check(&backup).success);
}

fn flip_middle(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn replace(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn private_keys_lie_in_no_file_of_a_backup_and_open_under_their_passphrase_alone() {
    let (data, outside) = (DataDirectory::with_worker(), place());
    let backup = outside.path().join("backup");
    assert!(back_up(data.path(), &backup).success);
    let seeds: Vec<Vec<u8>> = {
        let control = rusqlite::Connection::open(data.path().join("control.db")).expect("open");
        let mut statement = control
            .prepare("SELECT seed FROM server_key")
            .expect("prepare");
        let rows = statement.query_map([], |row| row.get(0)).expect("query");
        rows.collect::<Result<_, _>>().expect("rows")
    };
    assert_eq!(seeds.len(), 2);
    let live = std::fs::read(data.path().join("control.db")).expect("read");
    assert!(
        seeds.iter().all(|seed| holds(&live, seed)),
        "the search finds seeds where they are"
    );
    for name in [
        "control.db",
        "districts/440399.db",
        "keys.sealed",
        "MANIFEST.json",
    ] {
        let bytes = std::fs::read(backup.join(name)).expect("read");
        for seed in &seeds {
            let digits = sync_core::hex::encode(seed);
            assert!(
                !holds(&bytes, seed) && !holds(&bytes, digits.as_bytes()),
                "{name}"
            );
        }
    }
    let target = outside.path().join("x");
    let arguments = [
        "restore",
        "--from",
        text(&backup),
        "--data",
        text(&target),
        "--json",
    ];
    let wrong = run_with(&arguments, &[(PASSPHRASE.0, "another long passphrase")]);
    assert_eq!(error_of(&wrong), "backup.error.passphrase_wrong");
    let missing = run_with(&arguments, &[]);
    assert_eq!(error_of(&missing), "backup.error.passphrase_missing");
    assert!(!outside.path().join("x/control.db").exists());
    let file = outside.path().join("passphrase");
    std::fs::write(&file, format!("{}\n", PASSPHRASE.1)).expect("write");
    let mut with_file = arguments.to_vec();
    with_file.extend(["--passphrase-file", text(&file)]);
    let right = run_with(&with_file, &[]);
    assert!(right.success, "{}", right.stdout);
    let short = run_with(
        &[
            "backup",
            "--data",
            &data.text(),
            "--to",
            text(&outside.path().join("y")),
            "--json",
        ],
        &[(PASSPHRASE.0, "short")],
    );
    assert_eq!(error_of(&short), "backup.error.passphrase_short");
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
