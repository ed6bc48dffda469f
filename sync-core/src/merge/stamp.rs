//! A stamp: where in the log an effect comes from, when it was done, by whom. Everything the fold compares.

use crate::ids::{Epoch, LogPlace, PersonId, Pos, ReplicaNo, Seq};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Identity, place and time of an entry in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Where it came into force: its own place or that of the ruling which released it.
    pub place: LogPlace,
    /// Its first place, when it was taken back in after a restore.
    pub first_place: Option<LogPlace>,
    /// When the author did it, as fixed at admission.
    pub time_ms: i64,
    /// The author.
    pub person: PersonId,
    /// Whose work it is, when the author entered it for somebody else.
    pub whose: Option<PersonId>,
    /// The author's replica.
    pub replica: ReplicaNo,
    /// Its place in that replica's chain.
    pub seq: Seq,
}

impl Stamp {
    /// What entries are sorted by: an entry taken back in after a restore stands where it first stood.
    pub fn order(&self) -> LogPlace {
        self.first_place.unwrap_or(self.place)
    }

    /// What decides which of several visible values is shown; the greatest is.
    pub fn shown_order(&self) -> (i64, LogPlace) {
        (self.time_ms, self.order())
    }

    /// Whether an author whose copy was complete up to `base` had this entry before them.
    ///
    /// A place of an earlier epoch that is still in the log lies below everything the later epoch added. An entry that
    /// was taken back in after a restore was seen under its first place, if that was of the author's epoch.
    pub fn seen_from(&self, base: LogPlace) -> bool {
        (self.place.epoch <= base.epoch && self.place.pos <= base.pos)
            || self
                .first_place
                .is_some_and(|first| first.epoch == base.epoch && first.pos <= base.pos)
    }
}

/// As an array with trailing zeros cut: pos, time, person, replica, seq, epoch - 1, whose, first epoch, first pos.
impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = self.first_place.unwrap_or_default();
        let all = [
            self.place.pos.0 as i64,
            self.time_ms,
            i64::from(self.person.0),
            i64::from(self.replica.0),
            self.seq.0 as i64,
            i64::from(self.place.epoch.0) - 1,
            self.whose.map_or(0, |whose| i64::from(whose.0)),
            i64::from(first.epoch.0),
            first.pos.0 as i64,
        ];
        let length = all
            .iter()
            .rposition(|value| *value != 0)
            .map_or(0, |last| last + 1);
        all[..length].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers([i64; 9]);

        impl<'de> serde::de::Visitor<'de> for Numbers {
            type Value = [i64; 9];
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("at most nine integers")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                mut self,
                mut seq: A,
            ) -> Result<[i64; 9], A::Error> {
                let mut index = 0;
                while let Some(value) = seq.next_element::<i64>()? {
                    *self
                        .0
                        .get_mut(index)
                        .ok_or_else(|| A::Error::custom("a stamp is too long"))? = value;
                    index += 1;
                }
                Ok(self.0)
            }
        }

        let numbers = deserializer.deserialize_seq(Numbers([0; 9]))?;
        let small = |value: i64| {
            u32::try_from(value)
                .map_err(|_| D::Error::custom("a number of a stamp is out of range"))
        };
        let large = |value: i64| {
            u64::try_from(value)
                .map_err(|_| D::Error::custom("a number of a stamp is out of range"))
        };
        let epoch = numbers[5]
            .checked_add(1)
            .ok_or_else(|| D::Error::custom("an epoch is out of range"))?;
        let first = LogPlace {
            epoch: Epoch(small(numbers[7])?),
            pos: Pos(large(numbers[8])?),
        };
        Ok(Self {
            place: LogPlace {
                epoch: Epoch(small(epoch)?),
                pos: Pos(large(numbers[0])?),
            },
            first_place: (first != LogPlace::default()).then_some(first),
            time_ms: numbers[1],
            person: PersonId(small(numbers[2])?),
            whose: (numbers[6] != 0)
                .then(|| small(numbers[6]).map(PersonId))
                .transpose()?,
            replica: ReplicaNo(small(numbers[3])?),
            seq: Seq(large(numbers[4])?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(epoch: u32, pos: u64) -> LogPlace {
        LogPlace {
            epoch: Epoch(epoch),
            pos: Pos(pos),
        }
    }

    #[test]
    fn stamps_round_trip_short_and_long() {
        let plain = Stamp {
            place: place(1, 7),
            first_place: None,
            time_ms: -3,
            person: PersonId(4),
            whose: None,
            replica: ReplicaNo(2),
            seq: Seq(9),
        };
        let full = Stamp {
            place: place(2, 70),
            first_place: Some(place(1, 99)),
            whose: Some(PersonId(8)),
            ..plain
        };
        assert_eq!(serde_json::to_string(&plain).expect("json"), "[7,-3,4,2,9]");
        for stamp in [plain, full] {
            let text = serde_json::to_string(&stamp).expect("json");
            assert_eq!(
                serde_json::from_str::<Stamp>(&text).expect("own json"),
                stamp
            );
        }
        assert!(serde_json::from_str::<Stamp>("[1,2,3,4,5,6,7,8,9,10]").is_err());
        assert!(serde_json::from_str::<Stamp>("[-1]").is_err());
    }

    #[test]
    fn what_was_seen_before_a_restore_counts_as_seen_after_it() {
        let stamp = Stamp {
            place: place(2, 450),
            first_place: Some(place(1, 500)),
            time_ms: 0,
            person: PersonId(1),
            whose: None,
            replica: ReplicaNo(1),
            seq: Seq(1),
        };
        assert!(stamp.seen_from(place(1, 500)));
        assert!(!stamp.seen_from(place(1, 499)));
        assert!(stamp.seen_from(place(2, 450)));
        assert!(!stamp.seen_from(place(2, 449)));
        // Position 460 of epoch 1 held another entry, which the restore took away.
        assert!(
            !Stamp {
                first_place: None,
                ..stamp
            }
            .seen_from(place(1, 460))
        );
    }

    #[test]
    fn what_is_no_stamp_is_told_what_one_is() {
        let error = serde_json::from_str::<Stamp>("{}").expect_err("no array");
        let text = error.to_string();
        assert!(text.contains("expected at most nine integers"), "{text}");
    }
}
