//! What passes between phones and server, and what the link does to it. Every answer that leaves the server is noted as
//! a promise before anything can happen to it.

use super::judge::Asked;
use super::plan::{Cut, Fate};
use super::server::Delivered;
use super::world::{Flight, Promise, World};
use server::clock::Clock as _;
use server::service::ServiceError;
use sync_core::ids::Seq;
use sync_core::replica::{ApplyError, Condition, Wipe};
use sync_core::session::{Failure, Outgoing, Progress, SessionError};
use sync_core::verdict::{Marks, Verdict, encode_answers};
use sync_core::wire::{Receipt, RequestBody, SyncResponse};

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
    fn next_request(&mut self, index: usize) -> Option<Outgoing> {
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
            Some((_, until)) if until <= self.event => fate,
            Some((Cut::Up | Cut::Both, _)) => Fate::RequestLost,
            Some((Cut::Down, _)) => Fate::AnswerLost,
            None => fate,
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
    fn take_in(&mut self, index: usize, number: u64, answer: &[u8], is_whole: bool) -> bool {
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
                if differs && self.outcome.marks.count("restored") == 0 {
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
                if is_whole {
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

    fn failed(&mut self, index: usize, number: u64, failure: Failure) {
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

    pub(super) fn deliver(&mut self, bytes: &[u8]) -> Delivered {
        let head = self
            .server
            .district()
            .map(|district| district.state().head.0);
        let wall_ms = self.server.clock.wall_ms();
        let delivered = self.server.deliver(bytes);
        let asked = self.asked(bytes, wall_ms, &delivered);
        self.judge(asked.into_iter().collect());
        if let Delivered::Answer(answer) = &delivered {
            self.note_promises(bytes, answer);
        } else if self.server.node.is_dead() {
            self.note_death(head);
        }
        delivered
    }

    /// A request for the model, when the server has taken it or died over it.
    fn asked(&self, bytes: &[u8], wall_ms: i64, delivered: &Delivered) -> Option<Asked> {
        let response = match delivered {
            Delivered::Answer(answer) => Some(SyncResponse::decode(answer).ok()?),
            _ if self.server_is_troubled() => None,
            _ => return None,
        };
        Some(Asked {
            bytes: bytes.to_vec(),
            wall_ms,
            response,
        })
    }

    fn note_death(&mut self, head: Option<sync_core::ids::Pos>) {
        self.server_head_at_death = head.or(self.server_head_at_death);
    }

    /// Several phones' requests wait for one commit.
    pub(super) fn together(&mut self, first: u8, count: u8) {
        let mut waiting = Vec::new();
        for step in 0..count {
            let index = self.phone_of(first.wrapping_add(step));
            let is_new = waiting.iter().all(|(other, _)| *other != index);
            if !is_new || !self.is_on(index) || self.phones[index].partition.is_some() {
                continue;
            }
            self.phones[index].session.on_link();
            if let Some(request) = self.next_request(index) {
                waiting.push((index, request));
            }
        }
        let head = self
            .server
            .district()
            .map(|district| district.state().head.0);
        let requests: Vec<Vec<u8>> = waiting
            .iter()
            .map(|(_, request)| request.bytes.clone())
            .collect();
        if requests.len() > 1 {
            self.mark("group_of_batches");
        }
        let wall_ms = self.server.clock.wall_ms();
        let answers = self.server.deliver_together(&requests);
        let asked = requests
            .iter()
            .zip(&answers)
            .filter_map(|(bytes, delivered)| self.asked(bytes, wall_ms, delivered))
            .collect();
        self.judge(asked);
        for ((index, request), delivered) in waiting.into_iter().zip(answers) {
            match delivered {
                Delivered::Answer(answer) => {
                    self.note_promises(&request.bytes, &answer);
                    self.take_in(index, request.request_no, &answer, true);
                }
                Delivered::Down => self.failed(index, request.request_no, Failure::Network),
                Delivered::Refused(ServiceError::ReplicaUnknown) => {
                    self.mark("unknown_replica");
                    self.failed(index, request.request_no, Failure::UnknownReplica);
                }
                Delivered::Refused(error) => {
                    self.refused("a request beside others", &error);
                    self.failed(index, request.request_no, Failure::Busy);
                }
            }
        }
        if self.server.node.is_dead() {
            self.note_death(head);
        }
    }

    /// What is due arrives.
    pub(super) fn land_flights(&mut self) {
        let event = self.event;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|(at, _)| *at <= event);
        self.flights = later;
        for (_, flight) in due {
            match flight {
                Flight::Request {
                    phone,
                    request_no,
                    bytes,
                } => {
                    self.mark("late_request");
                    let delivered = self.deliver(&bytes);
                    if let (Delivered::Answer(answer), Some(number)) = (delivered, request_no)
                        && self.is_on(phone)
                    {
                        self.take_in(phone, number, &answer, true);
                    }
                }
                Flight::Answer {
                    phone,
                    request_no,
                    bytes,
                } => {
                    if self.is_on(phone) {
                        self.take_in(phone, request_no, &bytes, true);
                    }
                }
            }
        }
    }

    /// A request of long ago.
    pub(super) fn replay(&mut self, index: usize, pick: u32) {
        let requests = &self.phones[index].requests;
        if requests.is_empty() {
            return;
        }
        let bytes = requests[pick as usize % requests.len()].clone();
        self.deliver(&bytes);
    }

    /// Every verdict that leaves the server is compared with all that left it before.
    pub(super) fn note_promises(&mut self, request: &[u8], answer: &[u8]) {
        let Ok(response) = SyncResponse::decode(answer) else {
            self.violation("the server gave an answer that nobody can read");
            return;
        };
        let Ok(body) = RequestBody::read(request) else {
            self.violation("the server answered a request that nobody can read");
            return;
        };
        self.outcome.marks.add("duplicates", response.duplicates);
        let first = body.request.first_seq;
        let hashes = body.batch().map_or_else(
            |_| Vec::new(),
            |batch| {
                batch.chain(
                    body.request.district,
                    body.request.replica,
                    first,
                    body.request.prev_hash,
                )
            },
        );
        for receipt in &response.receipts {
            self.note_receipt(receipt, response.epoch.0, first, &hashes);
        }
    }

    fn note_receipt(
        &mut self,
        receipt: &Receipt,
        epoch: u32,
        first: Seq,
        hashes: &[sync_core::change::Hash],
    ) {
        for seq in receipt.from.0..=receipt.to.0 {
            let Some((answer, _, time_ms)) = receipt.answer(Seq(seq)) else {
                self.violation(format!("a receipt for {seq} has no verdict for it"));
                continue;
            };
            let mut bytes = encode_answers(std::slice::from_ref(answer));
            bytes.extend(time_ms.to_be_bytes());
            let id = (receipt.replica, Seq(seq));
            let promise = Promise { epoch, bytes };
            match self.promises.insert(id, promise.clone()) {
                None => self.note_verdict(answer.verdict),
                Some(known) if known.epoch == epoch && known.bytes != promise.bytes => {
                    self.violation(format!("the verdict on {} {seq} changed", receipt.replica));
                }
                Some(_) => {}
            }
            let hash = seq
                .checked_sub(first.0)
                .and_then(|at| hashes.get(at as usize));
            let Some(hash) = hash else { continue };
            for number in self.by_id.get(&id).into_iter().flatten() {
                let made = &mut self.made[*number];
                if made.hash == *hash {
                    made.acknowledged = Some(epoch);
                }
            }
        }
    }

    fn note_verdict(&mut self, verdict: Verdict) {
        self.mark(match verdict {
            Verdict::Accepted => "accepted",
            Verdict::Conflict => "conflict",
            Verdict::NotApplied => "not_applied",
            Verdict::Held => "held",
            Verdict::Quarantined => "quarantined",
        });
    }

    /// The verdicts that a phone has taken in stay what they are, whatever the server goes through.
    fn note_taken(&mut self, index: usize, answer: &[u8]) {
        let Ok(response) = SyncResponse::decode(answer) else {
            return;
        };
        for receipt in &response.receipts {
            for seq in receipt.from.0..=receipt.to.0 {
                let Some((answer, _, time_ms)) = receipt.answer(Seq(seq)) else {
                    continue;
                };
                // That a copy of the phone was counted instead, or that it came back after a restore, is no other verdict.
                let mut answer = answer.clone();
                answer.marks.0 &= !Marks::REPEAT.with(Marks::REOFFERED).0;
                let mut bytes = encode_answers(&[answer]);
                bytes.extend(time_ms.to_be_bytes());
                let id = (receipt.replica, Seq(seq));
                let before = self.phones[index].taken.insert(id, bytes.clone());
                if before.is_some_and(|before| before != bytes) {
                    self.violation(format!(
                        "phone {index} was told another verdict on its change {seq}"
                    ));
                }
            }
        }
    }

    pub(super) fn wipe(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        let Some(replica) = &mut phone.replica else {
            return;
        };
        match replica.wipe_when_safe() {
            Ok(Wipe::NotOrdered) => {}
            Ok(Wipe::Waits { .. }) => self.mark("revoked_handed_in"),
            Ok(Wipe::Wiped) => {
                phone.gone = true;
                // What was repeated after a fork was acknowledged under another name.
                let unknown: Vec<String> = phone
                    .holds
                    .iter()
                    .map(|number| &self.made[*number])
                    .filter(|made| made.is_certain && made.acknowledged.is_none())
                    .map(|made| made.mark.clone())
                    .collect();
                let taken = self.first_not_in_log(&unknown);
                let phone = &mut self.phones[index];
                // What a restored server then misses, this phone cannot bring back.
                phone.holds.clear();
                if let Some(mark) = taken {
                    self.violation(format!(
                        "the wipe of phone {index} took unsent work: {mark}"
                    ));
                }
                self.mark("wiped");
            }
            Err(error) => self.phone_failed(index, &error),
        }
    }
}
