//! Worked conflicts: small logs in which people meet on one record, printed as the merge page shows them. The page embeds
//! this text, and a test compares the two.

use std::fmt::Write;

use sync_core::change::Needs;
use sync_core::ids::{LogPlace, RecordId, ReplicaNo};
use sync_core::merge::RecordState;

use crate::small_log::{Form, Logged, START_MS, SmallLog, UNITS, record_id};

/// One conflict, by the name under which the page shows it.
#[derive(Clone, Debug)]
pub struct Worked {
    /// Its name.
    pub name: &'static str,
    /// What happened, line by line, and what people then see.
    pub text: String,
}

const WANG: ReplicaNo = ReplicaNo(1);
const LI: ReplicaNo = ReplicaNo(2);
const DESK: ReplicaNo = ReplicaNo(3);
const NAMES: [&str; 3] = ["Wang", "Li", "desk"];

/// All of them.
pub fn all() -> Vec<Worked> {
    vec![
        same_field(),
        other_fields(),
        settled(),
        elements(),
        competing_steps(),
        released_late(),
        restored(),
        wrong_clock(),
    ]
}

struct Story {
    log: SmallLog,
    record: RecordId,
    text: String,
}

impl Story {
    /// A report, made by Wang at 08:00 and known to all.
    fn begin() -> Self {
        let mut story = Self {
            log: SmallLog::new(3),
            record: record_id(1),
            text: String::new(),
        };
        story.tell(
            WANG,
            "report.create",
            r#"{"category":"SAN-01","title":"Rubbish"}"#,
            0,
            0,
        );
        story
    }

    fn form(&self, intent: &'static str, json: &str, base: u64, minute: i64) -> Form {
        let mut place = self.log.head();
        place.pos.0 = base;
        Form {
            record: self.record,
            unit: UNITS[1],
            intent,
            json: json.to_owned(),
            base: if base == 0 {
                LogPlace::default()
            } else {
                place
            },
            wall_ms: START_MS + minute * 60_000,
            needs: None,
        }
    }

    /// Somebody writes at a minute after 08:00, having seen all up to `base`. The report arrives at once, all else when
    /// phones meet the server at 10:00 or after.
    fn tell(&mut self, who: ReplicaNo, intent: &'static str, json: &str, base: u64, minute: i64) {
        let form = self.form(intent, json, base, minute);
        if base > 0 {
            self.meet(minute.clamp(120, 180));
        }
        let entry = self.log.write(who, &form).clone();
        self.line(&entry);
    }

    /// Time passes until a minute after 08:00.
    fn meet(&mut self, minute: i64) {
        let until_ms = START_MS + minute * 60_000;
        self.log.wait_ms((until_ms - self.log.now_ms()).max(0));
    }

    fn line(&mut self, entry: &Logged) {
        let header = &entry.made.header;
        let first = entry.first_place.map_or(String::new(), |first| {
            format!(" (first {}/{})", first.epoch, first.pos)
        });
        let problems: Vec<&str> = entry
            .answer
            .problems
            .iter()
            .map(|problem| problem.code.as_str())
            .collect();
        let verdict = serde_json::to_value(entry.answer.verdict).expect("JSON");
        writeln!(
            self.text,
            "{}/{}{first}  {:<4} seq {} base {}/{} at {}  {} {}  -> {}{}{}",
            entry.place.epoch,
            entry.place.pos,
            NAMES[entry.made.replica.0 as usize - 1],
            header.seq,
            header.base.epoch,
            header.base.pos,
            clock(entry.time_ms),
            header.intent,
            String::from_utf8_lossy(&entry.made.open),
            verdict.as_str().unwrap_or_default(),
            if problems.is_empty() { "" } else { ": " },
            problems.join(", "),
        )
        .expect("BUG: a string takes text");
    }

    fn note(&mut self, text: &str) {
        writeln!(self.text, "-- {text}").expect("BUG: a string takes text");
    }

    fn end(mut self, name: &'static str) -> Worked {
        let state = self.log.state(self.record).expect("BUG: no record").clone();
        self.text.push_str(&shown(&state));
        Worked {
            name,
            text: self.text,
        }
    }
}

/// The time of day in Shanghai.
fn clock(time_ms: i64) -> String {
    let minutes = (time_ms - START_MS).div_euclid(60_000) + 8 * 60;
    format!(
        "{:02}:{:02}",
        minutes.div_euclid(60),
        minutes.rem_euclid(60)
    )
}

