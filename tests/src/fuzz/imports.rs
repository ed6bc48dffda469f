//! Files that an office brings: boundaries, people and documents. What is taken comes back the same through an export, and a
//! document that is taken can be in force.

use server::import::{
    KnownDocuments, KnownUnits, RoleCatalogue, UnitKind, export_people, export_units,
    parse_document, parse_people, parse_units,
};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use sync_core::calendar::Zone;
use sync_core::documents::{DEFAULTS, Documents};

/// A file of units.
pub fn units(data: &[u8]) {
    let mut known = KnownUnits::new();
    known.insert("440399".to_owned(), UnitKind::District);
    let parsed = parse_units(data, &known);
    if !parsed.is_acceptable() {
        return;
    }
    let again = parse_units(export_units(&parsed.rows).as_bytes(), &known);
    assert!(again.is_acceptable(), "{:?}", again.findings);
    assert_eq!(again.rows, parsed.rows);
}

fn roles() -> &'static RoleCatalogue {
    static ROLES: OnceLock<RoleCatalogue> = OnceLock::new();
    ROLES.get_or_init(|| {
        let (_, text) = sync_core::documents::DEFAULTS
            .iter()
            .find(|(name, _)| *name == "roles")
            .expect("BUG: no roles");
        RoleCatalogue::from_document(text).expect("BUG: the default roles")
    })
}

/// A file of people.
pub fn people(data: &[u8]) {
    let units: BTreeSet<String> = ["440399", "440399.001", "440399.001.001"]
        .map(str::to_owned)
        .into();
    let parsed = parse_people(data, roles(), &units);
    if !parsed.is_acceptable() {
        return;
    }
    let text = export_people(&parsed.rows, roles());
    let again = parse_people(text.as_bytes(), roles(), &units);
    assert!(again.is_acceptable(), "{:?}", again.findings);
    assert_eq!(again.rows, parsed.rows);
}

/// A document.
pub fn documents(data: &[u8]) {
    let known = KnownDocuments::shipped();
    let parsed = parse_document(data, &known);
    if !parsed.is_acceptable() {
        return;
    }
    let row = parsed.rows.first().expect("BUG: taken, and nothing of it");
    assert_eq!(row.text.as_bytes(), data);
    let all = DEFAULTS.iter().copied();
    let with_it = all.chain([(row.name.as_str(), row.text.as_str())]);
    let documents = Documents::read(with_it, Zone::fixed(480));
    assert!(documents.is_ok(), "{:?}", documents.err());
}
