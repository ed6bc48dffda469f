//! A conversation: what passes between a phone and the server, one exchange after the other, and what the link does to it.

use super::plan::{Cut, Event, Fate};
use super::server::Delivered;
use super::world::{Flight, World};
use server::service::ServiceError;
use sync_core::replica::{ApplyError, Condition};
use sync_core::session::{Failure, Outgoing, Progress, SessionError};

/// Exchanges after which a conversation that does not end is a defect.
const EXCHANGES_MAX: usize = 400;
/// Requests of a phone that are kept for replays.
const REQUESTS_KEPT: usize = 6;

fn cut(bytes: &mut Vec<u8>, permille: u16) {
    let keep = bytes.len() * usize::from(permille) / 1_000;
    bytes.truncate(keep);
}

fn spoil(bytes: &mut [u8], permille: u16) {
    if !bytes.is_empty() {
        let at = (bytes.len() * usize::from(permille) / 1_000).min(bytes.len() - 1);
        bytes[at] ^= 1 << (permille % 8);
    }
}

impl World {
    /// A conversation: `fate` strikes its first exchange.
    pub(super) fn sync(&mut self, index: usize, fate: Fate) {
        if !self.is_on(index) {
            return;
        }
        self.phones[index].session.on_link();
        if fate == Fate::CutShort {
            self.exchange(index, fate);
            return;
        }
        let mut fate = fate;
        for _ in 0..EXCHANGES_MAX {
            if !self.exchange(index, fate) {
                return;
            }
            fate = Fate::Carried;
        }
        self.violation(format!("phone {index} does not come to an end"));
    }

    /// Whether the phone's app runs.
    pub(super) fn is_on(&self, index: usize) -> bool {
        let phone = &self.phones[index];
        !phone.gone && phone.replica.is_some()
    }

    /// The next request of a phone, after a fork under its new name; `None` when there is none.
    pub(super) fn next_request(&mut self, index: usize) -> Option<Outgoing> {
        let condition = self.phones[index].replica.as_ref()?.condition();
        match condition {
            Ok(Condition::Forked) => {
                if !self.continue_fork(index) {
                    return None;
                }
            }
            Ok(_) => {}
            Err(error) => {
                self.phone_failed(index, &error);
                return None;
            }
        }
        let at = self.phones[index].clocks(&self.server);
        let phone = &mut self.phones[index];
        match phone.session.next_request(phone.replica.as_ref()?, at) {
            Ok(request) => {
                let request = request?;
                if phone.requests.len() == REQUESTS_KEPT {
                    let oldest = phone.dice.below(REQUESTS_KEPT as u64) as usize;
                    phone.requests.remove(oldest);
                }
                phone.requests.push(request.bytes.clone());
                Some(request)
            }
            Err(error) => {
                self.phone_failed(index, &error);
                None
            }
        }
    }

    fn continue_fork(&mut self, index: usize) -> bool {
        let answer_lost = self.dice.below(5) == 0;
        match self.phones[index].continue_fork(&self.server, answer_lost) {
            Ok(Ok(())) => {
                self.mark("fork_continued");
                true
            }
            Ok(Err(ServiceError::ReplicaUnknown)) => true,
            Ok(Err(error)) => {
                if answer_lost && matches!(error, ServiceError::Overloaded) {
                    self.mark("fork_answer_lost");
                } else {
                    self.refused("a fork", &error);
                }
                false
            }
            Err(error) => {
                self.phone_failed(index, &error);
                false
            }
        }
    }

    /// One request and its answer. Whether the conversation goes on.
    fn exchange(&mut self, index: usize, fate: Fate) -> bool {
        let Some(request) = self.next_request(index) else {
            return false;
        };
        let fate = match self.phones[index].partition {
            Some((Cut::Up | Cut::Both, until)) if until > self.event => Fate::RequestLost,
            Some((Cut::Down, until)) if until > self.event => Fate::AnswerLost,
            _ => {
                if let Some(name) = (Event::Sync { phone: 0, fate }).fault() {
                    self.struck(name);
                }
                fate
            }
        };
        let number = request.request_no;
        let mut bytes = request.bytes;
        match fate {
            Fate::RequestLost => {
                self.failed(index, number, Failure::Network);
                return false;
            }
            Fate::RequestLate(events) => {
                let flight = Flight::Request {
                    phone: index,
                    request_no: Some(number),
                    bytes,
                };
                self.flights
                    .push((self.event + usize::from(events), flight));
                return false;
            }
            Fate::RequestTwice(events) => {
                let flight = Flight::Request {
                    phone: index,
                    request_no: None,
                    bytes: bytes.clone(),
                };
                self.flights
                    .push((self.event + usize::from(events), flight));
            }
            Fate::RequestCut(permille) => cut(&mut bytes, permille),
            Fate::RequestSpoilt(permille) => spoil(&mut bytes, permille),
            _ => {}
        }
        let answer = match self.deliver(&bytes) {
            Delivered::Answer(answer) => answer,
            Delivered::Down => {
                self.failed(index, number, Failure::Network);
                return false;
            }
            Delivered::Refused(ServiceError::ReplicaUnknown) => {
                // A copy that is older than the enrolment was put back; the next request shows the certificate.
                self.mark("unknown_replica");
                self.failed(index, number, Failure::UnknownReplica);
                return true;
            }
            Delivered::Refused(error) => {
                let is_busy = matches!(
                    error,
                    ServiceError::StorageFull
                        | ServiceError::Overloaded
                        | ServiceError::ClockUnsafe
                );
                let was_whole = !matches!(fate, Fate::RequestCut(_) | Fate::RequestSpoilt(_));
                let is_unknown = matches!(error, ServiceError::ReplicaUnknown);
                if was_whole && !is_unknown {
                    self.refused(&format!("a whole request of phone {index}"), &error);
                }
                let failure = if is_busy {
                    Failure::Busy
                } else if is_unknown {
                    Failure::UnknownReplica
                } else {
                    Failure::Refused
                };
                self.failed(index, number, failure);
                return false;
            }
        };
        if matches!(fate, Fate::RequestCut(_) | Fate::RequestSpoilt(_)) {
            self.violation(format!("a request that came as {fate:?} was answered"));
            return false;
        }
        self.receive(index, number, answer, fate)
    }

