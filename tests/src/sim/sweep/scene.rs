//! A server and phones that live, without faults, up to the moment before an operation.

use super::Side;
use super::crash::{Case, Expected, Machine};
use crate::sim::disk::{Disk, Files, Node};
use crate::sim::district::BEGINS_MS;
use crate::sim::phone::{Phone, open_connection};
use crate::sim::server::{Delivered, Server, now};
use crate::sim::template::Template;
use serde_json::{Value, json};
use server::clock::{Clock as _, FixedClock};
use server::demo::Dice;
use server::service::administration::AdminRequest;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use sync_core::ids::{PersonId, RecordId, UnitId};
use sync_core::kinds::KnownIntents;
use sync_core::replica::{Draft, Replica, RequestFacts};
use sync_core::session::Progress;
use sync_core::verdict::Verdict;
use sync_core::wire::{RequestBody, SyncResponse};

/// The seed of every server here.
const SEED: u64 = 0x0073_7765_6570;
/// Exchanges after which a conversation that does not end is a defect.
const EXCHANGES_MAX: usize = 40;

/// See the module.
pub struct Scene {
    /// The server.
    pub server: Server,
    /// The phones by their number, which is that of their person; copies have numbers above 100.
    pub phones: BTreeMap<u32, Phone>,
    name: String,
    disk: &'static Disk,
}

/// An error and what caused it.
pub fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Delivers requests, and says what was answered; all answers after each other.
pub fn deliver(server: &Server, requests: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let answers = match requests {
        [one] => vec![server.deliver(one)],
        several => server.deliver_together(several),
    };
    let mut bytes = Vec::new();
    for answer in answers {
        match answer {
            Delivered::Answer(answer) => bytes.extend(answer),
            Delivered::Down => return Err("the server is down".to_owned()),
            Delivered::Refused(error) => return Err(told(&error)),
        }
    }
    Ok(bytes)
}

/// The open part of a report.
pub fn report(mark: &str) -> Value {
    json!({
        "category": "SAN-01", "title": "垃圾堆积", "description": mark,
        "place": {"latitude_e7": 225_000_100, "longitude_e7": 1_140_000_100},
    })
}

/// A draft with an open part.
pub fn draft(record: RecordId, unit: u32, intent: &str, open: &Value) -> Draft {
    Draft::new(record, UnitId(unit), intent, open.to_string())
}

impl Scene {
    /// The small district with the phones of these people.
    ///
    /// # Panics
    /// When the template does not open; so for all steps below, which nothing stands in the way of.
    pub fn new(people: &[u32]) -> Self {
        static SCENES: AtomicU64 = AtomicU64::new(0);
        let disk = Disk::install();
        let name = format!("scene{}", SCENES.fetch_add(1, Ordering::Relaxed));
        let template = Template::get();
        let node = disk.node(&format!("{name}.server"));
        node.restore(&template.server);
        let mut server = Server::new(node, Arc::new(FixedClock::at(BEGINS_MS)), SEED);
        server.start(false).expect("BUG: the template starts");
        let mut scene = Self {
            server,
            phones: BTreeMap::new(),
            name,
            disk,
        };
        for person in people {
            scene.add_phone(*person, PersonId(*person), &template.phones[person]);
        }
        scene
    }

    fn add_phone(&mut self, number: u32, person: PersonId, files: &Files) {
        let node = self.disk.node(&format!("{}.phone{number}", self.name));
        let dice = Dice::new(SEED + u64::from(number));
        let phone = Phone::from_files(node, person, files, dice, KnownIntents::ALL)
            .expect("BUG: a phone opens");
        self.phones.insert(number, phone);
    }

    /// Enrols one more phone of a person.
    pub fn enrol(&mut self, number: u32, person: PersonId) {
        let node = self.disk.node(&format!("{}.phone{number}", self.name));
        let dice = Dice::new(SEED + u64::from(number));
        let phone = Phone::enrol(&self.server, node, person, dice);
        let phone = phone.unwrap_or_else(|error| panic!("BUG: {}", told(&error)));
        self.phones.insert(number, phone);
    }

