//! The conversation with the server, driven by the worker: what to send, what an answer did, when to try again.

use serde::Serialize;
use sync_core::session::{Failure as Lost, Progress};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::{Failure, json};
use crate::{phone, random};

/// A request to send: the body of `POST /v1/sync` and its number, to be handed back with the answer.
#[wasm_bindgen]
pub struct Outgoing {
    bytes: Vec<u8>,
    request_no: u64,
}

#[wasm_bindgen]
impl Outgoing {
    /// The body.
    #[wasm_bindgen(getter)]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Its number, a BigInt.
    #[wasm_bindgen(getter)]
    pub fn request_no(&self) -> u64 {
        self.request_no
    }
}

/// The next request; nothing when there is no reason for one, or one waits for its answer, or a wait has not ended.
///
/// # Errors
/// Not open, not enrolled, or the database failed.
#[wasm_bindgen]
pub fn next_request(now: &str) -> Result<Option<Outgoing>, JsError> {
    let now = phone::evidence(now)?;
    let outgoing = phone::with(|phone| Ok(phone.session.next_request(&phone.replica, now)?))?;
    Ok(outgoing.map(|outgoing| Outgoing {
        bytes: outgoing.bytes,
        request_no: outgoing.request_no,
    }))
}

#[derive(Serialize)]
struct Taken {
    ignored: bool,
    receipted: u64,
    entries: u64,
    images: u64,
    more: bool,
    diverged: bool,
}

/// Takes the body of an answer with status 200 and says what it did, as JSON. What it brought is durable then.
///
/// # Errors
/// The body is no answer or must not be taken in: nothing of it was, and the session waits before it tries again.
#[wasm_bindgen]
pub fn on_response(request_no: u64, bytes: &[u8], now: &str) -> Result<String, JsError> {
    let now = phone::evidence(now)?;
    let random = random::number()?;
    let progress = phone::with(|phone| {
        let replica = &mut phone.replica;
        Ok(phone
            .session
            .on_response(replica, request_no, bytes, now, random)?)
    })?;
    let (ignored, applied) = match progress {
        Progress::Applied(applied) => (false, applied),
        Progress::Ignored => (true, Default::default()),
    };
    Ok(json(&Taken {
        ignored,
        receipted: applied.receipted,
        entries: applied.entries,
        images: applied.images,
        more: applied.more,
        diverged: applied.diverged,
    }))
}

/// The request brought no answer. `kind` is `network`, `busy`, `refused` or, for a problem of
/// the code `replica_unknown`, `unknown_replica`; `retry_after_ms` what the server asked for.
///
/// # Errors
/// Another kind, or not open, or not enrolled.
#[wasm_bindgen]
pub fn on_failure(
    request_no: u64,
    kind: &str,
    retry_after_ms: Option<u32>,
    now: &str,
) -> Result<(), JsError> {
    let lost = match kind {
        "network" => Lost::Network,
        "busy" => Lost::Busy,
        "refused" => Lost::Refused,
        "unknown_replica" => Lost::UnknownReplica,
        _ => {
            let kinds = "kind: not network, busy, refused or unknown_replica";
            return Err(Failure::input(kinds).into());
        }
    };
    let now = phone::evidence(now)?;
    let random = random::number()?;
    Ok(phone::with(|phone| {
        let after_ms = retry_after_ms.map(u64::from);
        phone
            .session
            .on_failure(request_no, lost, after_ms, now, random);
        Ok(())
    })?)
}

/// The link came back, or the person asked to try now: a wait after a failure ends, and a request is due.
///
/// # Errors
/// Not open, or not enrolled.
#[wasm_bindgen]
pub fn on_link() -> Result<(), JsError> {
    Ok(phone::with(|phone| {
        phone.session.on_link();
        Ok(())
    })?)
}

/// Milliseconds until a request may be sent; 0 when nothing stands against it but one in flight.
///
/// # Errors
/// Not open, or not enrolled.
#[wasm_bindgen]
pub fn wait_ms(now: &str) -> Result<f64, JsError> {
    let now = phone::evidence(now)?;
    Ok(phone::with(|phone| Ok(phone.session.wait_ms(&now) as f64))?)
}