    /// An answer is on its way back. Whether the conversation goes on.
    fn receive(&mut self, index: usize, number: u64, mut answer: Vec<u8>, fate: Fate) -> bool {
        match fate {
            Fate::AnswerLost => {
                self.failed(index, number, Failure::Network);
                return false;
            }
            Fate::AnswerLate(events) => {
                let flight = Flight::Answer {
                    phone: index,
                    request_no: number,
                    bytes: answer,
                };
                self.flights
                    .push((self.event + usize::from(events), flight));
                return false;
            }
            Fate::AnswerCut(permille) => cut(&mut answer, permille),
            Fate::AnswerSpoilt(permille) => spoil(&mut answer, permille),
            Fate::CaptivePortal(kind) => {
                self.mark("portal");
                answer = match kind % 4 {
                    0 => Vec::new(),
                    1 => b"<html>Welcome to our network</html>".to_vec(),
                    2 => br#"{"ok":true}"#.to_vec(),
                    _ => self.phones[index]
                        .requests
                        .last()
                        .cloned()
                        .unwrap_or_default(),
                };
            }
            _ => {}
        }
        let is_whole = !matches!(
            fate,
            Fate::AnswerCut(_) | Fate::AnswerSpoilt(_) | Fate::CaptivePortal(_)
        );
        self.take_in(index, number, &answer, is_whole)
    }

    /// The phone takes in what came. Whether the conversation goes on.
    pub(super) fn take_in(
        &mut self,
        index: usize,
        number: u64,
        answer: &[u8],
        is_whole: bool,
    ) -> bool {
        let at = self.phones[index].clocks(&self.server);
        let phone = &mut self.phones[index];
        let random = phone.dice.next_u64();
        let Some(replica) = &mut phone.replica else {
            return false;
        };
        let before = replica.counts().map_or(0, |counts| counts.records);
        let taken = phone
            .session
            .on_response(replica, number, answer, at, random);
        match taken {
            Ok(Progress::Applied(applied)) => {
                if !is_whole {
                    self.violation(format!(
                        "phone {index} took in an answer that was not whole"
                    ));
                    return false;
                }
                phone.diverged |= applied.diverged;
                if applied.new_epoch {
                    match replica.head() {
                        Ok((head, _)) => phone.last_made = (replica.replica_id(), head, false),
                        Err(_) => phone.last_made.2 = true,
                    }
                }
                let differs = applied.repairs;
                let holds = replica.counts().map_or(0, |counts| counts.records);
                if applied.left > 0 {
                    self.mark("scope_lost");
                    if holds + applied.left > before {
                        self.mark("frozen_copy");
                    }
                }
                // Repairs would mend it, and hide what went wrong before. After a restore one is in order: a record that had
                // left with a move which the restore lost is back, and nothing else tells of it.
                if differs && self.history == 0 {
                    self.violation(format!(
                        "phone {index} found that it differs from the server"
                    ));
                }
                self.note_taken(index, answer);
                self.wipe(index);
                true
            }
            Ok(Progress::Ignored) => {
                self.mark("late_answer_ignored");
                false
            }
            Err(SessionError::Apply(ApplyError::Replica(error))) => {
                // An answer of a new epoch makes changes of its own: it repeats what earlier names had received.
                phone.last_made.2 = true;
                if phone.node.is_dead() {
                    self.mark("phone_crash_while_applying");
                }
                self.phone_failed(index, &error);
                false
            }
            Err(error) => {
                // Whoever puts all files back by hand twice may begin an epoch of one number twice. The phone then refuses the
                // shorter log, and shows what it saw with its next request (decision 9).
                let is_proof = matches!(&error, SessionError::Apply(ApplyError::BadHead(_)));
                if is_whole && !(is_proof && self.rolled_back) {
                    let mut text = format!("phone {index} refused a whole answer: {error}");
                    let mut cause = std::error::Error::source(&error);
                    while let Some(inner) = cause {
                        text = format!("{text}: {inner}");
                        cause = inner.source();
                    }
                    self.violation(text);
                }
                false
            }
        }
    }

    pub(super) fn failed(&mut self, index: usize, number: u64, failure: Failure) {
        let at = self.phones[index].clocks(&self.server);
        let phone = &mut self.phones[index];
        let random = phone.dice.next_u64();
        phone.session.on_failure(number, failure, None, at, random);
    }

    /// A "no" must have a reason that the world knows of.
    pub(super) fn refused(&mut self, what: &str, error: &ServiceError) {
        match error {
            ServiceError::StorageFull => self.mark("server_full"),
            ServiceError::ClockUnsafe => self.mark("clock_stopped"),
            ServiceError::Overloaded | ServiceError::Internal { .. }
                if self.server_is_troubled() => {}
            error => {
                let mut text = format!("{what} was refused: {error}");
                let mut cause = std::error::Error::source(error);
                while let Some(inner) = cause {
                    text = format!("{text}: {inner}");
                    cause = inner.source();
                }
                self.violation(text);
            }
        }
    }

    /// Whether the server's disk or process gives it reason to fail.
    pub(super) fn server_is_troubled(&self) -> bool {
        !self.server.is_up() || self.server.node.is_dead() || self.server.node.fired().is_some()
    }
}
