//! How long to wait before the next try, and how much to put into it: pure functions of how the last ones went.

use crate::limits;

/// The first wait, milliseconds.
const BASE_MS: u64 = 2_000;
/// The longest wait of our own making: a phone in a cellar tries four times an hour.
const CAP_MS: u64 = 15 * 60_000;
/// The longest wait that a server may ask for.
const ASKED_CAP_MS: u64 = 60 * 60_000;

/// Bytes of changes in a request over a good link.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Bytes of items to ask for over a good link.
pub const PAGE_BYTES: usize = limits::PAGE_BYTES_MAX;
/// Below these a request has hardly anything but its head, and smaller ones gain nothing.
const BATCH_BYTES_MIN: usize = 1_024;
const PAGE_BYTES_MIN: usize = 8 * 1024;
const BATCH_CHANGES_MIN: usize = 1;

/// The wait after so many failures in a row, milliseconds: doubling from two seconds to a quarter of an hour, of which a
/// random half to whole (`random` is any number, evenly spread) keeps a thousand phones from coming back at once. What
/// the server asked for is kept to, up to an hour, and spread over a quarter more.
pub fn delay_ms(failures: u32, random: u64, retry_after_ms: Option<u64>) -> u64 {
    if failures == 0 && retry_after_ms.is_none() {
        return 0;
    }
    let doubled = BASE_MS << failures.saturating_sub(1).min(16);
    let full = doubled.min(CAP_MS);
    let own = full / 2 + random % (full / 2 + 1);
    match retry_after_ms {
        None => own,
        Some(asked) => {
            let asked = asked.min(ASKED_CAP_MS);
            own.max(asked + random % (asked / 4 + 1))
        }
    }
}

/// How much a request carries. Does not survive a restart: a fresh start tries the good link first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Changes in a batch.
    pub changes: usize,
    /// Bytes of changes in a batch.
    pub batch_bytes: usize,
    /// Bytes of items in a page.
    pub page_bytes: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            changes: limits::BATCH_CHANGES_MAX,
            batch_bytes: BATCH_BYTES,
            page_bytes: PAGE_BYTES,
        }
    }
}

impl Window {
    /// After a request that did not get through: a quarter, so that a link which loses long requests soon carries some.
    #[must_use]
    pub fn shrunk(self) -> Self {
        Self {
            changes: (self.changes / 4).max(BATCH_CHANGES_MIN),
            batch_bytes: (self.batch_bytes / 4).max(BATCH_BYTES_MIN),
            page_bytes: (self.page_bytes / 4).max(PAGE_BYTES_MIN),
        }
    }

    /// After one that did: twice as much, up to the limits.
    #[must_use]
    pub fn grown(self) -> Self {
        let most = Self::default();
        Self {
            changes: (self.changes * 2).min(most.changes),
            batch_bytes: (self.batch_bytes * 2).min(most.batch_bytes),
            page_bytes: (self.page_bytes * 2).min(most.page_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wait_doubles_to_its_cap() {
        let longest =
            |failures| delay_ms(failures, 1_000, None).max(delay_ms(failures, u64::MAX, None));
        assert_eq!(delay_ms(0, 5, None), 0);
        assert!((1_000..=2_000).contains(&delay_ms(1, 77, None)));
        assert!(longest(30) <= CAP_MS && delay_ms(30, 0, None) >= CAP_MS / 2);
        assert!(delay_ms(1, 0, Some(60_000)) >= 60_000);
        assert!(delay_ms(1, u64::MAX, Some(u64::MAX)) <= ASKED_CAP_MS * 5 / 4);
    }

    #[test]
    fn a_window_shrinks_to_one_change_and_grows_back() {
        let mut window = Window::default();
        for _ in 0..10 {
            window = window.shrunk();
        }
        assert_eq!((window.changes, window.page_bytes), (1, PAGE_BYTES_MIN));
        for _ in 0..10 {
            window = window.grown();
        }
        assert_eq!(window, Window::default());
    }

    proptest! {
        #[test]
        fn a_wait_is_between_half_and_whole(failures in 1u32..64, random: u64) {
            let full = (BASE_MS << (failures - 1).min(16)).min(CAP_MS);
            let delay = delay_ms(failures, random, None);
            prop_assert!(delay >= full / 2 && delay <= full);
        }
    }
}
