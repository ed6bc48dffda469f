//! Changes, payloads and messages as they come off the wire.

use super::choices::Choices;
use sync_core::change::{Batch, Hash, Header};
use sync_core::codec::put_prefixed;
use sync_core::decide::prepare;
use sync_core::ids::{DistrictId, ReplicaId, Seq};
use sync_core::kinds::{self, KnownIntents};
use sync_core::merge::{Act, RecordState};
use sync_core::scope::Scope;
use sync_core::validate::{is_json_object, read_and_validate};
use sync_core::verdict::decode_answers;
use sync_core::wire::{
    Receipt, RequestBody, SignedHead, SyncResponse, WipeOrder, check_of, read_items,
};
use uuid::Uuid;

const DISTRICT: DistrictId = DistrictId(Uuid::from_u128(0xd1));
const REPLICA: ReplicaId = ReplicaId(Uuid::from_u128(0xa1));

/// A header, and a batch of as many changes as the first byte says.
pub fn changes(data: &[u8]) {
    if let Ok(header) = Header::decode(data) {
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
    let Some((count, rest)) = data.split_first() else {
        return;
    };
    if let Ok(batch) = Batch::read(usize::from(*count), rest) {
        read_batch(&batch);
    }
}

fn read_batch(batch: &Batch<'_>) {
    let hashes = batch.chain(DISTRICT, REPLICA, Seq(1), Hash::ZERO);
    assert_eq!(hashes.len(), batch.changes.len());
    for (index, (change, hash)) in batch.changes.iter().zip(hashes).enumerate() {
        let prepared = prepare(change, Seq(index as u64 + 1), hash, KnownIntents::ALL);
        assert!(prepared.header.is_some() || !prepared.problems.is_empty());
        assert_eq!(prepared.header_bytes, change.header);
    }
}

/// An open part, read as that of the intent which the first byte names.
pub fn payloads(data: &[u8]) {
    let Some((intent, open)) = data.split_first() else {
        return;
    };
    let _ = is_json_object(open);
    let intents: Vec<_> = kinds::all().collect();
    let intent = intents[usize::from(*intent) % intents.len()];
    let (payload, problems) = read_and_validate(intent, Some(open));
    assert!(payload.is_some() || !problems.is_empty());
    if let Some(payload) = payload.filter(|_| problems.is_empty()) {
        assert!(
            Act::of(intent, payload).is_some(),
            "{} is valid but does nothing",
            intent.name
        );
    }
}

/// Any message: the bytes as they are, and in the frames behind which a message begins.
pub fn messages(data: &[u8]) {
    read_message(data);
    let mut choices = Choices::new(data);
    let kind = choices.byte() % 3;
    let rest = data.get(1..).unwrap_or_default();
    let mut framed = Vec::new();
    match kind {
        0 => {
            // An answer whose check fits.
            framed.extend_from_slice(b"GWR1");
            framed.extend_from_slice(rest);
            let check = check_of(&framed);
            framed.extend(check);
        }
        1 => {
            framed.extend_from_slice(b"GWQ1");
            put_prefixed(&mut framed, rest);
            framed.extend_from_slice(&[7; 64]);
        }
        _ => put_prefixed(&mut framed, rest),
    }
    read_message(&framed);
}

fn read_message(data: &[u8]) {
    if let Ok(body) = RequestBody::read(data)
        && let Ok(batch) = body.batch()
    {
        read_batch(&batch);
    }
    if let Ok(response) = SyncResponse::decode(data) {
        for item in read_items(&response.items) {
            let _ = item;
        }
        let again = SyncResponse::decode(&response.encode());
        assert!(again.is_ok(), "an answer that was read cannot be written");
    }
    if let Ok(receipt) = Receipt::decode(data) {
        for seq in [0, receipt.from.0, receipt.to.0, u64::MAX] {
            let _ = receipt.answer(Seq(seq));
        }
        let _ = receipt.encode();
    }
    let _ = SignedHead::decode(data);
    let _ = WipeOrder::decode(data);
    assert!(read_items(data).count() <= data.len());
    let _ = decode_answers(data, 500);
    if let Ok(scope) = Scope::decode(data) {
        assert_eq!(Scope::decode(&scope.encode()), Ok(scope));
    }
    if let Ok(state) = RecordState::from_image(data) {
        for name in state.field_names() {
            assert!(state.shown(name).is_some());
        }
        let _ = (state.conflicts(), state.stamps().count(), state.latest());
        let again = RecordState::from_image(&state.to_image());
        assert!(again.is_ok_and(|again| again == state));
    }
}
