//! The model of admission beside a world's server: every entry of the log must be one that the model expects, and no
//! answer may show a person what the model says is not theirs to see.

use super::server::Server;
use super::world::World;
use crate::oracle::arrival::{Answered, Ruled, Status};
use crate::oracle::log::{self, Row};
use crate::oracle::{AdmissionOracle, Arrival, FoldOracle, Prediction, image};
use server::service::ServiceError;
use server::store::sqlite::{Contact, DistrictRead};
use std::collections::BTreeMap;
use sync_core::change::Header;
use sync_core::kinds::KnownIntents;
use sync_core::wire::{Item, Receipt, RequestBody, Status as Said, SyncResponse, read_items};

/// A request that came to the server.
pub struct Asked {
    /// Its body.
    pub bytes: Vec<u8>,
    /// What the server's clock said.
    pub wall_ms: i64,
    /// What it answered; nothing when it died meanwhile, and only its log can tell whether the request counts.
    pub response: Option<SyncResponse>,
}

/// See the module.
#[derive(Clone)]
pub struct Judge {
    pub(super) oracle: AdmissionOracle,
    /// When each replica that has shown a certificate was enrolled.
    pub(super) certified: BTreeMap<[u8; 16], i64>,
    /// Requests without an answer that others of their replica follow: only what is decided then tells whether the server
    /// has counted them, and whose the changes are that both brought.
    maybe: Vec<Arrival>,
}

impl Judge {
    /// Of a server that has only directory entries.
    ///
    /// # Panics
    /// When it has more, or cannot be read.
    pub fn of(server: &Server) -> Self {
        let mut oracle = AdmissionOracle::new();
        if server.known != KnownIntents::ALL {
            oracle = oracle.before_the_first_version();
        }
        for row in rows_above(server, 0).expect("BUG: a new district can be read") {
            let Row::Directory(_, received_ms, body) = row else {
                panic!("BUG: a new district has {row:?}");
            };
            oracle.directory(&body, received_ms);
        }
        Self {
            oracle,
            certified: BTreeMap::new(),
            maybe: Vec::new(),
        }
    }
}

/// Rows of the log above a position. No fault strikes these reads: they are not the server's.
fn rows_above(server: &Server, after: u64) -> Result<Vec<Row>, ServiceError> {
    let district = server.district().ok_or(ServiceError::Overloaded)?;
    server
        .node
        .without_faults(|| district.read_here(|read| Ok(log::rows(read, after)?)))
}

/// What a prediction and the log's rows say of the same places, when it is not the same.
fn difference(prediction: &Prediction, before: u64, rows: &[Row]) -> Option<String> {
    let mut said: Vec<(u64, String)> = Vec::new();
    for answered in &prediction.answers {
        if answered.place.1 > before {
            said.push((answered.place.1, format!("{answered:?}")));
        }
    }
    for ruled in &prediction.rulings {
        said.push((ruled.place.1, format!("{ruled:?}")));
    }
    said.sort();
    for (index, (pos, text)) in said.iter().enumerate() {
        let found = rows.get(index).map(described);
        if found.as_ref() != Some(text) {
            return Some(format!(
                "place {pos}: the model says\n  {text}, the log has\n  {}",
                found.unwrap_or_default()
            ));
        }
    }
    None
}

fn described(row: &Row) -> String {
    match row {
        Row::Change(row) => {
            let answered = Answered {
                seq: row.change.seq,
                place: row.place,
                first: row.first,
                time_ms: row.time_ms,
                answer: row.answer.clone(),
            };
            // What cannot be read has no seq of its own in the log's header; the place in the chain is the row's.
            format!("{answered:?}")
        }
        Row::Ruling(row) => {
            let ruled = Ruled {
                place: row.place,
                ruling: row.ruling.clone(),
                of: row.of,
                answer: row.answer.clone(),
            };
            format!("{ruled:?}")
        }
        Row::Directory(pos, ..) => format!("a directory entry at {pos}"),
    }
}

/// When a request was received in whose course the server died, if what it brought has reached the disk.
fn logged_ms(arrival: &Arrival, rows: &[Row]) -> Option<i64> {
    rows.iter().find_map(|row| match row {
        Row::Change(row) => {
            let hash = row.change.hash;
            let is_its = arrival.changes.iter().any(|change| change.hash == hash);
            // A change that was taken back in keeps the time of its first arrival.
            let received_ms = match row.first {
                Some(_) => arrival.received_ms,
                None => row.received_ms,
            };
            is_its.then_some(received_ms)
        }
        _ => None,
    })
}

