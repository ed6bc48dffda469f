//! What came of the day, as one object.

use serde::Serialize;

/// The counts of a day. Verdicts are first answers, for ever the same; `lost` is counted against what the phones made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DaySummary {
    /// Phones at the end, clones included.
    pub replicas: u64,
    /// Changes made on phones.
    pub changes: u64,
    /// Changes in the log whose first answer was `accepted`.
    pub accepted: u64,
    /// Changes that a phone sent again and the log had already.
    pub duplicate: u64,
    /// In force, with other values standing beside.
    pub conflict: u64,
    /// Steps whose guard did not hold.
    pub not_applied: u64,
    /// Changes that waited for something.
    pub held: u64,
    /// Changes with something wrong.
    pub quarantined: u64,
    /// Held changes that were let go.
    pub released: u64,
    /// Quarantined changes that were repaired.
    pub repaired: u64,
    /// Phones that went on under a new name.
    pub forks: u64,
    /// Changes that were taken back in after the restore, under their receipts.
    pub reoffered: u64,
    /// Records in the district.
    pub records: u64,
    /// Changes made on a phone that are nowhere in the log.
    pub lost: u64,
    /// Whether every phone holds exactly what its scope holds on the server.
    pub converged: bool,
    /// Records that the handler of the one dispatched case sees.
    pub handler_sees: u64,
    /// Reports and visits that the volunteers' phones hold.
    pub volunteers_see: u64,
    /// The digest of the whole district.
    pub digest: String,
    /// Whether `gridwork verify` found everything in order.
    pub verify: bool,
    /// What verify or the checks found, first things first.
    pub faults: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl DaySummary {
    /// Whether the day kept every promise.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.converged && self.verify && self.faults.is_empty()
    }
}
