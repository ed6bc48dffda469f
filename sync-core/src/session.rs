//! The client's side of `POST /v1/sync` as a value: what to send next, what an answer means, when to try again.
//!
//! No socket, no thread, no clock, no randomness: the native client, the browser and the simulator drive the same one,
//! and hand in time, answers and dice. What must outlive the process lies in the [`Replica`]; a new session over the
//! same replica goes on where the old one was cut off.

use crate::backoff::{Window, delay_ms};
use crate::codec::CodecError;
use crate::limits;
use crate::replica::{
    Applied, ApplyError, Condition, OwnBatch, READS_VERSION, Replica, ReplicaError, RequestFacts,
};
use crate::time::Evidence;
use crate::wire::{PROTOCOL, SyncRequest, SyncResponse};

/// How often to ask when nothing calls for it, milliseconds.
pub const IDLE_MS: u64 = 15 * 60_000;
/// After how long a fresh access token is asked for; they hold for 15 minutes.
const TOKEN_MS: u64 = 10 * 60_000;
/// After how long a request without an answer counts as failed, milliseconds; a shell's own time-out comes sooner.
const LOST_MS: u64 = 5 * 60_000;

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The body of `POST /v1/sync`.
    pub bytes: Vec<u8>,
    /// Its number, to be handed back with the answer.
    pub request_no: u64,
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, a reset, a time-out: the link may not carry so much at once.
    Network,
    /// The server is there and cannot take it now (429, 503).
    Busy,
    /// The server, or something between, answered with what is no answer: a captive portal, a 4xx, a 5xx.
    Refused,
    /// The server does not know this replica (401 with the code `replica_unknown`): it was restored from a copy that is
    /// older than the enrolment. The next request shows the certificate, at once when the last one did not.
    UnknownReplica,
}

/// What an answer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It was taken in.
    Applied(Applied),
    /// It answers a request that was given up; nothing was done.
    Ignored,
}

