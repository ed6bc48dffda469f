//! Codes that are printed or shown: the sticker at a point, signed by the district's server, and what a leader's or a
//! visitor's phone shows to others, signed by that phone. They work without a network: whoever reads one notes it, and the
//! server looks at it later. A wrong one raises a doubt and refuses nothing.

use crate::change::{Signature, SigningKey, VerifyingKey, verify};
use crate::hex;
use crate::ids::{DistrictId, RecordId, ReplicaId};

const POINT_TAG: &str = "gridwork/point-code/1";
const SHOWN_TAG: &str = "gridwork/shown-code/1";

/// What a sticker at a point says: `GP1.<point>.<serial>.<signature>`. The same text is written to an NFC tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointCode {
    /// The point.
    pub point: String,
    /// The number of the sticker, so that a lost one can be revoked.
    pub serial: u32,
    signature: Signature,
}

fn point_message(district: DistrictId, point: &str, serial: u32) -> Vec<u8> {
    let mut message = district.as_bytes().to_vec();
    message.extend_from_slice(&serial.to_be_bytes());
    message.extend_from_slice(point.as_bytes());
    message
}

impl PointCode {
    /// Signs a sticker with the district's key.
    pub fn sign(district: DistrictId, point: &str, serial: u32, key: &SigningKey) -> Self {
        Self {
            point: point.to_owned(),
            serial,
            signature: key.sign(POINT_TAG, &point_message(district, point, serial)),
        }
    }

    /// Reads a code; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("GP1.")?.split('.');
        let (point, serial, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || point.is_empty() || point.len() > 32 {
            return None;
        }
        Some(Self {
            point: point.to_owned(),
            serial: serial.parse().ok()?,
            signature: Signature(hex::decode_array(signature)?),
        })
    }

    /// Whether one of these keys of the district has signed it.
    pub fn is_signed<'a>(
        &self,
        district: DistrictId,
        keys: impl IntoIterator<Item = &'a VerifyingKey>,
    ) -> bool {
        let message = point_message(district, &self.point, self.serial);
        keys.into_iter()
            .any(|key| verify(key, POINT_TAG, &message, &self.signature))
    }
}

impl std::fmt::Display for PointCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let signature = hex::encode(&self.signature.0);
        write!(f, "GP1.{}.{}.{signature}", self.point, self.serial)
    }
}

/// What a phone shows so that others join a round or confirm a visit: `GS1.<record>.<replica>.<minute>.<signature>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCode {
    /// The round or the visit.
    pub record: RecordId,
    /// The replica that shows it.
    pub replica: ReplicaId,
    /// When it was made, minutes since 1970 by that phone's clock.
    pub minute: i64,
    signature: Signature,
}

fn shown_message(record: RecordId, replica: ReplicaId, minute: i64) -> Vec<u8> {
    let mut message = record.as_bytes().to_vec();
    message.extend_from_slice(replica.as_bytes());
    message.extend_from_slice(&minute.to_be_bytes());
    message
}

impl ShownCode {
    /// Signs a code with the key of the phone that shows it.
    pub fn sign(record: RecordId, replica: ReplicaId, wall_ms: i64, key: &SigningKey) -> Self {
        let minute = wall_ms.div_euclid(60_000);
        Self {
            record,
            replica,
            minute,
            signature: key.sign(SHOWN_TAG, &shown_message(record, replica, minute)),
        }
    }

    /// Reads a code; `None` for a text that is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("GS1.")?.split('.');
        let (record, replica) = (parts.next()?, parts.next()?);
        let (minute, signature) = (parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            record: RecordId::parse_canonical(record)?,
            replica: ReplicaId::parse_canonical(replica)?,
            minute: minute.parse().ok()?,
            signature: Signature(hex::decode_array(signature)?),
        })
    }

    /// Whether the phone that it names has signed it.
    pub fn is_signed(&self, key: &VerifyingKey) -> bool {
        let message = shown_message(self.record, self.replica, self.minute);
        verify(key, SHOWN_TAG, &message, &self.signature)
    }

    /// Whether it was still good at a time: not older than so many minutes, and not from later than the clocks of two
    /// phones differ.
    pub fn is_fresh(&self, at_ms: i64, life_minutes: u32) -> bool {
        let age = at_ms.div_euclid(60_000) - self.minute;
        (-5..=i64::from(life_minutes)).contains(&age)
    }
}

impl std::fmt::Display for ShownCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let signature = hex::encode(&self.signature.0);
        write!(
            f,
            "GS1.{}.{}.{}.{signature}",
            self.record, self.replica, self.minute
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(number)
    }

    #[test]
    fn a_sticker_is_good_for_its_point_its_number_and_its_district_only() {
        let key = SigningKey::from_seed(&[7; 32]);
        let (ours, other) = (DistrictId(id(1)), DistrictId(id(2)));
        let code = PointCode::sign(ours, "P-001", 3, &key);
        let text = code.to_string();
        assert!(text.len() <= 256, "{}", text.len());
        assert_eq!(PointCode::parse(&text), Some(code.clone()));
        let keys = [key.verifying_key()];
        assert!(code.is_signed(ours, &keys));
        assert!(!code.is_signed(other, &keys));
        for (from, to) in [("P-001", "P-002"), (".3.", ".4.")] {
            let moved = PointCode::parse(&text.replace(from, to)).expect("a code");
            assert!(!moved.is_signed(ours, &keys), "{from} {to}");
        }
        let strange = [SigningKey::from_seed(&[8; 32]).verifying_key()];
        assert!(!code.is_signed(ours, &strange));
        for bad in ["", "GP1.", "GP1.P.x.00", "GS1.P-001.3.00"] {
            assert_eq!(PointCode::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_shown_code_is_the_phones_own_and_lives_for_minutes() {
        let key = SigningKey::from_seed(&[9; 32]);
        let (record, replica) = (RecordId(id(11)), ReplicaId(id(12)));
        let code = ShownCode::sign(record, replica, 600_000, &key);
        let text = code.to_string();
        assert!(text.len() <= 256, "{}", text.len());
        assert_eq!(ShownCode::parse(&text), Some(code.clone()));
        assert!(code.is_signed(&key.verifying_key()));
        assert!(!code.is_signed(&SigningKey::from_seed(&[1; 32]).verifying_key()));
        assert_eq!(
            [0, 300_000, 600_000, 1_200_000, 1_260_000].map(|at_ms| code.is_fresh(at_ms, 10)),
            [false, true, true, true, false]
        );
        assert_eq!(ShownCode::parse(&text.replace("GS1", "GP1")), None);
    }
}
