//! A plan: everything that will happen in one world, spelled out. A seed makes a plan, a plan makes a run; code that
//! changes later does not reshuffle a plan that was kept.

use serde::{Deserialize, Serialize};

/// What one world lives through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where it came from; also the seed of ids, keys and salts.
    pub seed: u64,
    /// The people whose phones take part, by their number in the small district.
    pub phones: Vec<u32>,
    /// Those of them whose phones begin with an older version of the app.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_apps: Vec<u32>,
    /// Whether the server begins as an older version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub old_server: bool,
    /// One after the other.
    pub events: Vec<Event>,
}

/// What a person does on a phone. What it is done to is picked when it happens, among what the phone then holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A new report.
    Report,
    /// Another text for a field of a report.
    Amend,
    /// The next step of a case, one that the table may or may not have.
    Step,
    /// A comment.
    Comment,
    /// A move to another unit.
    Move,
    /// A visit.
    Visit,
    /// Another text for a visit.
    AmendVisit,
    /// A visit taken back.
    VoidVisit,
    /// A round begins.
    Patrol,
    /// A check-in on a round.
    CheckIn,
    /// Somebody joins a round.
    Join,
    /// A round ends.
    Finish,
    /// A task is given.
    Task,
    /// A task's result.
    Result,
    /// A claim of points.
    Claim,
    /// An attachment is named.
    Attach,
    /// A report with a personal part.
    Sealed,
    /// A report for a unit where its author has no right.
    Poison,
    /// The repair of the oldest quarantined change.
    Repair,
    /// An amendment of a report that somebody else made and has not sent yet.
    Hearsay,
    /// An amendment or a comment that names a change of another phone as what must come first.
    Needs,
    /// A form that was opened long ago: it saw nothing.
    OldForm,
    /// A mediation.
    Mediation,
    /// A signature under one.
    Sign,
    /// The next step of one.
    MediationStep,
    /// An inspection.
    Inspection,
    /// Another look at what was wrong.
    Recheck,
    /// The next step of an inspection.
    InspectionStep,
    /// A word on somebody's visit.
    ConfirmVisit,
    /// The leader enters somebody as being there.
    Tick,
    /// A member's own word.
    Confirm,
    /// A doubt is settled.
    Doubt,
    /// A round pauses, goes on or is broken off.
    Pause,
    /// A household.
    Household,
    /// A training session.
    Training,
    /// Somebody signs in to one.
    SignIn,
    /// A task is given to somebody else.
    GiveTask,
}

/// What the link does to one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It carries request and answer.
    Carried,
    /// The request does not arrive.
    RequestLost,
    /// The request arrives cut at this many thousandths.
    RequestCut(u16),
    /// The request arrives with a byte changed.
    RequestSpoilt(u16),
    /// The request arrives after so many more events.
    RequestLate(u8),
    /// The request arrives now, and again after so many more events.
    RequestTwice(u8),
    /// The answer does not arrive.
    AnswerLost,
    /// The answer arrives cut.
    AnswerCut(u16),
    /// The answer arrives with a byte changed.
    AnswerSpoilt(u16),
    /// The answer arrives after so many more events.
    AnswerLate(u8),
    /// Something between answers with a page of its own.
    CaptivePortal(u8),
    /// It is carried, and nothing after it: the app gets no more time.
    CutShort,
}

/// Which way a partition cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Requests are lost.
    Up,
    /// Answers are lost.
    Down,
    /// Both.
    Both,
}

