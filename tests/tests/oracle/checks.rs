//! What the whole log adds up to, and what everybody may see: the models against the engine.

use super::world::World;
use server::clock::Clock;
use std::collections::BTreeMap;
use sync_core::ids::UnitId;
use tests::oracle::{FoldOracle, OracleRecord, image, log};

impl World {
    /// Every record of the engine, read from its images.
    pub fn engine_records(&self) -> BTreeMap<[u8; 16], OracleRecord> {
        let district = self.file();
        let state = district.state();
        district
            .read_here(|read| {
                let view = district.view(read, &state);
                let mut records = BTreeMap::new();
                for number in 1..=read.last_record_no()? {
                    let row = read.get_record_by_no(number)?;
                    if row.pos.0 > 0 {
                        let image = view.image_of(&row)?;
                        let record = image::read(&image).expect("an image");
                        records.insert(*row.id.as_bytes(), record);
                    }
                }
                Ok(records)
            })
            .expect("the records can be read")
    }

    /// The fold of the engine's log, by the model; and the engine's records. Both must be alike.
    pub fn check_records(&mut self) {
        let entries = log::entries(&self.rows(0));
        let folded = FoldOracle::records(&entries);
        let engine = self.engine_records();
        for (record, shown) in &engine {
            assert_eq!(folded.get(record), Some(shown), "record {record:02x?}");
        }
        assert_eq!(folded.len(), engine.len());
        assert_eq!(self.oracle.records(), folded);
    }

    /// What each person may see, by the model and by the engine.
    pub fn check_scopes(&self) {
        use sync_core::kinds::Kind;
        use sync_core::scope::Scope;
        let district = self.file();
        let state = district.state();
        let now_ms = self.clock.wall_ms();
        for phone in &self.phones {
            let engine = Scope::of(
                &state.directory,
                &district.documents(),
                phone.person,
                now_ms,
            );
            let model = self.oracle.scope(phone.person.0, now_ms);
            let desks = self.units.iter().map(|unit| Some(*unit)).chain([None]);
            for desk in desks {
                for unit in &self.units {
                    for kind in Kind::ALL {
                        assert_eq!(
                            model.contains(kind.as_str(), *unit, desk),
                            engine.contains(kind, UnitId(*unit), desk.map(UnitId)),
                            "person {} {kind:?} unit {unit} desk {desk:?}",
                            phone.person
                        );
                    }
                }
            }
        }
    }
}
