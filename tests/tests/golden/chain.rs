//! The identities, keys and changes that all golden files share, from fixed seeds, ids and times.

use sync_core::change::{
    BatchWriter, ChangeId, For, Hash, Header, Needs, Origin, Part, PartClass, Salt, SigningKey,
    Source, change_hash, hash_parts,
};
use sync_core::ids::{
    DistrictId, DocumentsVersion, Epoch, LogPlace, PersonId, Pos, RecordId, ReplicaId, Seq, UnitId,
};
use sync_core::time::Evidence;
use uuid::uuid;

/// A file of bytes.
pub struct Golden {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

pub const DISTRICT: DistrictId = DistrictId(uuid!("018f4c1e-0000-7000-8000-0000000000d1"));
pub const REPLICA: ReplicaId = ReplicaId(uuid!("018f4c1e-0000-7000-8000-0000000000a1"));
pub const OTHER_REPLICA: ReplicaId = ReplicaId(uuid!("018f4c1e-0000-7000-8000-0000000000a2"));
pub const REPORT: RecordId = RecordId(uuid!("018f4c1e-7b7a-7cc3-98c4-dc0c0c073981"));
pub const PATROL: RecordId = RecordId(uuid!("018f4c1e-7b7a-7cc3-98c4-dc0c0c073982"));
/// 2026-06-01 08:00 in Shanghai.
pub const NOON_MS: i64 = 1_780_272_000_000;
pub const RECEIVED_MS: i64 = NOON_MS + 600_000;

/// Seed `00 01 .. 1f`.
pub fn replica_key() -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|index| index as u8))
}

/// Seed `20 21 .. 3f`.
pub fn server_key() -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|index| index as u8 + 32))
}

pub fn place(epoch: u32, pos: u64) -> LogPlace {
    LogPlace {
        epoch: Epoch(epoch),
        pos: Pos(pos),
    }
}

pub fn header(seq: u64, record: RecordId, intent: &str) -> Header {
    Header {
        seq: Seq(seq),
        record,
        unit: UnitId(13),
        intent: intent.into(),
        schema: 1,
        documents: DocumentsVersion(0),
        base: LogPlace::default(),
        at: Evidence {
            wall_ms: NOON_MS,
            ..Evidence::default()
        },
        for_person: None,
        needs: None,
        repairs: None,
        origin: None,
    }
}

pub fn full_header() -> Header {
    let change = |seq| ChangeId {
        replica: OTHER_REPLICA,
        seq: Seq(seq),
    };
    Header {
        documents: DocumentsVersion(4),
        base: place(2, 70_000),
        at: Evidence {
            wall_ms: NOON_MS,
            monotonic_ms: 86_400_000,
            boot: 7,
            skew_ms: -60_000,
        },
        for_person: Some(For {
            person: PersonId(8),
            source: Source::Leader,
            happened_at_ms: NOON_MS - 3_600_000,
        }),
        needs: Some(Needs::Change(change(5))),
        repairs: Some(ChangeId {
            replica: REPLICA,
            seq: Seq(299),
        }),
        origin: Some(Origin {
            change: change(12),
            hash: Hash::of(&[b"the change on the branch"]),
        }),
        ..header(300, REPORT, "report.transition")
    }
}

pub fn bare_with_record_need() -> Header {
    Header {
        needs: Some(Needs::Record(REPORT)),
        ..header(301, PATROL, "patrol.check_in")
    }
}

pub struct FullPart {
    pub class: PartClass,
    pub salt: Option<Salt>,
    pub bytes: &'static [u8],
}

impl FullPart {
    pub fn part(&self) -> Part<'_> {
        Part {
            class: self.class,
            salt: self.salt,
            bytes: self.bytes,
        }
    }
}

pub fn open(bytes: &'static str) -> FullPart {
    FullPart {
        class: PartClass::OPEN,
        salt: None,
        bytes: bytes.as_bytes(),
    }
}

/// The chain of three: a report with sealed parts, a comment, a check-in.
pub fn chain() -> Vec<(Header, Vec<FullPart>)> {
    let seen = Header {
        documents: DocumentsVersion(1),
        at: Evidence {
            wall_ms: NOON_MS,
            monotonic_ms: 86_400_000,
            boot: 7,
            skew_ms: 1_500,
        },
        ..header(1, REPORT, "report.create")
    };
    let comment = Header {
        base: place(1, 9),
        ..header(2, REPORT, "report.comment")
    };
    vec![
        (
            seen,
            vec![
                open(
                    r#"{"category":"SAN-01","title":"垃圾堆积","place":{"latitude_e7":225431234,"longitude_e7":1140561234,"accuracy_m":12}}"#,
                ),
                FullPart {
                    class: PartClass::PERSON,
                    salt: Some([0x11; 16]),
                    bytes: br#"{"contact_phone":"13800000000"}"#,
                },
                FullPart {
                    class: PartClass::WHEREABOUTS,
                    salt: Some([0x22; 16]),
                    bytes: br#"{"latitude_e7":225431200,"longitude_e7":1140561200}"#,
                },
            ],
        ),
        (
            comment,
            vec![open(r#"{"text":"Two bags more since noon."}"#)],
        ),
        (
            header(3, PATROL, "patrol.check_in"),
            vec![open(r#"{"point":"P-07","method":"nfc"}"#)],
        ),
    ]
}

pub fn chain_hashes() -> Vec<Hash> {
    let mut prev = Hash::ZERO;
    let changes = chain();
    changes
        .iter()
        .map(|(header, parts)| {
            let parts: Vec<_> = parts.iter().map(FullPart::part).collect();
            prev = change_hash(
                DISTRICT,
                REPLICA,
                header.seq,
                prev,
                &header.encode(),
                &hash_parts(&parts),
            );
            prev
        })
        .collect()
}

pub fn batch() -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for (header, parts) in chain() {
        let parts: Vec<_> = parts.iter().map(FullPart::part).collect();
        writer.push(&header.encode(), &parts);
    }
    writer.finish()
}