impl World {
    /// Requests that the server has taken, or may have: the model takes them too, and both must say the same.
    pub(super) fn judge(&mut self, asked: Vec<Asked>) {
        self.unjudged.extend(asked);
        if !self.server.is_up() || self.server.node.is_dead() {
            return;
        }
        let head = self.judge.oracle.head();
        let Ok(rows) = rows_above(&self.server, head) else {
            self.violation("the log cannot be read for the model");
            return;
        };
        let mut rows = &rows[..];
        let unjudged = std::mem::take(&mut self.unjudged);
        for (index, asked) in unjudged.iter().enumerate() {
            self.judge_request(asked, &unjudged[index + 1..], &mut rows);
        }
        self.judge_epochs();
        self.judge_learning(&mut rows);
        // Answers to requests that share a commit are made after all of them are in.
        for asked in &unjudged {
            if let (Some(response), Ok(body)) = (&asked.response, RequestBody::read(&asked.bytes)) {
                self.judge_items(*body.request.replica.as_bytes(), response);
            }
        }
        self.judge_office(&mut rows);
        if let Some(row) = rows.first() {
            self.violation(format!("no model was told of {row:?}"));
        }
    }

    pub(super) fn judge_rows(
        &mut self,
        prediction: &Prediction,
        before: u64,
        rows: &mut &[Row],
        what: &str,
    ) -> bool {
        if let Some(text) = difference(prediction, before, rows) {
            self.violation(format!("model: {what}: {text}"));
            return false;
        }
        let taken = (self.judge.oracle.head() - before) as usize;
        *rows = rows.get(taken..).unwrap_or_default();
        true
    }

    fn judge_request(&mut self, asked: &Asked, later: &[Asked], rows: &mut &[Row]) {
        let Some(district) = self.server.district() else {
            return;
        };
        let Ok(body) = RequestBody::read(&asked.bytes) else {
            return;
        };
        let request = &body.request;
        self.judge_office(rows);
        self.judge_epochs();
        let received_ms = match &asked.response {
            Some(response) => response.received_ms,
            None => asked.wall_ms,
        };
        let state = district.state();
        let is_genuine = |receipt: &Receipt| {
            let key = state.directory.server_key(&receipt.key_id);
            key.is_some_and(|key| receipt.is_signed_by(district.id(), key))
        };
        let arrival = Arrival::read(&asked.bytes, district.id(), received_ms, is_genuine);
        let Ok(mut arrival) = arrival else {
            return;
        };
        if asked.response.is_none() {
            let is_present = arrival.epoch == self.judge.oracle.epoch();
            let logged_ms = logged_ms(&arrival, rows).filter(|_| is_present);
            let last = arrival.changes.last().map_or(0, |change| change.seq);
            let is_new = is_present && last > self.judge.oracle.mark(arrival.replica);
            let is_followed = later.iter().any(|later| {
                let body = RequestBody::read(&later.bytes);
                body.is_ok_and(|body| *body.request.replica.as_bytes() == arrival.replica)
            });
            if logged_ms.is_none() && is_new {
                return;
            }
            if is_followed {
                arrival.received_ms = logged_ms.unwrap_or(arrival.received_ms);
                self.judge.maybe.push(arrival);
                return;
            }
            arrival.received_ms = match logged_ms {
                Some(received_ms) => received_ms,
                None => match self.contact_ms(&arrival) {
                    Some(received_ms) => received_ms,
                    None => return,
                },
            };
        }
        let Some((prediction, before)) = self.predict(&arrival, rows) else {
            self.violation("the server answered a replica that the model does not know");
            return;
        };
        let what = format!("request {} of {}", request.request_no, request.replica);
        if !self.judge_rows(&prediction, before, rows, &what) {
            return;
        }
        if let Some(response) = &asked.response {
            self.judge_answer(&prediction, response, &what);
        }
    }

    /// What the model says of a request, and the place before it; with the unanswered requests before it that may have
    /// counted when the log says so.
    fn predict(&mut self, arrival: &Arrival, rows: &mut &[Row]) -> Option<(Prediction, u64)> {
        let maybe = std::mem::take(&mut self.judge.maybe);
        let (own, others): (Vec<_>, Vec<_>) = maybe
            .into_iter()
            .partition(|maybe| maybe.replica == arrival.replica);
        self.judge.maybe = others;
        let before = self.judge.oracle.head();
        let saved = (!own.is_empty()).then(|| self.judge.oracle.clone());
        let prediction = self.judge.oracle.arrive(arrival)?;
        let Some(saved) = saved.filter(|_| difference(&prediction, before, rows).is_some()) else {
            return Some((prediction, before));
        };
        self.judge.oracle = saved;
        for asked in &own {
            self.judge.oracle.arrive(asked);
        }
        let after = self.judge.oracle.head();
        *rows = rows.get((after - before) as usize..).unwrap_or_default();
        Some((self.judge.oracle.arrive(arrival)?, after))
    }

    /// When a request counted as a contact in whose course the server died, if its commit has reached the disk.
    fn contact_ms(&self, arrival: &Arrival) -> Option<i64> {
        let district = self.server.district()?;
        let name = sync_core::ids::ReplicaId::from_slice(&arrival.replica)?;
        let no = district.state().directory.replica_by_id(name)?.no;
        let read = || district.read_here(|read| Ok(read.find_replica(no)?));
        let row = self.server.node.without_faults(read).ok()??;
        // Of contacts at or below the mark the row keeps one, under the mark.
        let head = arrival.head.0.max(row.mark.0);
        let is_it = |contact: &&Contact| {
            contact.head.0 == head && contact.received_ms >= arrival.received_ms
        };
        let contact = row.contacts.iter().find(is_it)?;
        Some(contact.received_ms)
    }

