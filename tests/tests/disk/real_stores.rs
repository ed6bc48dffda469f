//! The product's own stores on the simulated disk: a power cut at any call of their first minute leaves the new store whole, or
//! none at all and room for another try.

use super::workload::node;
use rusqlite::Connection;
use server::store::StoreError;
use server::store::sqlite::{DistrictFacts, DistrictRead, DistrictWrite};
use sync_core::change::SigningKey;
use sync_core::ids::{DistrictId, Epoch, PersonId, Pos, ReplicaId, ReplicaNo};
use sync_core::replica::{Enrolment, Replica, ReplicaError};
use tests::sim::disk::{DamageRates, Fault, Files, Node};
use uuid::Uuid;

const DISTRICT: DistrictId = DistrictId(Uuid::from_bytes([1; 16]));
const SEEDS: u64 = 20;

/// Runs `make` with a crash at each of its calls; after each cut, `check` gets the node that came back and whether `make` had
/// said that it was done. Says at how many calls it crashed.
fn sweep(name: &str, make: impl Fn(&Node) -> bool, check: impl Fn(&Node, bool, &str)) -> u64 {
    let victim = node(name);
    let reborn = node(&format!("{name}.reborn"));
    for at_call in 1.. {
        victim.restore(&Files::default());
        victim.arm(Fault::Crash, at_call, 0);
        let done = make(&victim);
        for seed in 0..SEEDS {
            reborn.restore(&victim.crash_image(seed, &DamageRates::power()));
            check(&reborn, done, &format!("call {at_call}, seed {seed}"));
        }
        if !victim.is_dead() {
            assert!(done, "it is done without a fault");
            victim.remove();
            reborn.remove();
            return at_call - 1;
        }
    }
    unreachable!("BUG: calls without end")
}

#[test]
fn a_new_district_is_there_or_can_be_made_again() {
    let facts = DistrictFacts {
        id: DISTRICT,
        code: "440305".into(),
        name: "Nanshan".into(),
        time_zone: "Asia/Shanghai".into(),
        epochs: vec![(Epoch(1), Pos(0))],
        safe_pos: Pos(0),
        known: Vec::new(),
        anew: Epoch(0),
    };
    let create = |node: &Node| -> Result<(), StoreError> {
        let store = DistrictWrite::open(&node.path("district.db"))?;
        store.create(&facts, 1_000)?;
        let reader = DistrictRead::open(&node.path("district.db"))?;
        assert_eq!(reader.facts()?, facts);
        Ok(())
    };
    let crashes = sweep(
        "district",
        |node| create(node).is_ok(),
        |node, done, place| {
            let store = DistrictWrite::open(&node.path("district.db"));
            let store = store.unwrap_or_else(|error| panic!("{place}: {error:?}"));
            store.integrity_check().expect(place);
            match store.facts() {
                Ok(found) => assert_eq!(found, facts, "{place}"),
                Err(_) if !done => store.create(&facts, 1_000).expect(place),
                Err(error) => panic!("{place}: {error:?}"),
            }
        },
    );
    assert!(crashes > 15, "{crashes}");
}

#[test]
fn a_new_replica_is_there_or_can_be_made_again() {
    let key = SigningKey::from_seed(&[7; 32]);
    let enrolment = Enrolment {
        district: DISTRICT,
        replica: ReplicaId(Uuid::from_bytes([2; 16])),
        key_seed: *key.seed(),
        replica_no: ReplicaNo(9),
        person: PersonId(9),
        epoch: Epoch(1),
        certificate: Vec::new(),
        server_keys: vec![("k1".to_owned(), key.verifying_key())],
    };
    let connect = |node: &Node| Connection::open(node.path("replica.db"));
    let create = |node: &Node| -> Result<(), ReplicaError> {
        Replica::create(connect(node)?, &enrolment).map(|_| ())
    };
    let crashes = sweep(
        "replica",
        |node| create(node).is_ok(),
        |node, done, place| {
            let opened = Replica::open(connect(node).expect(place));
            match opened {
                Ok(_) => {}
                Err(_) if !done => create(node).expect(place),
                Err(error) => panic!("{place}: {error:?}"),
            }
        },
    );
    assert!(crashes > 15, "{crashes}");
}