    /// Copies a phone's data onto another one.
    pub fn clone_phone(&mut self, number: u32, copy: u32) {
        let phone = self.phone(number);
        let (person, files) = (phone.person, phone.node.snapshot());
        self.add_phone(copy, person, &files);
    }

    /// A phone.
    pub fn phone(&mut self, number: u32) -> &mut Phone {
        self.phones
            .get_mut(&number)
            .expect("BUG: no such phone here")
    }

    /// A phone's replica.
    pub fn replica(&mut self, number: u32) -> &mut Replica {
        let replica = self.phone(number).replica.as_mut();
        replica.expect("BUG: the app runs")
    }

    /// A record id that a phone makes.
    pub fn new_record(&mut self, number: u32) -> RecordId {
        let at = self.phones[&number].clocks(&self.server);
        self.phone(number).new_record(&at)
    }

    /// A phone makes a change, and a second passes.
    pub fn make(&mut self, number: u32, draft: Draft) {
        self.server.clock.advance_ms(1_000);
        let at = self.phones[&number].clocks(&self.server);
        let made = self.replica(number).make_change(draft, at);
        made.expect("BUG: a valid change");
    }

    /// A phone makes a report.
    pub fn report(&mut self, number: u32, unit: u32) -> RecordId {
        let record = self.new_record(number);
        self.make(
            number,
            draft(record, unit, "report.create", &report("报告")),
        );
        record
    }

    /// What a phone would send now.
    pub fn request(&mut self, number: u32) -> Vec<u8> {
        self.server.clock.advance_ms(1_000);
        let at = self.phones[&number].clocks(&self.server);
        let phone = self.phone(number);
        phone.session.on_link();
        let replica = phone.replica.as_ref().expect("BUG: the app runs");
        let request = phone.session.next_request(replica, at);
        let request = request.expect("BUG: a sound disk");
        request.expect("BUG: a request is due").bytes
    }

    /// Takes a request to the server.
    pub fn deliver(&self, request: &[u8]) -> Vec<u8> {
        deliver(&self.server, &[request.to_vec()]).expect("BUG: an answer")
    }

    /// A phone syncs until there is nothing more to say.
    pub fn sync(&mut self, number: u32) {
        self.phone(number).session.on_link();
        for _ in 0..EXCHANGES_MAX {
            self.server.clock.advance_ms(1_000);
            let at = self.phones[&number].clocks(&self.server);
            let phone = self.phones.get_mut(&number).expect("BUG: no such phone");
            let replica = phone.replica.as_mut().expect("BUG: the app runs");
            let request = phone.session.next_request(replica, at);
            let Some(request) = request.expect("BUG: a sound disk") else {
                return;
            };
            let answer = deliver(&self.server, std::slice::from_ref(&request.bytes))
                .expect("BUG: an answer");
            let number = request.request_no;
            let taken = phone.session.on_response(replica, number, &answer, at, 1);
            if !matches!(taken.expect("BUG: an answer fits"), Progress::Applied(_)) {
                return;
            }
        }
        panic!("BUG: a phone does not come to an end");
    }

    /// What the office does.
    pub fn office(&mut self, request: AdminRequest) -> Value {
        let gridwork = self.server.gridwork().expect("BUG: it runs");
        let done = now(Box::pin(gridwork.administer(None, request)));
        done.unwrap_or_else(|error| panic!("BUG: the office: {}", told(&error)))
    }

    /// The next request of a phone and its answer, read, for a phone that is to take it in.
    pub fn answer(&mut self, number: u32) -> (SyncResponse, RequestFacts) {
        let request = self.request(number);
        let answer = self.deliver(&request);
        let sent = RequestBody::read(&request).expect("BUG: own request");
        let facts = RequestFacts {
            request_no: sent.request.request_no,
            sent_at: sent.request.sent_at,
            first_seq: sent.request.first_seq,
            count: sent.request.count,
            asked_documents: sent.request.documents_held.is_some(),
            wanted: sent.request.wanted,
        };
        let response = SyncResponse::decode(&answer).expect("BUG: own answer");
        (response, facts)
    }

