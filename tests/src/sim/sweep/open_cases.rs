//! A server that is founded, started, started after a crash or from a copy, and stopped.

use super::Side;
use super::crash::{Case, Expected, Machine};
use super::scene::{Scene, start_server, told};
use crate::sim::disk::{Files, Node};
use crate::sim::district::BEGINS_MS;
use crate::sim::server::Server;
use server::clock::{Clock as _, FixedClock};
use std::sync::Arc;

const DATABASES: [&str; 2] = ["control.db", "districts/440399.db"];

/// See the module.
pub fn cases() -> Vec<Case> {
    vec![founded(), started(), started_from_a_copy(), stopped()]
}

fn case(
    name: &'static str,
    commits: usize,
    files: Files,
    act: impl Fn(&Node) -> Result<Server, String> + Send + Sync + 'static,
) -> Case {
    Case {
        name,
        side: Side::Server,
        commits,
        expected: Expected::Same,
        databases: DATABASES.to_vec(),
        passed_over: None,
        files,
        start: Box::new(|_| Ok(Machine::Off)),
        act: Box::new(move |node, machine| {
            // The process before is gone first: two never share a directory.
            *machine = Machine::Off;
            let server = act(node)?;
            let head = server.district().ok_or("no district")?.state().head.0;
            *machine = Machine::Server(Box::new(server));
            Ok(head.0.to_string().into_bytes())
        }),
    }
}

/// A district is made on an empty disk, and the server started on it. What a crash left of it is made whole by making
/// the district again.
fn founded() -> Case {
    let mut case = case("server: founds a district", 12, Files::default(), |node| {
        let clock = Arc::new(FixedClock::at(BEGINS_MS));
        let mut server = Server::new(node.clone(), clock, 1);
        server.init().map_err(|error| told(&error))?;
        Ok(server)
    });
    // Keys and ids are drawn anew.
    case.expected = Expected::Works;
    case
}

fn at_work() -> (Scene, i64) {
    let mut scene = Scene::new(&[4]);
    for _ in 0..3 {
        scene.report(4, 7);
        scene.sync(4);
    }
    scene.server.clock.advance_ms(1_000);
    let wall_ms = scene.server.clock.wall_ms();
    (scene, wall_ms)
}

/// A server that was killed leaves a log beside its file; the next start takes it in.
fn started() -> Case {
    let (scene, wall_ms) = at_work();
    let files = scene.server.node.snapshot();
    case("server: starts after a kill", 1, files, move |node| {
        start_server(node, wall_ms, false)
    })
}

/// The first start on a copy begins an epoch.
fn started_from_a_copy() -> Case {
    let (mut scene, wall_ms) = at_work();
    let copy = scene.server.node.snapshot();
    scene.report(4, 7);
    scene.sync(4);
    scene.server.put_back(&copy);
    let files = scene.server.node.snapshot();
    let name = "server: starts from a copy";
    let mut case = case(name, 2, files, move |node| {
        start_server(node, wall_ms, true)
    });
    // Each start from a copy begins an epoch of its own.
    case.expected = Expected::Works;
    case
}

fn stopped() -> Case {
    let (scene, _) = at_work();
    scene.server_case("server: stops", 1, |server| {
        server.stop();
        Ok(Vec::new())
    })
}
