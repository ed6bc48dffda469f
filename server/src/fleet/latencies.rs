//! Times of requests, and the percentiles of them that were really seen.

use std::time::Duration;

/// Durations in rising order.
pub struct Latencies {
    sorted: Vec<Duration>,
}

impl Latencies {
    /// Sorts.
    pub fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self { sorted: all }
    }

    /// The smallest duration that at least `percent` of all do not exceed; 0 when there is none.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.sorted.len() as f64).ceil() as usize;
        let index = rank.clamp(1, self.sorted.len().max(1)) - 1;
        self.sorted
            .get(index)
            .map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let latencies = Latencies::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(latencies.percentile_ms(50.0), 100.0);
        assert_eq!(latencies.percentile_ms(99.0), 198.0);
        assert_eq!(latencies.percentile_ms(100.0), 200.0);
        assert_eq!(Latencies::new(Vec::new()).percentile_ms(99.0), 0.0);
    }
}