/// Why an answer was not taken in. The session has counted it as a failure already.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The body is no answer of this protocol; it acknowledges nothing.
    #[error("the body is not an answer")]
    NotAnAnswer(#[source] CodecError),
    /// The body answers another request than the one that it came for.
    #[error("the answer is to another request")]
    OfAnotherRequest,
    /// The answer is one, but it must not be taken in.
    #[error("the answer was refused")]
    Apply(#[from] ApplyError),
}

#[derive(Clone, Debug)]
struct InFlight {
    facts: RequestFacts,
}

/// One conversation with the server. Nothing in it survives a restart, and nothing in it needs to.
#[derive(Clone, Debug)]
pub struct Session {
    /// The app's version, sent for the office's list of devices. Given anew at each start.
    app: String,
    /// The request whose answer is awaited. After a restart its answer is ignored, and what it carried is sent again:
    /// the server answers a repeat as it answered the first.
    in_flight: Option<InFlight>,
    /// Failures in a row. A restart may try at once.
    failures: u32,
    /// Not to be asked again before this much after `failed_at`.
    wait_ms: u64,
    failed_at: Option<Evidence>,
    /// How much a request carries. A restart tries the good link first.
    window: Window,
    /// Whether something new is known to wait on the server: after a start, a nudge, a page with more to follow.
    due: bool,
    /// When the last answer came. A restart counts as never.
    answered_at: Option<Evidence>,
    /// Whether requests show the enrolment certificate, until an answer comes. A restart is told so again.
    shows_certificate: bool,
    /// The access token and when it came. Never stored: a thief of the file gains no session.
    token: Option<(String, Evidence)>,
    /// Whether another endpoint is to be called, so that the next answer should bring a token when there is no fresh one.
    /// Most contacts need none, and its signature would be a quarter of an idle sync. A restart forgets the wish.
    wants_token: bool,
    /// Whether the next request shows the last head: the first one after a start, and after every failure. A server that was
    /// rolled back was away meanwhile. In every request it would be a third of what an idle sync may take.
    shows_head: bool,
}

/// Milliseconds from one reading of the device's clocks to a later one; `None` when they cannot be compared.
fn elapsed_ms(from: &Evidence, to: &Evidence) -> Option<u64> {
    if from.boot != 0 && from.boot == to.boot {
        to.monotonic_ms.checked_sub(from.monotonic_ms)
    } else {
        u64::try_from(to.wall_ms.checked_sub(from.wall_ms)?).ok()
    }
}

/// Whether so much time has passed. A clock that was set back counts as passed: better once too often than never.
fn has_passed(from: &Evidence, now: &Evidence, span_ms: u64) -> bool {
    elapsed_ms(from, now).is_none_or(|elapsed| elapsed >= span_ms)
}

impl Session {
    /// A session after a start of the app. The first request is due at once.
    pub fn new(app: &str) -> Self {
        Self {
            app: app
                .chars()
                .filter(|each| !each.is_control())
                .take(16)
                .collect(),
            in_flight: None,
            failures: 0,
            wait_ms: 0,
            failed_at: None,
            window: Window::default(),
            due: true,
            answered_at: None,
            shows_certificate: false,
            token: None,
            wants_token: false,
            shows_head: true,
        }
    }

    /// The next request, when there is a reason for one and nothing stands against it: one is in flight, a wait after
    /// a failure has not ended, or the replica has forked and must continue under another name first.
    ///
    /// # Errors
    /// What the database said; nothing is in flight then.
    pub fn next_request(
        &mut self,
        replica: &Replica,
        now: Evidence,
    ) -> Result<Option<Outgoing>, ReplicaError> {
        if let Some(in_flight) = &self.in_flight {
            if !has_passed(&in_flight.facts.sent_at, &now, LOST_MS) {
                return Ok(None);
            }
            self.in_flight = None;
        }
        let waits = self
            .failed_at
            .is_some_and(|failed_at| !has_passed(&failed_at, &now, self.wait_ms));
        let condition = replica.condition()?;
        if waits || matches!(condition, Condition::Forked | Condition::Wiped) {
            return Ok(None);
        }
        let batch = replica.next_batch(self.window.changes, self.window.batch_bytes)?;
        let wanted = replica.wanted(limits::WANTED_RECORDS_MAX)?;
        let idle = self
            .answered_at
            .is_none_or(|answered_at| has_passed(&answered_at, &now, IDLE_MS));
        let calls = !wanted.is_empty() || self.due || idle || self.lacks_token(&now);
        if batch.is_none() && (!calls || condition == Condition::Revoked) {
            return Ok(None);
        }
        let (head_seq, head_hash) = replica.head()?;
        let wants_token = self.lacks_token(&now);
        let request_no = replica.next_request_no()?;
        let sent_at = Evidence {
            skew_ms: replica.skew_ms()?,
            ..now
        };
        let certificate = if self.shows_certificate {
            replica.certificate()?.unwrap_or_default()
        } else {
            Vec::new()
        };
        let batch = batch.unwrap_or_else(OwnBatch::empty);
        let request = SyncRequest {
            protocol: PROTOCOL,
            district: replica.district(),
            replica: replica.replica_id(),
            request_no,
            head_seq,
            head_hash,
            sent_at,
            cursor: replica.cursor()?,
            first_seq: batch.first,
            prev_hash: batch.prev,
            count: batch.count,
            end_hash: batch.end,
            receipts: batch.receipts,
            wanted,
            wants_token,
            page_bytes_max: self.window.page_bytes as u64,
            image_version: READS_VERSION,
            app: self.app.clone(),
            certificate,
            known_keys: replica.known_keys()?,
            last_head: if self.shows_head {
                replica.last_head()?
            } else {
                Vec::new()
            },
            documents_held: replica.documents_held()?,
        };
        let bytes = request.encode(&batch.bytes, replica.signing_key());
        self.in_flight = Some(InFlight {
            facts: RequestFacts {
                request_no,
                sent_at,
                first_seq: batch.first,
                count: batch.count,
                wanted: request.wanted,
                asked_documents: request.documents_held.is_some(),
            },
        });
        Ok(Some(Outgoing { bytes, request_no }))
    }

    /// Takes the body of an answer with status 200. Anything that is no answer to the request in flight changes nothing in the
    /// replica; what came for that request and is none counts as a failure.
    ///
    /// # Errors
    /// See [`SessionError`]; the session waits before it tries again, `random` being any number, evenly spread.
    pub fn on_response(
        &mut self,
        replica: &mut Replica,
        request_no: u64,
        bytes: &[u8],
        now: Evidence,
        random: u64,
    ) -> Result<Progress, SessionError> {
        let Some(in_flight) = self
            .in_flight
            .as_ref()
            .filter(|in_flight| in_flight.facts.request_no == request_no)
        else {
            return Ok(Progress::Ignored);
        };
        let response = match SyncResponse::decode(bytes) {
            Ok(response) if response.request_no == request_no => response,
            Ok(_) => {
                // Something between gave the answer to another request. Ours has none any more.
                self.fail(Failure::Refused, None, now, random);
                return Err(SessionError::OfAnotherRequest);
            }
            Err(error) => {
                self.fail(Failure::Refused, None, now, random);
                return Err(SessionError::NotAnAnswer(error));
            }
        };
        let applied = match replica.apply_response(&response, &in_flight.facts, now) {
            Ok(applied) => applied,
            Err(error) => {
                self.fail(Failure::Refused, None, now, random);
                return Err(error.into());
            }
        };
        let sent_in_vain =
            in_flight.facts.count > 0 && applied.receipted == 0 && !applied.new_epoch;
        let asked_documents = in_flight.facts.asked_documents;
        self.in_flight = None;
        self.shows_certificate = false;
        self.answered_at = Some(now);
        self.shows_head = false;
        if sent_in_vain {
            // The server is there, but what it would be sent again at once is the same: that must not become a loop.
            self.fail(Failure::Refused, None, now, random);
        } else {
            (self.failures, self.wait_ms, self.failed_at) = (0, 0, None);
            self.window = self.window.grown();
        }
        // A server that was asked and brought nothing has none to give.
        let documents_follow =
            applied.documents.lacks && (applied.documents.brought || !asked_documents);
        self.due = applied.more || applied.repairs || applied.new_epoch || documents_follow;
        if let Some(token) = response.token {
            self.token = Some((token, now));
            self.wants_token = false;
        }
        Ok(Progress::Applied(applied))
    }

    /// The request did not bring an answer. `retry_after_ms` is what the server asked for, if it did.
    /// A failure of a request that was given up changes nothing.
    pub fn on_failure(
        &mut self,
        request_no: u64,
        failure: Failure,
        retry_after_ms: Option<u64>,
        now: Evidence,
        random: u64,
    ) {
        let is_ours = self
            .in_flight
            .as_ref()
            .is_some_and(|in_flight| in_flight.facts.request_no == request_no);
        if is_ours {
            self.fail(failure, retry_after_ms, now, random);
            if failure == Failure::UnknownReplica && !self.shows_certificate {
                (self.shows_certificate, self.wait_ms, self.failed_at) = (true, 0, None);
            }
        }
    }

    fn fail(&mut self, failure: Failure, retry_after_ms: Option<u64>, now: Evidence, random: u64) {
        self.in_flight = None;
        self.due = true;
        self.shows_head = true;
        self.failures = self.failures.saturating_add(1);
        self.wait_ms = delay_ms(self.failures, random, retry_after_ms);
        self.failed_at = Some(now);
        if failure == Failure::Network {
            self.window = self.window.shrunk();
        }
    }

    /// The server said that there is something new, or the person pulled the list down. Ends no wait after a failure.
    pub fn on_nudge(&mut self) {
        self.due = true;
    }

    /// The link came back, or the person asked to try now: a wait after a failure ends.
    pub fn on_link(&mut self) {
        (self.due, self.wait_ms, self.failed_at) = (true, 0, None);
    }

    /// Whether a request waits for its answer.
    pub fn is_waiting(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Another endpoint is to be called: the next request asks for an access token, unless there is a fresh one.
    pub fn want_token(&mut self) {
        self.wants_token = true;
    }

    fn lacks_token(&self, now: &Evidence) -> bool {
        let is_old = |(_, came): &(String, Evidence)| has_passed(came, now, TOKEN_MS);
        self.wants_token && self.token.as_ref().is_none_or(is_old)
    }

    /// The access token for other endpoints, as long as it is fresh.
    pub fn token(&self, now: &Evidence) -> Option<&str> {
        self.token
            .as_ref()
            .filter(|(_, came)| !has_passed(came, now, 14 * 60_000))
            .map(|(token, _)| token.as_str())
    }

    /// How long until a request may be sent, milliseconds; 0 when nothing stands against it but one in flight.
    pub fn wait_ms(&self, now: &Evidence) -> u64 {
        self.failed_at.map_or(0, |failed_at| {
            let elapsed = elapsed_ms(&failed_at, now).unwrap_or(self.wait_ms);
            self.wait_ms.saturating_sub(elapsed)
        })
    }
}

#[cfg(test)]
mod tests;
