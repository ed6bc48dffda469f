//! The beginning that all worlds share: a founded district and an enrolled phone for each of its people, made once a
//! process and copied, since a campaign needs it thousands of times a minute.

use super::disk::{Disk, Files};
use super::district::BEGINS_MS;
use super::judge::Judge;
use super::phone::Phone;
use super::rogue::{self, Rogue};
use super::server::Server;
use server::clock::FixedClock;
use server::demo::Dice;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use sync_core::ids::PersonId;

/// See the module.
pub struct Template {
    /// The server's files.
    pub server: Files,
    /// The phones' files, by person.
    pub phones: BTreeMap<u32, Files>,
    /// The model beside the server.
    pub judge: Judge,
    /// Who keeps to no rule.
    pub rogue: Rogue,
}

impl Template {
    /// The one template.
    ///
    /// # Panics
    /// When the district cannot be made, which nothing after it would survive.
    pub fn get() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let disk = Disk::install();
        let node = disk.node("template.server");
        let clock = Arc::new(FixedClock::at(BEGINS_MS));
        let mut server = Server::new(node.clone(), clock, 0x7465_6d70_6c61_7465);
        server.found().expect("BUG: the small district is founded");
        let (mut phones, mut rogue) = (BTreeMap::new(), None);
        for person in 1..=12 {
            let node = disk.node(&format!("template.phone{person}"));
            let dice = Dice::new(0x7068_6f6e_6500 + u64::from(person));
            let mut phone = Phone::enrol(&server, node.clone(), PersonId(person), dice)
                .expect("BUG: a phone enrols");
            if person == rogue::PERSON {
                rogue = phone.replica.as_ref().map(Rogue::of);
            }
            // Closed, so that the copy is one file without a log beside it.
            phone.replica = None;
            phones.insert(person, node.snapshot());
        }
        let judge = Judge::of(&server);
        server.stop();
        server.drop_process();
        Self {
            server: node.snapshot(),
            phones,
            judge,
            rogue: rogue.expect("BUG: the rogue's person has a phone"),
        }
    }
}