/// What goes wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFault {
    /// The power goes.
    PowerCut,
    /// The process is killed; what it wrote reaches the disk.
    Kill,
    /// No room for so many more calls.
    Full(u32),
    /// A write fails once.
    WriteFails,
    /// A sync fails once.
    SyncFails,
    /// A read fails once.
    ReadFails,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Somebody works on a phone.
    Work {
        /// Which phone.
        phone: u8,
        /// What is done.
        work: Work,
        /// Chooses record, field and text.
        pick: u32,
    },
    /// A phone talks to the server until nothing is left to say or the link breaks.
    Sync {
        /// Which phone.
        phone: u8,
        /// What happens to the first exchange; the others are carried.
        fate: Fate,
    },
    /// Two or three phones' requests wait at the server for one commit.
    Together {
        /// The first phone; those after it take part too.
        phone: u8,
        /// How many.
        count: u8,
    },
    /// Time passes.
    Pass {
        /// How much, milliseconds.
        ms: u32,
    },
    /// A phone hears nothing, or is not heard, for so many events.
    Partition {
        /// Which phone.
        phone: u8,
        /// Which way.
        cut: Cut,
        /// For how many events.
        events: u8,
    },
    /// A phone's disk will fail at a call to come.
    PhoneDisk {
        /// Which phone.
        phone: u8,
        /// How.
        fault: DiskFault,
        /// At the how-manieth writing call from now.
        call: u16,
        /// Chooses the damage.
        damage: u32,
    },
    /// The server's disk will fail at a call to come.
    ServerDisk {
        /// How.
        fault: DiskFault,
        /// At the how-manieth writing call from now.
        call: u16,
        /// Chooses the damage.
        damage: u32,
    },
    /// The server is stopped and started again.
    RestartServer,
    /// The app on a phone is closed and opened again.
    RestartApp {
        /// Which phone.
        phone: u8,
        /// Whether the phone itself starts anew, with a monotonic clock at nought.
        reboot: bool,
    },
    /// A phone's wall clock is set.
    PhoneClock {
        /// Which phone.
        phone: u8,
        /// How far off from now on, seconds.
        off_s: i64,
    },
    /// The server's wall clock jumps; an operator agrees some events later.
    ServerClock {
        /// How far, milliseconds.
        jump_ms: i64,
    },
    /// An operator says that the server's clock is right.
    AgreeClock,
    /// A phone's data turns up on a second phone.
    Clone {
        /// Which phone.
        phone: u8,
    },
    /// A copy of a phone's data is taken.
    Copy {
        /// Which phone.
        phone: u8,
    },
    /// The copy is put in the place of the phone's data.
    PutBack {
        /// Which phone.
        phone: u8,
    },
    /// A phone's data is gone; its person enrols anew.
    Reinstall {
        /// Which phone.
        phone: u8,
    },
    /// A person gets another phone beside the one they have.
    Enrol {
        /// Whose.
        person: u32,
    },
    /// A person's role on one unit ends, and another begins.
    Transfer {
        /// Chooses person and units.
        pick: u32,
    },
    /// A replica is revoked.
    Revoke {
        /// Which phone.
        phone: u8,
    },
    /// A person at the desk rules about something in the inbox.
    Rule {
        /// Chooses the change and the ruling.
        pick: u32,
    },
    /// The office changes a document.
    Document {
        /// Chooses which, how, and from which day.
        pick: u32,
    },
    /// A copy of the server's files is taken.
    CopyServer,
    /// The server's district file is lost, and the copy put in its place.
    RestoreServer,
    /// The whole machine of the server is put back to the copy, and nobody tells the server so.
    RollBackServer,
    /// A back-up is made while the server runs.
    Backup {
        /// The power goes at the how-manieth writing call from its beginning on.
        dies_at: Option<u16>,
        /// Chooses the damage.
        damage: u32,
    },
    /// The back-up is put back.
    RestoreBackup,
    /// The newest version of the app comes to a phone.
    UpdateApp {
        /// Which phone.
        phone: u8,
    },
    /// An older version of the app comes to a phone, whatever lies in its database.
    OlderApp {
        /// Which phone.
        phone: u8,
    },
    /// The newest version of the server takes its place.
    UpdateServer,
    /// A request of long ago arrives once more.
    Replay {
        /// Which phone's.
        phone: u8,
        /// Chooses the request.
        pick: u32,
    },
    /// A replica that keeps to no rule sends something.
    Rogue {
        /// Chooses what.
        pick: u32,
    },
}

