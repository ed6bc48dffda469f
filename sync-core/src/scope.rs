//! What a person's roles let them read, and what their replica downloads: one pure evaluator for sync, lists and search.

use crate::codec::{CodecError, FieldWriter, Fields, put_varint, take_varint};
use crate::directory::Directory;
use crate::documents::{Documents, Reads};
use crate::ids::{PersonId, UnitId};
use crate::kinds::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A read scope: for each kind the units by place and by desk, every unit of a subtree by its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    kinds: BTreeMap<(Kind, Reads), BTreeSet<UnitId>>,
}

impl Scope {
    /// The scope of a person at a time.
    pub fn of(directory: &Directory, documents: &Documents, person: PersonId, at_ms: i64) -> Self {
        let mut scope = Self::default();
        for grant in directory.grants(person) {
            let Some(role) = documents
                .role(&grant.role)
                .filter(|_| grant.holds_within(at_ms, at_ms))
            else {
                continue;
            };
            for (kind, reads) in &role.reads {
                scope
                    .kinds
                    .entry((*kind, *reads))
                    .or_default()
                    .extend(directory.subtree(grant.unit));
            }
        }
        scope
    }

    /// Whether a record of this kind, unit and desk is to be seen.
    pub fn contains(&self, kind: Kind, unit: UnitId, desk: Option<UnitId>) -> bool {
        self.has(kind, Reads::Place, unit)
            || desk.is_some_and(|desk| self.has(kind, Reads::Desk, desk))
    }

    fn has(&self, kind: Kind, reads: Reads, unit: UnitId) -> bool {
        self.kinds
            .get(&(kind, reads))
            .is_some_and(|units| units.contains(&unit))
    }

    /// Whether nothing is to be seen.
    pub fn is_empty(&self) -> bool {
        self.kinds.values().all(BTreeSet::is_empty)
    }

    /// The units read by place, of each kind.
    pub fn places(&self) -> impl Iterator<Item = (Kind, UnitId)> {
        self.by(Reads::Place)
    }

    /// The desks read, of each kind.
    pub fn desks(&self) -> impl Iterator<Item = (Kind, UnitId)> {
        self.by(Reads::Desk)
    }

    fn by(&self, wanted: Reads) -> impl Iterator<Item = (Kind, UnitId)> {
        self.kinds
            .iter()
            .filter(move |((_, reads), _)| *reads == wanted)
            .flat_map(|((kind, _), units)| units.iter().map(|unit| (*kind, *unit)))
    }

    /// All units that appear.
    pub fn units(&self) -> BTreeSet<UnitId> {
        self.kinds.values().flatten().copied().collect()
    }

    /// The bytes on the wire: repeated field 1 of { 1 kind, 2 reads (1 place, 2 desk), 3 units as ascending differences }.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        for ((kind, reads), units) in &self.kinds {
            let mut numbers = Vec::new();
            let mut last = 0;
            for unit in units {
                put_varint(&mut numbers, u64::from(unit.0 - last));
                last = unit.0;
            }
            let mut nested = FieldWriter::default();
            nested
                .integer(1, *kind as u64)
                .integer(2, if *reads == Reads::Place { 1 } else { 2 })
                .bytes(3, &numbers);
            out.bytes(1, &nested.finish());
        }
        out.finish()
    }

    /// Reads the bytes of [`Scope::encode`]. Kinds of a later version are passed over.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut scope = Self::default();
        for nested in Fields::read(bytes, &[1])?.repeated_bytes(1)? {
            let fields = Fields::read(nested, &[])?;
            let Some(kind) = Kind::from_code(fields.integer(1)?) else {
                continue;
            };
            let reads = match fields.integer(2)? {
                1 => Reads::Place,
                2 => Reads::Desk,
                _ => continue,
            };
            let mut numbers = fields.optional_bytes(3)?.unwrap_or_default();
            let mut last = 0u32;
            let units = scope.kinds.entry((kind, reads)).or_default();
            while !numbers.is_empty() {
                let step = u32::try_from(take_varint(&mut numbers)?)
                    .map_err(|_| CodecError::BadField(3))?;
                last = last.checked_add(step).ok_or(CodecError::BadField(3))?;
                units.insert(UnitId(last));
            }
        }
        Ok(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{DirectoryChange, Grant, Unit};
    use crate::ids::Pos;

    fn unit(number: u32, parent: Option<u32>) -> DirectoryChange {
        DirectoryChange::Unit(Unit {
            unit: UnitId(number),
            parent: parent.map(UnitId),
            code: number.to_string(),
            name: String::new(),
            kind: String::new(),
        })
    }

    fn grant(
        person: u32,
        role: &str,
        unit: u32,
        from_ms: i64,
        until_ms: Option<i64>,
    ) -> DirectoryChange {
        DirectoryChange::Grant(Grant {
            person: PersonId(person),
            role: role.into(),
            unit: UnitId(unit),
            from_ms,
            until_ms,
        })
    }

    #[test]
    fn a_role_reads_its_subtree_its_kinds_and_its_time() {
        let mut directory = Directory::default();
        let changes = [
            unit(1, None),
            unit(2, Some(1)),
            unit(3, Some(2)),
            unit(9, Some(1)),
            grant(1, "worker", 2, 100, Some(200)),
            grant(2, "department_handler", 9, 100, None),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            directory.apply(Pos(index as u64 + 1), change);
        }
        let documents = Documents::defaults();
        let worker = Scope::of(&directory, &documents, PersonId(1), 150);
        assert!(worker.contains(Kind::Report, UnitId(3), None));
        assert!(!worker.contains(Kind::Report, UnitId(1), None));
        assert!(!worker.contains(Kind::Claim, UnitId(3), None));
        assert!(Scope::of(&directory, &documents, PersonId(1), 200).is_empty());
        let handler = Scope::of(&directory, &documents, PersonId(2), 150);
        assert!(handler.contains(Kind::Report, UnitId(3), Some(UnitId(9))));
        assert!(!handler.contains(Kind::Report, UnitId(9), None));
        for scope in [worker, handler, Scope::default()] {
            assert_eq!(Scope::decode(&scope.encode()), Ok(scope));
        }
    }
}
