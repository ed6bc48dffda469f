//! The directory as a replica needs it to work offline: units, categories, the documents in force.

use super::district::District;
use super::gridwork::Gridwork;
use super::{Caller, ServiceError};
use api_schema::directory::{Category, Directory, DirectoryUnit, Document};
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_core::change::Hash;
use sync_core::directory;
use sync_core::ids::{PersonId, ScopeVersion, UnitId};
use sync_core::scope::Scope;

impl Gridwork {
    pub(super) async fn directory_of(&self, caller: Caller) -> Result<Directory, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let (scope, scope_version) = self.versioned_scope_of(&district, &caller).await?;
        let state = district.state();
        let units = units_of(
            &state.directory,
            &scope,
            PersonId(caller.person),
            self.clock.wall_ms(),
        );
        let units = units
            .into_iter()
            .filter_map(|unit| state.directory.unit(unit))
            .map(|unit| DirectoryUnit {
                unit: unit.unit.0,
                parent: unit.parent.map(|parent| parent.0),
                path: unit.code.clone(),
                name: unit.name.clone(),
                kind: unit.kind.clone(),
            });
        let documents_in_force = district.documents();
        let categories = documents_in_force.categories().map(|category| Category {
            code: category.code.clone(),
            name_zh: category.name.zh.clone(),
            name_en: category.name.en.clone(),
            level: category.level.clone(),
            self_closing: category.self_handled_allowed,
        });
        Ok(Directory {
            scope_version: scope_version.0,
            pos: state.directory.pos.0,
            time_zone: state.facts.time_zone.clone(),
            units: units.collect(),
            categories: categories.collect(),
            documents: documents(),
        })
    }

    /// What a caller may read now, under the version that the log knows it by.
    pub(super) async fn versioned_scope_of(
        &self,
        district: &Arc<District>,
        caller: &Caller,
    ) -> Result<(Scope, ScopeVersion), ServiceError> {
        let person = PersonId(caller.person);
        let scope = self.scope_of(district, caller);
        let known = district
            .read(move |read, _| Ok(read.find_scope(person)?))
            .await?;
        if let Some((version, bytes)) = known
            && bytes == scope.encode()
        {
            return Ok((scope, version));
        }
        // The person's roles changed, or began or ended with time, and no replica of theirs has asked since.
        district
            .writer()
            .run(move |log, now_ms| log.current_scope(person, now_ms))
            .await
    }
}

/// The units that a person reads or holds a role on, those below the latter, and all above.
fn units_of(
    directory: &directory::Directory,
    scope: &Scope,
    person: PersonId,
    now_ms: i64,
) -> BTreeSet<UnitId> {
    let mut units = scope.units();
    for grant in directory
        .grants(person)
        .iter()
        .filter(|grant| grant.holds_within(now_ms, now_ms))
    {
        units.extend(directory.subtree(grant.unit));
    }
    let mut above: Vec<UnitId> = units.iter().copied().collect();
    while let Some(unit) = above.pop() {
        let parent = directory.unit(unit).and_then(|unit| unit.parent);
        above.extend(parent.filter(|parent| units.insert(*parent)));
    }
    units
}

/// The documents in force: those that ship with the product.
fn documents() -> Vec<Document> {
    sync_core::documents::DEFAULTS
        .iter()
        .map(|(name, text)| {
            let body: serde_json::Value =
                serde_json::from_str(text).expect("BUG: a default document is not JSON");
            let version = body.get("version").and_then(serde_json::Value::as_u64);
            Document {
                kind: (*name).to_owned(),
                version: version
                    .and_then(|version| u32::try_from(version).ok())
                    .unwrap_or(1),
                sha256: Hash::of(&[text.as_bytes()]).to_string(),
                body,
            }
        })
        .collect()
}
