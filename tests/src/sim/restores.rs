//! Copies of the server's files, back-ups, and what happens when they are put back; and the server's own updates.

use super::disk::Files;
use super::district::CODE;
use super::incidents::arm;
use super::plan::{DiskFault, Event, Fate};
use super::server::Server;
use super::world::World;
use crate::oracle::AdmissionOracle;
use rusqlite::Connection;
use server::clock::Clock as _;
use server::service::ServiceError;
use server::service::administration::AdminRequest;
use server::service::epochs::begin_restored;
use server::service::verify::{self, Known};
use server::store::sqlite::DistrictRead;
use server::store::sqlite::control::{Control, KnownDistrict};
use sync_core::kinds::KnownIntents;

/// Files of the server that somebody keeps elsewhere.
#[derive(Clone)]
pub struct ServerCopy {
    /// All files, or the district's alone.
    files: Files,
    /// The model of the server as it was then.
    model: AdmissionOracle,
    /// The history of the log that it belongs to.
    history: u32,
}

impl World {
    /// What befalls the server as a whole. Whether there was anything to do it with.
    pub(super) fn replace_server(&mut self, event: &Event) -> bool {
        if self.server.node.is_dead() {
            return false;
        }
        match *event {
            Event::CopyServer => self.copy_server(),
            Event::RestoreServer => self.restore_server(),
            Event::RollBackServer => self.roll_back_server(),
            Event::Backup { dies_at, damage } => self.back_up(dies_at, damage),
            Event::RestoreBackup => self.restore_backup(),
            Event::UpdateServer => self.update_server(),
            _ => unreachable!("BUG: {event:?} does not replace the server"),
        }
    }

    fn copy_server(&mut self) -> bool {
        if !self.server.is_up() {
            return false;
        }
        self.server_copy = Some(ServerCopy {
            files: self.server.node.snapshot(),
            model: self.model(),
            history: self.history,
        });
        true
    }

    /// What was on the machine is gone: faults that were to come, and what it had not told of yet.
    fn lose_server(&mut self, copy_of: u32) {
        self.put_back.push((copy_of, self.history));
        self.server.node.disarm();
        self.server_fault = None;
        self.unjudged.clear();
        self.history += 1;
    }

    fn restore_server(&mut self) -> bool {
        let Some(copy) = self.server_copy.clone() else {
            return false;
        };
        self.lose_server(copy.history);
        self.server.put_back(&copy.files);
        self.mark("restored");
        self.start_server(true);
        self.judge_restore(&copy.model);
        true
    }

    /// All files go back, those that say how far the log had come among them. Nothing on the machine tells of it.
    fn roll_back_server(&mut self) -> bool {
        let Some(copy) = self.server_copy.clone() else {
            return false;
        };
        self.lose_server(copy.history);
        self.server.stop();
        self.server.drop_process();
        self.server.node.restore(&copy.files);
        self.rolled_back = true;
        // A machine that is put back is away meanwhile: what was on its way is lost, and every app that wanted something
        // has failed. A request of before that came now, before any phone has shown what it saw, would be decided anew, and
        // nobody could tell.
        self.flights.clear();
        for phone in &mut self.phones {
            phone.requests.clear();
            phone.session = sync_core::session::Session::new("sim 1");
        }
        self.mark("rolled_back");
        self.start_server(false);
        self.judge_roll_back(&copy.model);
        self.show_lost_history();
        true
    }

    /// The phone that has seen the most of what was lost is the first to come back.
    fn show_lost_history(&mut self) {
        let seen = |index: &usize| {
            let replica = self.phones[*index].replica.as_ref()?;
            let cursor = replica.cursor().ok()?;
            Some((cursor.epoch, cursor.pos))
        };
        let on = (0..self.phones.len()).filter(|index| self.is_on(*index));
        let Some(index) = on.max_by_key(seen) else {
            return;
        };
        let partition = self.phones[index].partition.take();
        self.sync(index, Fate::Carried);
        self.phones[index].partition = partition;
    }

    /// As `gridwork backup` does, beside the running server: one reading connection copies the district's file, and the
    /// server is told what has reached the second place. A copy that was cut off is none.
    fn back_up(&mut self, dies_at: Option<u16>, damage: u32) -> bool {
        let Some(district) = self.server.district().filter(|_| self.server.is_up()) else {
            return false;
        };
        if let Some(call) = dies_at {
            arm(&self.server.node, DiskFault::PowerCut, call, damage);
            self.server_fault = Some((DiskFault::PowerCut, damage));
        }
        self.backups += 1;
        let name = format!("backup-{}.db", self.backups);
        let to = self.server.node.path(&name);
        let (pos, hash) = district.state().head;
        let copied = Connection::open(district.path()).and_then(|connection| {
            connection.execute("VACUUM INTO ?1", [to.display().to_string()])
        });
        if self.server.node.is_dead() {
            self.mark("backup_cut_off");
            return true;
        }
        if let Err(error) = copied {
            let source = error.into();
            let what = "a back-up could not be made";
            self.refused("a back-up", &ServiceError::Internal { what, source });
            return true;
        }
        if dies_at.is_some() {
            self.server.node.disarm();
            self.server_fault = None;
        }
        let bytes = self.server.node.snapshot().get(&name).unwrap_or_default();
        self.backup = Some(ServerCopy {
            files: Files::default().with(&Server::district_file(), &bytes),
            model: self.model(),
            history: self.history,
        });
        self.mark("backed_up");
        self.office(AdminRequest::SecondPlace { pos, hash });
        true
    }

    /// As `gridwork restore` does: a new epoch is begun in the file and everything verified before it is served.
    fn restore_backup(&mut self) -> bool {
        let Some(backup) = self.backup.clone() else {
            return false;
        };
        let seen = self.server.district();
        let seen = seen.map(|district| district.state().facts.epoch().0);
        self.lose_server(backup.history);
        self.server.put_back(&backup.files);
        self.mark("backup_restored");
        if let Err(text) = self.begin_and_verify(seen) {
            self.violation(text);
            return true;
        }
        self.start_server(false);
        self.judge_restore(&backup.model);
        true
    }

    fn begin_and_verify(&self, seen: Option<sync_core::ids::Epoch>) -> Result<(), String> {
        let path = self.server.node.path(&Server::district_file());
        let failed = |error: &dyn std::error::Error| format!("a back-up is not put back: {error}");
        let control = Control::open(&self.server.node.path("control.db"));
        let control = control.map_err(|error| failed(&error))?;
        let noted = control.list_districts().map_err(|error| failed(&error))?;
        let known = noted.into_iter().find(|known| known.code == CODE);
        let known = known.ok_or("the control file has lost the district")?;
        let known = KnownDistrict {
            last_epoch: known.last_epoch.max(seen.unwrap_or(known.last_epoch)),
            ..known
        };
        let now_ms = self.server.clock.wall_ms();
        begin_restored(&path, &known, &control, now_ms).map_err(|error| failed(&error))?;
        let read = DistrictRead::open(&path).map_err(|error| failed(&error))?;
        let report = verify::verify(&read, CODE, Known::default(), &mut |_| {})
            .map_err(|error| failed(&error))?;
        match report.faults.first() {
            None => Ok(()),
            Some(fault) => Err(format!("verify of a back-up: {fault:?}")),
        }
    }

    fn update_server(&mut self) -> bool {
        if self.server.known == KnownIntents::ALL {
            return false;
        }
        self.server.stop();
        self.server.known = KnownIntents::ALL;
        self.start_server(false);
        true
    }
}
