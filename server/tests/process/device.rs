//! `gridwork device` as a process: what a script can rely on.

use super::server::{DataDirectory, GRIDWORK, Serving, run};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The files of a device, and the server that it speaks to.
struct Device<'a> {
    serving: &'a Serving,
    data: PathBuf,
}

impl<'a> Device<'a> {
    fn enrolled(serving: &'a Serving, server_data: &DataDirectory, name: &str) -> Self {
        let data = server_data.path().join(name);
        let device = Self { serving, data };
        let enrolled = device.run("enrol", &["--code", &server_data.code()]);
        assert_eq!(enrolled["condition"], "ok", "{enrolled}");
        assert_eq!(device.run("sync", &[])["idle"], true);
        device
    }

    fn arguments(&self, verb: &str) -> Vec<String> {
        let mut arguments = vec!["device".to_owned(), verb.to_owned(), "--json".to_owned()];
        arguments.push("--data".to_owned());
        arguments.push(self.data.display().to_string());
        arguments.push("--journal".to_owned());
        arguments.push(format!("{}.journal", self.data.display()));
        if !matches!(verb, "make" | "show") {
            arguments.push("--server".to_owned());
            arguments.push(self.serving.url.clone());
        }
        arguments
    }

    fn run(&self, verb: &str, more: &[&str]) -> Value {
        let arguments = self.arguments(verb);
        let mut whole: Vec<&str> = arguments.iter().map(String::as_str).collect();
        whole.extend(more);
        let ran = run(&whole);
        serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|_| panic!("not one JSON object: {}{}", ran.stdout, ran.stderr))
    }

    fn script(&self, lines: &str) -> Value {
        let path = format!("{}.script", self.data.display());
        std::fs::write(&path, lines).expect("a file");
        self.run("make", &["--script", &path])
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(format!("{}.journal", self.data.display())).expect("a journal")
    }
}

#[test]
fn a_script_s_changes_are_saved_noted_and_answered() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let device = Device::enrolled(&serving, &data, "device.db");
    let made = device.script(
        r#"{"intent":"report.create","record":"@bin","payload":{"category":"SAN-01","title":"满了 {mark}"}}

{"intent":"report.comment","record":"@bin","payload":{"text":"还在"},"sealed":[{"class":"person","payload":{"phone":"1"}}]}
{"intent":"report.amend","record":"@bin","needs_record":"@later","payload":{"floor":"3"}}
{"intent":"report.create","record":"@later","unit":77,"payload":{"category":"SAN-01"}}"#,
    );
    let saved = made["saved"].as_array().expect("saved");
    assert_eq!((saved.len(), &made["waiting"]), (4, &Value::from(4)));
    assert_eq!(
        saved[0]["record"], saved[1]["record"],
        "one name, one record"
    );
    let mark = saved[0]["mark"].as_str().expect("a mark");
    assert!(device.journal().contains(mark));
    let shown = device.run("show", &[]);
    let title = shown["outbox"][0]["payload"]["title"].as_str();
    assert_eq!(title, Some(format!("满了 {mark}").as_str()));

    let synced = device.run("sync", &[]);
    // The record of a unit that nobody has is quarantined, so what needs it is held.
    let counts = ["waiting", "held", "needs_repair", "records"].map(|name| synced[name].as_u64());
    assert_eq!(counts, [Some(0), Some(1), Some(1), Some(1)], "{synced}");
    let journal = device.journal();
    let verdicts: Vec<&str> = journal
        .lines()
        .filter(|line| line.starts_with("{\"verdict"))
        .collect();
    assert_eq!(verdicts.len(), 4, "{journal}");
    assert!(verdicts[3].contains("quarantined"), "{journal}");
    // Nothing is noted twice by another start.
    device.run("sync", &[]);
    assert_eq!(device.journal(), journal);
    serving.stop();
}

