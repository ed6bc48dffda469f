//! Files that an office brings: boundaries and people. What is taken comes back the same through an export.

use server::import::{
    KnownUnits, RoleCatalogue, UnitKind, export_people, export_units, parse_people, parse_units,
};
use std::collections::BTreeSet;
use std::sync::OnceLock;

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
