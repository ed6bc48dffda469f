//! Pages of the server in memory.

use super::{FakeServer, Logged};
use crate::change::Header;
use crate::directory::Replica as Listed;
use crate::ids::{RecordId, ScopeVersion};
use crate::kinds::{self, Shape};
use crate::wire::{ImageItem, Item, RequestBody, SyncResponse, write_item};
use std::collections::BTreeSet;

impl FakeServer {
    pub(super) fn fill_page(
        &mut self,
        body: &RequestBody<'_>,
        listed: &Listed,
        response: &mut SyncResponse,
    ) {
        let request = &body.request;
        let scope = self.scope_of(listed.person);
        let version = ScopeVersion(self.scope_versions[&listed.person]);
        let mut cursor = request.cursor;
        if cursor.scope_version != version {
            response.scope = Some(scope.clone());
            cursor.scope_version = version;
            cursor.backfill = 1;
        }
        let mut out = Vec::new();
        for record in &request.wanted {
            let item = if self.is_in(&scope, *record) {
                self.image(*record)
            } else {
                Item::Leave(*record)
            };
            write_item(&mut out, &item);
        }
        if cursor.backfill > 0 {
            let all: Vec<RecordId> = self
                .records
                .keys()
                .copied()
                .filter(|record| self.is_in(&scope, *record))
                .collect();
            let from = cursor.backfill as usize - 1;
            for record in all.iter().skip(from).take(self.images_max) {
                write_item(&mut out, &self.image(*record));
            }
            let to = from + self.images_max;
            cursor.backfill = if to < all.len() { to as u64 + 1 } else { 0 };
        }
        let mut room = request.page_bytes_max as usize;
        let mut imaged = BTreeSet::new();
        for entry in &self.log {
            let pos = entry.item.place.pos;
            if pos <= cursor.pos {
                continue;
            }
            if out.len() > room {
                response.more = true;
                break;
            }
            cursor.pos = pos;
            if let Some(ruling) = &entry.ruling {
                if self.is_in(&scope, entry.record) && imaged.insert(entry.record) {
                    write_item(&mut out, &self.image(entry.record));
                }
                if ruling.replica == listed.no {
                    write_item(&mut out, &Item::Ruling(ruling.clone()));
                }
            } else if self.is_in(&scope, entry.record) || entry.item.replica == listed.no {
                // A record that is made after something was done to it comes whole: nobody was sent what came before.
                let late = self.is_made_late(entry) && self.is_in(&scope, entry.record);
                if late && imaged.insert(entry.record) {
                    write_item(&mut out, &self.image(entry.record));
                }
                if !late || entry.item.replica == listed.no {
                    write_item(&mut out, &Item::Entry(entry.item.clone()));
                }
            } else if self
                .fold_before(entry.record, pos)
                .is_some_and(|before| scope.contains(before.kind, before.unit, before.desk))
            {
                write_item(&mut out, &Item::Leave(entry.record));
            }
            room = room.max(1);
        }
        response.more |= cursor.backfill > 0;
        if !response.more {
            let mut digest = self.digest_of(listed.person);
            digest.count += self.digest_fault;
            response.digest = Some(digest);
        }
        response.items = out;
        response.cursor = cursor;
    }

    /// Whether an entry makes a record that earlier entries name.
    fn is_made_late(&self, entry: &Logged) -> bool {
        let makes = Header::decode(&entry.item.header)
            .ok()
            .and_then(|header| kinds::find(&header.intent))
            .is_some_and(|intent| matches!(intent.shape, Shape::Create(_)));
        makes
            && self
                .log
                .iter()
                .take_while(|earlier| earlier.item.place.pos < entry.item.place.pos)
                .any(|earlier| earlier.record == entry.record)
    }

    pub fn image(&self, record: RecordId) -> Item {
        let state = &self.records[&record];
        Item::Image(ImageItem {
            record,
            pos: state.pos,
            image: state.to_image(),
        })
    }
}