impl Event {
    /// The name that faults are counted under; `None` for ordinary life.
    pub fn fault(&self) -> Option<&'static str> {
        Some(match self {
            Event::Work { .. } | Event::Together { .. } | Event::Pass { .. } => return None,
            Event::Enrol { .. } | Event::Rule { .. } | Event::Copy { .. } | Event::CopyServer => {
                return None;
            }
            Event::Document { .. } => "document_changed",
            Event::AgreeClock | Event::Backup { .. } => return None,
            Event::Sync { fate, .. } => match fate {
                Fate::Carried => return None,
                Fate::RequestLost => "request_lost",
                Fate::RequestCut(_) => "request_cut",
                Fate::RequestSpoilt(_) => "request_spoilt",
                Fate::RequestLate(_) => "request_late",
                Fate::RequestTwice(_) => "request_twice",
                Fate::AnswerLost => "answer_lost",
                Fate::AnswerCut(_) => "answer_cut",
                Fate::AnswerSpoilt(_) => "answer_spoilt",
                Fate::AnswerLate(_) => "answer_late",
                Fate::CaptivePortal(_) => "captive_portal",
                Fate::CutShort => "app_cut_short",
            },
            Event::Partition { cut, .. } => match cut {
                Cut::Up => "partition_up",
                Cut::Down => "partition_down",
                Cut::Both => "partition_both",
            },
            Event::PhoneDisk { fault, .. } => match fault {
                DiskFault::PowerCut => "phone_power_cut",
                DiskFault::Kill => "phone_killed",
                DiskFault::Full(_) => "phone_disk_full",
                DiskFault::WriteFails => "phone_write_fails",
                DiskFault::SyncFails => "phone_sync_fails",
                DiskFault::ReadFails => "phone_read_fails",
            },
            Event::ServerDisk { fault, .. } => match fault {
                DiskFault::PowerCut => "server_power_cut",
                DiskFault::Kill => "server_killed",
                DiskFault::Full(_) => "server_disk_full",
                DiskFault::WriteFails => "server_write_fails",
                DiskFault::SyncFails => "server_sync_fails",
                DiskFault::ReadFails => "server_read_fails",
            },
            Event::RestartServer => "server_restarted",
            Event::RestartApp { reboot: false, .. } => "app_restarted",
            Event::RestartApp { reboot: true, .. } => "phone_rebooted",
            Event::PhoneClock { .. } => "phone_clock_set",
            Event::ServerClock { .. } => "server_clock_jumps",
            Event::Clone { .. } => "phone_cloned",
            Event::PutBack { .. } => "phone_put_back",
            Event::Reinstall { .. } => "phone_reinstalled",
            Event::Transfer { .. } => "person_moved",
            Event::Revoke { .. } => "replica_revoked",
            Event::RestoreServer => "server_restored",
            Event::RollBackServer => "server_rolled_back",
            Event::RestoreBackup => "backup_restored",
            Event::UpdateApp { .. } => "app_updated",
            Event::OlderApp { .. } => "app_older",
            Event::UpdateServer => "server_updated",
            Event::Replay { .. } => "old_request_again",
            Event::Rogue { .. } => "rogue_request",
        })
    }
}

/// Why a plan's file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It could not be read or written.
    #[error("{path} could not be read or written")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no plan.
    #[error("{path} is no plan")]
    Form {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Plan {
    /// Reads a kept plan.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn read(path: &std::path::Path) -> Result<Self, PlanError> {
        let name = path.display().to_string();
        let text = std::fs::read(path).map_err(|source| PlanError::File {
            path: name.clone(),
            source,
        })?;
        serde_json::from_slice(&text).map_err(|source| PlanError::Form { path: name, source })
    }

    /// Keeps a plan, one event a line, so that a person can read and cut it.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn write(&self, path: &std::path::Path) -> Result<(), PlanError> {
        let events: Vec<String> = self.events.iter().map(json).collect();
        let mut text = format!(
            "{{\"seed\": {}, \"phones\": {}, ",
            self.seed,
            json(&self.phones)
        );
        if !self.old_apps.is_empty() {
            text.push_str(&format!("\"old_apps\": {}, ", json(&self.old_apps)));
        }
        if self.old_server {
            text.push_str("\"old_server\": true, ");
        }
        text.push_str(&format!("\"events\": [\n{}\n]}}\n", events.join(",\n")));
        std::fs::write(path, text).map_err(|source| PlanError::File {
            path: path.display().to_string(),
            source,
        })
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("BUG: a plan is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_plan_is_read_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.json");
        let (mut old_apps, mut old_servers) = (0, 0);
        for seed in 0..200 {
            let plan = crate::sim::generate::generate(seed, &crate::sim::generate::Size::default());
            plan.write(&path).expect("written");
            assert_eq!(Plan::read(&path).expect("read"), plan);
            old_apps += u32::from(!plan.old_apps.is_empty());
            old_servers += u32::from(plan.old_server);
        }
        assert!(old_apps > 0 && old_servers > 0);
    }
}
