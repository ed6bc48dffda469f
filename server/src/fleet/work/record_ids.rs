//! Ids of records, at random or rising with time: the order decides what an index of them costs.

use uuid::{Builder, Uuid};

use super::random::Random;
use super::reference_work::FIRST_MOMENT_MS;

/// The order that ids of records come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdOrder {
    /// UUID version 4: no order at all.
    Random,
    /// UUID version 7, rising with the order of sending: phones that hand in the day's work the same day.
    TimeOrdered,
}

/// Gives the ids of a run of records, one after the other.
#[derive(Clone, Debug)]
pub struct IdSource {
    order: IdOrder,
    random: Random,
    made: u64,
}

impl IdSource {
    /// Ids that follow from `seed` alone.
    pub fn new(order: IdOrder, seed: u64) -> Self {
        Self {
            order,
            random: Random::for_part(seed, 0x1d5),
            made: 0,
        }
    }

    /// The next id. Time-ordered ones are one millisecond apart, from [`FIRST_MOMENT_MS`] on.
    pub fn next_id(&mut self) -> Uuid {
        let position = self.made;
        self.made += 1;
        match self.order {
            IdOrder::Random => Builder::from_random_bytes(self.random.bytes()).into_uuid(),
            IdOrder::TimeOrdered => {
                let time_ms = FIRST_MOMENT_MS as u64 + position;
                Builder::from_unix_timestamp_millis(time_ms, &self.random.bytes()).into_uuid()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_the_asked_version_and_order() {
        let mut source = IdSource::new(IdOrder::TimeOrdered, 1);
        let ordered: Vec<Uuid> = (0..100).map(|_| source.next_id()).collect();
        assert!(ordered.is_sorted());
        assert!(ordered.iter().all(|id| id.get_version_num() == 7));
        let mut source = IdSource::new(IdOrder::Random, 1);
        let random: Vec<Uuid> = (0..100).map(|_| source.next_id()).collect();
        assert!(!random.is_sorted());
        assert!(random.iter().all(|id| id.get_version_num() == 4));
    }
}
