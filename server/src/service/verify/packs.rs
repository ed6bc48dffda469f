//! Frozen packs: that each is the one that the log names, and that it follows from the log.

use super::fault::FaultKind;
use super::log::Pass;
use crate::service::packs::{Source, hash_of, is_of_this_format, make};
use crate::store::StoreError;
use sync_core::packs::Period;

impl Pass<'_> {
    /// Makes every pack again. One of another format is only held against its hash: the rules that made it are gone.
    pub(super) fn check_packs(&mut self) -> Result<(), StoreError> {
        for pack in self.read.list_packs()? {
            let named = self.directory.pack(&pack.label);
            let is_named = named
                .is_some_and(|named| named.pos == pack.pos && named.hash == hash_of(&pack.text));
            let period = Period::parse(&pack.label);
            let source = Source {
                read: self.read,
                facts: self.facts,
                pos: pack.pos,
                now_ms: i64::MAX,
                observed: &pack.observed,
            };
            let detail = match period {
                _ if !is_named => "the log names another",
                None => "no such period",
                Some(period)
                    if is_of_this_format(&pack.text) && make(source, &period)? != pack.text =>
                {
                    "made again it is another"
                }
                Some(_) => continue,
            };
            let kind = FaultKind::PackDiffers;
            self.findings.note(None, "pack", pack.label, kind, detail);
        }
        Ok(())
    }
}
