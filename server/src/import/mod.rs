//! Files that an operator brings in and takes out: unit boundaries (GeoJSON), people (CSV) and documents (JSON). Pure: bytes in,
//! plain structs and a complete list of findings out; it knows neither the store nor who asks.
//!
//! A file is taken whole or not at all: [`Parsed::is_acceptable`] is false as soon as one finding is an error,
//! and the rows that are returned beside it only serve a preview.

mod boundary;
mod document;
mod document_references;
mod document_rules;
mod export;
mod finding;
mod json_lines;
pub mod limits;
mod people;
mod ring;
mod roles;
mod text;
mod tree;
mod unit_kind;
mod units;

pub use boundary::{Boundary, Ring};
pub use document::{DocumentRow, KnownDocuments, parse_document, schema_of};
pub use export::{export_people, export_units};
pub use finding::{Finding, Parsed, Place, Reason, Severity};
pub use people::{PersonRow, parse_people};
pub use roles::{RoleCatalogue, RoleCatalogueError};
pub use unit_kind::UnitKind;
pub use units::{KnownUnits, UnitRow, parse_units};
