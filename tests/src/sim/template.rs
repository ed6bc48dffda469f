//! The beginning that all worlds share: a founded district and an enrolled phone for each of its people, made once a
//! process and copied, since a campaign needs it thousands of times a minute.

use super::disk::{Disk, Files};
use super::district::BEGINS_MS;
use super::judge::Judge;
use super::phone::{Phone, open_connection};
use super::rogue::{self, Rogue};
use super::server::Server;
use server::clock::FixedClock;
use server::demo::Dice;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use sync_core::ids::PersonId;
use sync_core::kinds::KnownIntents;
use sync_core::replica::Replica;

/// What an older version of app or server knows: a version before the first one.
pub const OLD: KnownIntents = KnownIntents::up_to(0);

/// See the module.
pub struct Template {
    /// The server's files.
    pub server: Files,
    /// The phones' files, by person.
    pub phones: BTreeMap<u32, Files>,
    /// The same phones, enrolled with an older app.
    pub old_phones: BTreeMap<u32, Files>,
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
        TEMPLATE.get_or_init(|| Self::make("template", KnownIntents::ALL))
    }

    /// The one whose server is of an older version.
    ///
    /// # Panics
    /// As for [`Template::get`].
    pub fn old() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(|| Self::make("old", OLD))
    }

    fn make(name: &str, known: KnownIntents) -> Self {
        let disk = Disk::install();
        let node = disk.node(&format!("{name}.server"));
        let clock = Arc::new(FixedClock::at(BEGINS_MS));
        let mut server = Server::new(node.clone(), clock, 0x7465_6d70_6c61_7465);
        server.known = known;
        server.found().expect("BUG: the small district is founded");
        let (mut phones, mut old_phones, mut rogue) = (BTreeMap::new(), BTreeMap::new(), None);
        for person in 1..=12 {
            let node = disk.node(&format!("{name}.phone{person}"));
            let dice = Dice::new(0x7068_6f6e_6500 + u64::from(person));
            let enrolled = Phone::enrol_as(&server, node.clone(), PersonId(person), dice);
            let (mut phone, enrolment) = enrolled.expect("BUG: a phone enrols");
            let old = disk.node(&format!("{name}.old{person}"));
            let connection = open_connection(&old).expect("BUG: an empty disk opens");
            Replica::create_knowing(connection, &enrolment, OLD).expect("BUG: a phone enrols");
            old_phones.insert(person, old.snapshot());
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
            old_phones,
            judge,
            rogue: rogue.expect("BUG: the rogue's person has a phone"),
        }
    }
}