#[test]
fn a_line_that_is_no_change_is_named_and_what_came_before_it_stays() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let device = Device::enrolled(&serving, &data, "device.db");
    for (line, named) in [
        (
            r#"{"intent":"report.create","payload":{}}"#,
            "required (category)",
        ),
        (
            r#"{"intent":"visit.log","payload":{"outcome":"done"},"tilte":1}"#,
            "tilte",
        ),
        (
            r#"{"intent":"visit.log","record":"bin","payload":{}}"#,
            "@bin",
        ),
        ("visit", "line 2"),
    ] {
        let before = device.run("show", &[])["head_seq"].as_u64();
        let good = r#"{"intent":"visit.log","payload":{"outcome":"done"}}"#;
        let refused = device.script(&format!("{good}\n{line}\n{good}"));
        let error = refused["error"].as_str().expect("an error");
        assert!(error.contains(named) && error.contains("line 2"), "{error}");
        let after = device.run("show", &[])["head_seq"].as_u64();
        assert_eq!(after, before.map(|seq| seq + 1), "{line}");
    }
    serving.stop();
}

#[test]
fn a_copied_device_goes_on_under_a_new_name_and_all_work_arrives_once() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let device = Device::enrolled(&serving, &data, "device.db");
    device.run("make", &["--count", "5"]);
    let copy = Device {
        serving: &serving,
        data: data.path().join("copy.db"),
    };
    std::fs::copy(&device.data, &copy.data).expect("a copy");
    device.run("make", &["--count", "3"]);
    copy.run("make", &["--count", "4", "--seed", "2"]);
    device.run("sync", &[]);
    let copied = copy.run("sync", &[]);
    assert_eq!(
        (&copied["forks"], &copied["waiting"], &copied["idle"]),
        (&Value::from(1), &Value::from(0), &Value::from(true)),
        "{copied}"
    );
    let first = device.run("sync", &[]);
    assert_eq!(first["state_digest"], copied["state_digest"]);
    assert_ne!(first["replica"], copied["replica"]);
    serving.stop();
    let verified = run(&["verify", "--data", &data.text(), "--json"]);
    assert!(verified.success, "{}", verified.stdout);
}

#[test]
fn two_processes_do_not_share_a_device_and_a_killed_one_lets_go() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let device = Device::enrolled(&serving, &data, "device.db");
    let mut child = Command::new(GRIDWORK)
        .args(device.arguments("watch"))
        .args(["--seconds", "600", "--pace", "50"])
        .stdout(Stdio::null())
        .spawn()
        .expect("gridwork runs");
    while !std::fs::exists(format!("{}.journal", device.data.display())).unwrap_or(false)
        || device.journal().lines().count() < 5
    {
        std::thread::yield_now();
    }
    let second = device.run("show", &[]);
    let error = second["error"].as_str().expect("an error");
    assert!(error.contains("another gridwork device uses"), "{error}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let noted = device.journal();
    let shown = device.run("show", &[]);
    let last = noted
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| line["saved"]["seq"].as_u64())
        .max();
    assert!(shown["head_seq"].as_u64() >= last, "{shown}");
    serving.stop();
}

#[test]
fn a_server_that_is_not_there_ends_with_an_error_and_nothing_is_lost() {
    let data = DataDirectory::with_worker();
    let serving = data.serve(None);
    let device = Device::enrolled(&serving, &data, "device.db");
    device.run("make", &["--count", "2"]);
    let nobody = [
        "--server",
        "http://127.0.0.1:9",
        "--drain-s",
        "0",
        "--retry-within-ms",
        "10",
    ];
    let arguments = [&["device", "sync", "--json", "--data"][..], &[""], &nobody].concat();
    let text = device.data.display().to_string();
    let arguments: Vec<&str> = arguments
        .into_iter()
        .map(|each| if each.is_empty() { text.as_str() } else { each })
        .collect();
    let refused = run(&arguments);
    assert!(!refused.success);
    let state: Value = serde_json::from_str(&refused.stdout).expect("its state");
    assert_eq!(state["waiting"], 2, "{state}");
    // A second enrolment on the same data would lose them.
    let again = device.run("enrol", &["--code", "00000000"]);
    assert!(
        again["error"]
            .as_str()
            .is_some_and(|error| error.contains("already")),
        "{again}"
    );
    serving.stop();
}
