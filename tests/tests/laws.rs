//! The laws of design section 3, as properties over random logs. Knows the core and a small log in memory, nothing else.

#[path = "laws/admission.rs"]
mod admission;
#[path = "laws/arrival.rs"]
mod arrival;
#[path = "laws/fold.rs"]
mod fold;
#[path = "laws/oracle.rs"]
mod oracle;
#[path = "laws/restore.rs"]
mod restore;
#[path = "laws/scenario.rs"]
mod scenario;
#[path = "laws/values.rs"]
mod values;

use proptest::prelude::ProptestConfig;

/// A find becomes a small test with a name, not a file of seeds.
fn cases(number: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(number)
    }
}
