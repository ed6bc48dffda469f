//! Two models of the engine, written from the written rules alone, that tests hold against it.
//!
//! [`FoldOracle`] adds up plain entries to records. [`AdmissionOracle`] is a model server: it takes arrivals in their
//! order, keeps a log of its own in lists and maps, and says what the engine must answer. Both are naive on purpose.
//! They share with the engine the reading of bytes (headers, requests, receipts) and nothing else: no type of the core's
//! `decide` or `merge` is named here.
//!
//! The rules are those of `docs/merge.md` and `docs/protocol.md`; the tables in these pages and the default documents
//! are read as data:
//!
//! | to add | do |
//! |---|---|
//! | a kind, intent, field or form | nothing: [`written`] reads the tables of `docs/merge.md`; a new form of field gets an arm in [`written::Form`] and one in [`payload`] |
//! | a workflow, role, category | nothing: [`documents`] reads the default documents; name a new workflow document in [`documents::Documents::defaults`] |
//! | a guard | an arm in [`steps`]'s `failing_guard`, and a line in the table of guards in `docs/merge.md` |
//! | a merge shape | an arm in [`written::Shape`], one in [`fold`], and one in [`image`] |
//! | a rule of admission | a sentence in `docs/protocol.md` first, then [`decide`] (one change), [`admit`] and its fellows `entering` and `rulings` (what surrounds it) |
//! | a directory entry | an arm in [`people::People::apply`] |

pub mod admit;
pub mod arrival;
pub mod calendar;
pub mod decide;
pub mod documents;
mod entering;
pub mod fold;
pub mod image;
pub mod log;
pub mod payload;
pub mod people;
pub mod plain;
mod rulings;
pub mod steps;
pub mod written;

pub use admit::AdmissionOracle;
pub use arrival::{Arrival, Prediction};
pub use fold::{FoldOracle, OracleRecord};
