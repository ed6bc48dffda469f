//! What comes into the log beside people's requests: epochs, what a newer version learned, the office's entries and rulings.

use super::district::RULER;
use super::world::World;
use crate::oracle::log::Row;
use crate::oracle::{AdmissionOracle, Prediction};
use sync_core::kinds::KnownIntents;
use sync_core::wire::{EnrolmentCertificate, RequestBody};

impl World {
    /// A certificate that is on its way to the server with a request. A request that is refused for something else may
    /// have its replica let in again all the same.
    pub(super) fn note_certificate(&mut self, bytes: &[u8]) {
        let Some(district) = self.server.district() else {
            return;
        };
        let certificate = RequestBody::read(bytes)
            .ok()
            .and_then(|body| EnrolmentCertificate::decode(&body.request.certificate).ok());
        let Some(certificate) = certificate else {
            return;
        };
        let state = district.state();
        let key = state.directory.server_key(&certificate.key_id);
        if key.is_some_and(|key| certificate.is_signed_by(district.id(), key)) {
            let replica = *certificate.replica.as_bytes();
            let received_ms = certificate.received_ms;
            self.judge.certified.insert(replica, received_ms);
        }
    }

    /// Epochs that the server has begun at this place of the log. By itself it begins one only when a phone has shown it a
    /// head of a history that was lost with a roll-back.
    pub(super) fn judge_epochs(&mut self) {
        let Some(district) = self.server.district() else {
            return;
        };
        let state = district.state();
        let begun = state.facts.epochs.get(self.judge.oracle.count_epochs());
        let Some((epoch, start)) = begun else { return };
        if start.0 != self.judge.oracle.head() {
            return;
        }
        if self.rolled_back {
            self.mark("roll_back_noticed");
        } else {
            self.violation(format!("the server began epoch {epoch} by itself"));
        }
        self.judge.oracle.begin_epoch(epoch.0);
    }

    /// A newer version of the server rules on what waited for it when it starts for the first time.
    pub(super) fn judge_learning(&mut self, rows: &mut &[Row]) {
        if self.server.known != KnownIntents::ALL || self.judge.oracle.knows_intents() {
            return;
        }
        let before = self.judge.oracle.head();
        let at_ms = self.server_now_ms();
        let rulings = self.judge.oracle.learn(at_ms);
        if !rulings.is_empty() {
            self.mark("server_learned");
        }
        let prediction = Prediction::of_rulings(rulings);
        self.judge_rows(&prediction, before, rows, "what a newer server learned");
    }

    /// The model is that of a copy, which took the place of the server's files: a new epoch begins.
    pub(super) fn judge_restore(&mut self, model: &AdmissionOracle) {
        let expected = self.judge.oracle.epoch() + 1;
        self.judge.oracle = model.clone();
        let Some(district) = self.server.district() else {
            return;
        };
        let (epoch, _) = district.state().facts.epoch();
        // After a roll-back the server may not know of all epochs that there were.
        if epoch.0 != expected && !self.rolled_back {
            self.violation(format!("epoch {epoch} began where {expected} should"));
        }
        self.judge.oracle.begin_epoch(epoch.0);
        self.judge(Vec::new());
    }

    /// The model is that of a copy, and the server does not know that its files were put back.
    pub(super) fn judge_roll_back(&mut self, model: &AdmissionOracle) {
        self.judge.oracle = model.clone();
        self.judge(Vec::new());
    }

    /// The model as it is now, to go with a copy of the server's files.
    pub(super) fn model(&self) -> AdmissionOracle {
        self.judge.oracle.clone()
    }

    /// A text of a document that the server may name from now on.
    pub(super) fn know_document(&mut self, hash: String, text: String) {
        self.judge.oracle.know_document(hash, text);
    }

    /// Directory entries and rulings that come next in the log.
    pub(super) fn judge_office(&mut self, rows: &mut &[Row]) {
        while let Some((row, rest)) = rows.split_first() {
            // A certificate may show a roll-back before its replica is let in again.
            self.judge_epochs();
            match row {
                Row::Directory(_, received_ms, body) => {
                    let name = body["replica"].as_str().map(uuid::Uuid::parse_str);
                    let enrolled_ms = name
                        .and_then(Result::ok)
                        .and_then(|name| self.judge.certified.get(name.as_bytes()));
                    let first_ms = enrolled_ms.map_or(*received_ms, |ms| *ms.min(received_ms));
                    self.judge.oracle.readmit(body, *received_ms, first_ms);
                    *rows = rest;
                }
                Row::Ruling(ruling) if ["admitted", "rejected"].contains(&&*ruling.ruling) => {
                    let before = self.judge.oracle.head();
                    let at_ms = self.server_now_ms();
                    let oracle = &mut self.judge.oracle;
                    let Some(rulings) = oracle.rule(ruling.of, &ruling.ruling, RULER.0, at_ms)
                    else {
                        self.violation(format!("the model refuses the ruling {ruling:?}"));
                        return;
                    };
                    let prediction = Prediction::of_rulings(rulings);
                    if !self.judge_rows(&prediction, before, rows, "a ruling") {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// The time that the log's next entry has: it never falls, whatever the clock does.
    pub(super) fn server_now_ms(&self) -> i64 {
        use server::clock::Clock as _;
        let last_ms = self.server.district().and_then(|district| {
            let read = || district.read_here(|read| Ok(read.last_received_ms()?));
            self.server.node.without_faults(read).ok()
        });
        let wall_ms = self.server.clock.wall_ms();
        last_ms.map_or(wall_ms, |last_ms| wall_ms.max(last_ms))
    }
}
