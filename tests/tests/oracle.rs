//! The two models against the engine: random worlds, step by step, every answer and every record; and the models
//! against changes that were tampered with, which they must find.
//!
//! `GRIDWORK_ORACLE_WORLDS=200 cargo test -p tests --test oracle worlds` runs more.

#[path = "oracle/cases.rs"]
mod cases;
#[path = "oracle/checks.rs"]
mod checks;
#[path = "oracle/departures.rs"]
mod departures;
#[path = "oracle/exchange.rs"]
mod exchange;
#[path = "oracle/forms.rs"]
mod forms;
#[path = "oracle/incidents.rs"]
mod incidents;
#[path = "oracle/phone.rs"]
mod phone;
#[path = "oracle/worked.rs"]
mod worked;
#[path = "oracle/world.rs"]
mod world;

use std::collections::BTreeMap;
use sync_core::ids::{PersonId, UnitId};
use world::World;

/// A world of about this many steps.
const STEPS: usize = 400;

async fn live(seed: u64) -> World {
    let mut world = World::found(seed).await;
    for _ in 0..STEPS {
        step(&mut world).await;
    }
    // Everybody comes on line twice, and all that can end its waiting does.
    for _ in 0..2 {
        for index in (0..world.phones.len()).rev() {
            send(&mut world, index, true).await;
        }
    }
    world.check_records();
    world.check_scopes();
    world
}

async fn step(world: &mut World) {
    world
        .clock
        .advance_ms(500 + world.dice.below(60_000) as u32);
    let index = world.dice.below(world.phones.len() as u64) as usize;
    match world.dice.below(200) {
        0..=99 => world.make(index),
        100..=109 => work_a_case(world).await,
        110..=179 => {
            let is_carried = world.dice.below(5) != 0;
            send(world, index, is_carried).await;
        }
        180..=185 => change_roles(world, index).await,
        186..=188 => {
            let inbox = world.oracle.inbox();
            if !inbox.is_empty() {
                let of = *world.dice.pick(&inbox);
                let admits = world.dice.below(2) == 0;
                world.rule(of, admits).await;
            }
        }
        189..=190 => world.back_up().await,
        191 => {
            world.clock.advance_ms(60_000);
            world.restore();
        }
        192..=194 => {
            let clone = world.phones[index].clone();
            world.phones.push(clone);
        }
        195 => world.clock.advance_ms(3 * 24 * 3_600_000),
        196 => world.phones[index].boot += 1,
        197 => revoke(world, index).await,
        _ => world.check_records(),
    }
}

/// A phone is lost: it is revoked, and its person gets a new one.
async fn revoke(world: &mut World, index: usize) {
    use server::service::administration::AdminRequest;
    let (person, replica) = (world.phones[index].person, world.phones[index].replica);
    // A replica that a restore forgot cannot be revoked until it comes back.
    if !world.oracle.knows(*replica.as_bytes()) {
        return;
    }
    world.admin(AdminRequest::RevokeReplica { replica }).await;
    // What it still has it may hand in.
    send(world, index, true).await;
    if world
        .phones
        .get(index)
        .is_some_and(|phone| phone.replica == replica)
    {
        world.phones.remove(index);
    }
    world.enrol(person).await;
}

/// A report is worked on: each time somebody whose step it is looks, decides and sends.
async fn work_a_case(world: &mut World) {
    let Some(record) = world.choose_report() else {
        return;
    };
    for _ in 0..1 + world.dice.below(8) {
        let index = world.choose_worker_of(record);
        if world.phones[index].is_forked {
            return;
        }
        let mark = world.phones[index].mark;
        world.sync(index, mark + 1, 500, true).await;
        let state = world.state_of(record);
        let is_closed = ["CLOSED", "EVALUATED"].contains(&state.as_str());
        let rarity = if is_closed { 2 } else { 12 };
        let pause_days = u32::from(world.dice.below(rarity) == 0) * 6;
        let pause_ms = 60_000 + world.dice.below(600_000) as u32;
        world
            .clock
            .advance_ms(pause_days * 24 * 3_600_000 + pause_ms);
        if world.phones[index].is_forked {
            return;
        }
        world.step_case(index, record);
        let mark = world.phones[index].mark;
        world.sync(index, mark + 1, 500, true).await;
    }
}

/// A phone talks to the server, from its mark on or from before it.
async fn send(world: &mut World, index: usize, is_carried: bool) {
    if world.phones[index].is_forked {
        world.continue_fork(index).await;
        return;
    }
    let mark = world.phones[index].mark;
    let from = match world.dice.below(6) {
        0 => 1 + world.dice.below(mark + 1),
        _ => mark + 1,
    };
    let count = match world.dice.below(4) {
        0 => world.dice.below(3) as usize,
        _ => 500,
    };
    world.sync(index, from, count, is_carried).await;
}

async fn change_roles(world: &mut World, index: usize) {
    use server::service::administration::AdminRequest;
    let person = world.phones[index].person;
    let unit = UnitId(*world.dice.pick(&world.units.clone()));
    let role = *world
        .dice
        .pick(&["worker", "grid_head", "duty_desk", "verifier"]);
    if world.dice.below(2) == 0 {
        world.grant(person, role, unit).await;
        return;
    }
    let grants: Vec<(String, u32)> = world
        .oracle
        .grants(person.0)
        .iter()
        .filter(|grant| grant.until_ms.is_none())
        .map(|grant| (grant.role.clone(), grant.unit))
        .collect();
    if grants.len() < 2 {
        return;
    }
    let (role, unit) = world.dice.pick(&grants).clone();
    world
        .admin(AdminRequest::Revoke {
            person: PersonId(person.0),
            role,
            unit: UnitId(unit),
        })
        .await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn worlds_come_out_as_the_models_say() {
    let first: u64 = std::env::var("GRIDWORK_ORACLE_FROM")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let worlds: u64 = std::env::var("GRIDWORK_ORACLE_WORLDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for seed in first..first + worlds {
        let world = runtime().block_on(live(seed));
        eprintln!(
            "seed {seed}: {} entries, the model took {:?}",
            world.oracle.head(),
            world.model_time
        );
        for (what, count) in world.seen {
            *seen.entry(what).or_default() += count;
        }
    }
    for (what, count) in &seen {
        eprintln!("{count:>6} {what}");
    }
}

/// A test that cannot fail shows nothing: a prediction that is altered anywhere is told from what the engine did.
#[test]
fn an_altered_prediction_is_found() {
    use tests::oracle::Prediction;
    use tests::oracle::arrival::Status;
    use tests::oracle::plain::Verdict;
    let world = runtime().block_on(live(1));
    let alterations: [fn(&mut Prediction); 8] = [
        |said| said.status = Status::Fork,
        |said| said.mark += 1,
        |said| said.duplicates += 1,
        |said| {
            let answer = &mut said.answers[0].answer;
            answer.verdict = match answer.verdict {
                Verdict::Held => Verdict::Accepted,
                _ => Verdict::Held,
            };
        },
        |said| said.answers[0].answer.marks ^= 8,
        |said| said.answers[0].time_ms += 1,
        |said| {
            said.answers.pop();
        },
        |said| match said.rulings.pop() {
            Some(_) => {}
            None => said.mark += 1,
        },
    ];
    for exchange in &world.exchanges {
        assert!(exchange.differences(&exchange.prediction).is_empty());
        for alter in alterations {
            let mut said = exchange.prediction.clone();
            alter(&mut said);
            assert!(!exchange.differences(&said).is_empty());
        }
    }
    assert!(world.exchanges.len() > 20);
}