    fn judge_answer(&mut self, prediction: &Prediction, response: &SyncResponse, what: &str) {
        let status = match response.status {
            Said::Fork => Status::Fork,
            Said::Revoked => Status::Revoked,
            _ => Status::Ok,
        };
        let said = (prediction.status, prediction.mark, prediction.duplicates);
        let done = (status, response.mark.0, response.duplicates);
        if said != done {
            self.violation(format!(
                "model: {what}: status, mark, duplicates: the model says {said:?}, the engine {done:?}"
            ));
        }
        for answered in &prediction.answers {
            let found = response.receipts.iter().find_map(|receipt| {
                let index = answered.seq.checked_sub(receipt.from.0)?;
                let at = usize::try_from(index).ok()?;
                let answer = log::plain_answer(receipt.answers.get(at)?);
                let place = (receipt.epoch.0, receipt.first_pos.0 + index);
                Some((place, *receipt.times_ms.get(at)?, answer))
            });
            let said = Some((answered.place, answered.time_ms, answered.answer.clone()));
            if found != said {
                self.violation(format!(
                    "model: {what}: answer to {}: the model says {said:?}, the receipt {found:?}",
                    answered.seq
                ));
            }
        }
    }

    /// What leaves the server is the asking person's own, or lies in their scope at this moment.
    fn judge_items(&mut self, name: [u8; 16], response: &SyncResponse) {
        let oracle = &self.judge.oracle;
        let Some(person) = oracle.person_of(name) else {
            self.violation("an answer to nobody that the model knows");
            return;
        };
        let scope = oracle.scope(person, response.received_ms);
        let is_theirs = |record: [u8; 16]| {
            oracle
                .record(record)
                .is_some_and(|shown| scope.contains(&shown.kind, shown.unit, shown.desk))
        };
        let mut leaks = Vec::new();
        for item in read_items(&response.items).filter_map(Result::ok).flatten() {
            match item {
                Item::Image(image) if !is_theirs(*image.record.as_bytes()) => {
                    leaks.push(format!("the image of {}", image.record));
                }
                Item::Entry(entry) if entry.person.0 != person => {
                    let record = Header::decode(&entry.header).map(|header| header.record);
                    if !record.is_ok_and(|record| is_theirs(*record.as_bytes())) {
                        leaks.push(format!("the entry at {:?}", entry.place));
                    }
                }
                _ => {}
            }
        }
        for leak in leaks {
            self.violation(format!(
                "model: person {person} was sent {leak}, not in scope"
            ));
        }
    }

    /// At the end: the log added up by the model, the model's own records, the engine's images, and who holds what.
    pub(super) fn judge_records(&mut self, read: &DistrictRead) {
        let Some(district) = self.server.district() else {
            return;
        };
        let Ok(rows) = log::rows(read, 0) else {
            self.violation("the log cannot be read for the model");
            return;
        };
        let mut folded = FoldOracle::records(&log::entries(&rows));
        let state = district.state();
        let view = district.view(read, &state);
        let mut differing = Vec::new();
        if folded != self.judge.oracle.records() {
            differing.push("model: the log adds up to other records than the model has".to_owned());
        }
        for number in 1..=read.last_record_no().unwrap_or_default() {
            let Ok(row) = read.get_record_by_no(number) else {
                differing.push(format!("model: record {number} cannot be read"));
                continue;
            };
            if row.pos.0 == 0 {
                continue;
            }
            let shown = view.image_of(&row).ok();
            let shown = shown.and_then(|bytes| image::read(&bytes).ok());
            let model = folded.remove(row.id.as_bytes());
            if shown != model {
                differing.push(format!(
                    "model: record {}: the model says {model:?}, the image {shown:?}",
                    row.id
                ));
            }
        }
        for record in folded.keys() {
            differing.push(format!("model: record {record:02x?} has no image"));
        }
        let now_ms = self.server_now_ms();
        let oracle = &self.judge.oracle;
        for (index, phone) in self.phones.iter().enumerate() {
            let Some(replica) = phone
                .replica
                .as_ref()
                .filter(|_| !phone.gone && !phone.revoked)
            else {
                continue;
            };
            let scope = oracle.scope(phone.person.0, now_ms);
            for (id, _, _) in super::check::held_images(replica.connection()).unwrap_or_default() {
                let shown = oracle.record(*id.as_bytes());
                if !shown.is_some_and(|it| scope.contains(&it.kind, it.unit, it.desk)) {
                    differing.push(format!("model: phone {index} holds {id}, not in its scope"));
                }
            }
        }
        for text in differing.into_iter().take(3) {
            self.violation(text);
        }
    }
}
