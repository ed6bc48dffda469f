//! Enrolment: a fresh key and its proof for the one-time code, and the replica that the server's answer makes.

use std::cell::RefCell;

use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::shapes::Base64Url;
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::ids::{DistrictId, Epoch, PersonId, ReplicaId, ReplicaNo};
use sync_core::replica::Enrolment;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::{Failure, json};
use crate::{phone, random};

/// What a proof of the key is signed under.
const PROOF_TAG: &str = "gridwork/enrol/1";

/// The name and key that wait for the server's answer.
#[derive(Clone)]
struct Pending {
    code: String,
    replica: ReplicaId,
    key: SigningKey,
}

thread_local! {
    static PENDING: RefCell<Option<Pending>> = const { RefCell::new(None) };
}

/// The JSON body of `POST /v1/enrolments` for a code. The same code again gives the same body: the server knows the
/// replica by it when its first answer was lost.
///
/// # Errors
/// The code is not eight digits, or the browser gave no random bytes.
#[wasm_bindgen]
pub fn enrolment_request(code: &str) -> Result<String, JsError> {
    Ok(request(code)?)
}

fn request(code: &str) -> Result<String, Failure> {
    let code = code.trim();
    if code.len() != 8 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::code_malformed());
    }
    let known = PENDING.with_borrow(|pending| pending.clone().filter(|known| known.code == code));
    let pending = match known {
        Some(known) => known,
        None => Pending {
            code: code.to_owned(),
            replica: random::replica_id()?,
            key: SigningKey::from_seed(&random::bytes()?),
        },
    };
    PENDING.set(Some(pending.clone()));
    let public_key = pending.key.verifying_key().to_bytes();
    let message = [
        code.as_bytes(),
        &pending.replica.as_bytes()[..],
        &public_key,
    ]
    .concat();
    Ok(json(&EnrolmentRequest {
        code: pending.code,
        replica: pending.replica.0,
        public_key: Base64Url(public_key),
        proof: Base64Url(pending.key.sign(PROOF_TAG, &message).0),
        device_label: None,
        continues: None,
    }))
}

/// Makes the replica from the server's answer to the last [`enrolment_request`], durably.
///
/// # Errors
/// The answer is none, no request came before it, there is a replica already, or the database refused.
#[wasm_bindgen]
pub fn enrol(answer: &str) -> Result<(), JsError> {
    Ok(create(answer)?)
}

fn create(answer: &str) -> Result<(), Failure> {
    let answer: EnrolmentAnswer = serde_json::from_str(answer)?;
    let pending = PENDING
        .with_borrow(Clone::clone)
        .ok_or_else(|| Failure::input("no enrolment was asked for"))?;
    let server_keys = answer
        .server_keys
        .into_iter()
        .map(|key| Some((key.key_id, VerifyingKey::from_bytes(&key.public_key.0)?)))
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::input("a key of the server is not a key"))?;
    let enrolment = Enrolment {
        district: DistrictId(answer.district),
        replica: pending.replica,
        key_seed: *pending.key.seed(),
        replica_no: ReplicaNo(answer.replica_no),
        person: PersonId(answer.person),
        epoch: Epoch(answer.epoch),
        certificate: answer.certificate,
        server_keys,
    };
    if !enrolment.is_borne_out() {
        return Err(Failure::input("the answer is not what the server signed"));
    }
    phone::create(&enrolment)?;
    PENDING.set(None);
    Ok(())
}