    /// An operation of the server, which starts from here.
    pub fn server_case(
        self,
        name: &'static str,
        commits: usize,
        act: impl Fn(&mut Server) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Case {
        self.server.clock.advance_ms(1_000);
        let wall_ms = self.server.clock.wall_ms();
        Case {
            name,
            side: Side::Server,
            commits,
            expected: Expected::Same,
            databases: vec!["control.db", "districts/440399.db"],
            passed_over: None,
            files: self.server.node.snapshot(),
            start: Box::new(move |node| {
                start_server(node, wall_ms, false).map(|server| Machine::Server(Box::new(server)))
            }),
            act: Box::new(move |_, machine| act(machine.server())),
        }
    }

    /// The same for one that draws codes: each start draws others.
    pub fn drawing_case(
        self,
        name: &'static str,
        commits: usize,
        act: impl Fn(&mut Server) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Case {
        self.server.clock.advance_ms(1_000);
        let wall_ms = self.server.clock.wall_ms();
        let mut case = self.server_case(name, commits, act);
        case.passed_over = Some("control.db/one_time_code");
        case.start = Box::new(move |node| {
            start_afresh(node, wall_ms).map(|server| Machine::Server(Box::new(server)))
        });
        case
    }

    /// Requests that come to the server at once, and to which it gives a verdict of this kind.
    ///
    /// # Panics
    /// When it does not.
    pub fn request_case(
        self,
        name: &'static str,
        requests: Vec<Vec<u8>>,
        verdict: Option<Verdict>,
    ) -> Case {
        let files = self.server.node.snapshot();
        for (index, request) in requests.iter().enumerate().rev() {
            let answer = SyncResponse::decode(&self.deliver(request)).expect("BUG: own answer");
            let answers = answer.receipts.iter().flat_map(|receipt| &receipt.answers);
            let verdicts: Vec<Verdict> = answers.map(|answer| answer.verdict).collect();
            let is_met = verdict.is_none_or(|verdict| verdicts.contains(&verdict));
            assert!(is_met || index > 0, "BUG: {name} gets {verdicts:?}");
        }
        let mut case = self.server_case(name, 1, move |server| deliver(server, &requests));
        case.files = files;
        case
    }

    /// An operation of a phone's database, which starts from here.
    pub fn phone_case(
        self,
        name: &'static str,
        number: u32,
        act: impl Fn(&mut Replica) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Case {
        Case {
            name,
            side: Side::Phone,
            commits: 1,
            expected: Expected::Same,
            databases: vec!["phone.db"],
            passed_over: None,
            files: self.phones[&number].node.snapshot(),
            start: Box::new(|node| {
                open_phone(node).map(|replica| Machine::Phone(Box::new(replica)))
            }),
            act: Box::new(move |_, machine| act(machine.replica())),
        }
    }
}

/// Starts a server on a node.
///
/// # Errors
/// Why it does not start.
pub fn start_server(node: &Node, wall_ms: i64, restored: bool) -> Result<Server, String> {
    start_seeded(node, wall_ms, restored, SEED)
}

/// The same with dice that no start before has thrown.
///
/// # Errors
/// Why it does not start.
pub fn start_afresh(node: &Node, wall_ms: i64) -> Result<Server, String> {
    static STARTS: AtomicU64 = AtomicU64::new(1);
    let seed = SEED + STARTS.fetch_add(1, Ordering::Relaxed);
    start_seeded(node, wall_ms, false, seed)
}

fn start_seeded(node: &Node, wall_ms: i64, restored: bool, seed: u64) -> Result<Server, String> {
    let clock = Arc::new(FixedClock::at(wall_ms));
    let mut server = Server::new(node.clone(), clock, seed);
    server.start(restored).map_err(|error| told(&error))?;
    Ok(server)
}

/// Opens a phone's database.
///
/// # Errors
/// Why it does not open.
pub fn open_phone(node: &Node) -> Result<Replica, String> {
    let connection = open_connection(node).map_err(|error| told(&error))?;
    Replica::open(connection).map_err(|error| told(&error))
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.node.die();
        self.server.drop_process();
        self.server.node.remove();
        for phone in self.phones.values_mut() {
            phone.node.die();
            phone.replica = None;
            phone.node.remove();
        }
    }
}