fn shown(state: &RecordState) -> String {
    let mut text = String::from("shows:\n");
    let mut line = |content: String| {
        text.push_str("  ");
        text.push_str(&content);
        text.push('\n');
    };
    for name in state.field_names() {
        let values: Vec<String> = state
            .values(name)
            .into_iter()
            .map(|(stamp, raw)| {
                let who = NAMES[stamp.replica.0 as usize - 1];
                format!("{raw} ({who}, {})", clock(stamp.time_ms))
            })
            .collect();
        let mark = if state.is_conflicted(name) {
            "CONFLICT "
        } else {
            ""
        };
        line(format!("{mark}{name} = {}", values.join(" | also ")));
    }
    if let Some(at) = &state.state {
        line(format!("state = {at}"));
    }
    for step in &state.steps {
        if let Some((from, to)) = &step.states {
            let who = NAMES[step.stamp.replica.0 as usize - 1];
            line(format!("step {from} -> {to} ({who})"));
        }
    }
    for attempt in &state.attempts {
        let who = NAMES[attempt.stamp.replica.0 as usize - 1];
        line(format!(
            "tried {} ({who}): {}",
            attempt.to,
            attempt.code.as_str()
        ));
    }
    for element in &state.elements {
        let who = NAMES[element.stamp.replica.0 as usize - 1];
        let fields = serde_json::to_string(&element.fields).expect("JSON");
        line(format!("{}: {fields} ({who})", element.set));
    }
    text
}

fn same_field() -> Worked {
    let mut story = Story::begin();
    story.tell(
        LI,
        "report.amend",
        r#"{"title":"Rubbish by the gate"}"#,
        1,
        40,
    );
    story.tell(
        WANG,
        "report.amend",
        r#"{"title":"Two heaps of rubbish"}"#,
        1,
        20,
    );
    story.end("same-field")
}

fn other_fields() -> Worked {
    let mut story = Story::begin();
    story.tell(
        LI,
        "report.amend",
        r#"{"title":"Rubbish by the gate"}"#,
        1,
        40,
    );
    story.tell(DESK, "report.amend", r#"{"address":"12 Lake Road"}"#, 1, 20);
    story.end("other-fields")
}

fn settled() -> Worked {
    let mut story = Story::begin();
    story.tell(
        LI,
        "report.amend",
        r#"{"title":"Rubbish by the gate"}"#,
        1,
        40,
    );
    story.tell(
        WANG,
        "report.amend",
        r#"{"title":"Two heaps of rubbish"}"#,
        1,
        20,
    );
    story.note("the desk has seen both");
    story.tell(
        DESK,
        "report.amend",
        r#"{"title":"Two heaps by the gate"}"#,
        3,
        140,
    );
    story.end("settled")
}

fn elements() -> Worked {
    let mut story = Story::begin();
    story.tell(LI, "report.comment", r#"{"text":"Still there"}"#, 1, 40);
    story.tell(WANG, "report.comment", r#"{"text":"Called them"}"#, 1, 20);
    story.end("elements")
}

fn competing_steps() -> Worked {
    let mut story = Story::begin();
    story.tell(
        DESK,
        "report.transition",
        r#"{"to":"REGISTERED","level":"III"}"#,
        1,
        30,
    );
    story.tell(
        LI,
        "report.transition",
        r#"{"to":"REJECTED","reason":"not ours"}"#,
        1,
        10,
    );
    story.end("competing-steps")
}

fn released_late() -> Worked {
    let mut story = Story::begin();
    let needs = Some(Needs::Record(record_id(9)));
    let form = Form {
        needs,
        ..story.form(
            "report.amend",
            r#"{"title":"Rubbish, see the visit","floor":"3"}"#,
            1,
            10,
        )
    };
    story.meet(120);
    let made = story.log.make(LI, &form);
    let held = story.log.admit(&made, false).clone();
    story.line(&held);
    story.tell(
        LI,
        "report.amend",
        r#"{"title":"Rubbish by the gate"}"#,
        1,
        40,
    );
    story.note("the visit it needs is in force: a ruling releases the first");
    let released = story.log.release(&held).clone();
    story.line(&released);
    story.end("released-late")
}

fn restored() -> Worked {
    let mut story = Story::begin();
    story.tell(
        LI,
        "report.amend",
        r#"{"title":"Rubbish by the gate"}"#,
        1,
        40,
    );
    story.tell(
        DESK,
        "report.amend",
        r#"{"title":"Two heaps by the gate"}"#,
        2,
        140,
    );
    let lost = story.log.restore(1);
    story.note("the server is restored from a copy that ends at 1/1; the desk's phone comes first");
    for entry in lost.iter().rev() {
        let back = story.log.take_back(entry).clone();
        story.line(&back);
    }
    story.end("restored")
}

fn wrong_clock() -> Worked {
    let mut story = Story::begin();
    story.note("Li's clock is a year ahead; what Li wrote counts as of its arrival at 11:00");
    story.tell(
        LI,
        "report.amend",
        r#"{"title":"Rubbish by the gate"}"#,
        1,
        525_600,
    );
    story.note(
        "Wang's clock is a year behind; what Wang wrote does not count as older than what Wang saw",
    );
    story.tell(
        WANG,
        "report.amend",
        r#"{"title":"All cleared"}"#,
        2,
        -525_600,
    );
    story.end("wrong-clock")
}
