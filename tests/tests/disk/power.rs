//! Power cuts at every writing call.

use super::workload::{Told, examine, node, run};
use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;
use tests::sim::disk::{DamageRates, Fault, Files, Node};

const WORKERS: u64 = 2;

/// What a sweep saw.
#[derive(Default)]
struct Seen {
    images: usize,
    /// A promised transaction is missing.
    lost: Vec<String>,
    /// What came back is not a sound database, or holds what was never written.
    corrupt: Vec<String>,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.images += other.images;
        self.lost.extend(other.lost);
        self.corrupt.extend(other.corrupt);
    }
}

/// Cuts the power at every writing call of the workload, each with all seeds.
fn sweep(name: &str, synchronous: &'static str, seeds: u64) -> Seen {
    let began = Instant::now();
    let counted = node(&format!("{name}.count"));
    let before = counted.calls();
    let told = run(&counted, synchronous);
    assert_eq!(told.transactions, 20, "the workload runs without faults");
    let calls = counted.calls() - before;
    counted.remove();
    let mut seen = Seen::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                scope.spawn(move || {
                    let victim = node(&format!("{name}.{worker}"));
                    let reborn = node(&format!("{name}.{worker}.reborn"));
                    let mut seen = Seen::default();
                    for at_call in (1 + worker..=calls + 1).step_by(WORKERS as usize) {
                        victim.restore(&Files::default());
                        victim.arm(Fault::Crash, at_call, 0);
                        let told = run(&victim, synchronous);
                        assert_eq!(victim.is_dead(), at_call <= calls, "call {at_call}");
                        seen.add(cut(&victim, &reborn, told, at_call, seeds));
                    }
                    victim.remove();
                    reborn.remove();
                    seen
                })
            })
            .collect();
        for worker in workers {
            seen.add(worker.join().expect("a worker"));
        }
    });
    println!(
        "{name}: {calls} calls x {seeds} seeds, {} different disks, {} lost, {} corrupt, {} ms",
        seen.images,
        seen.lost.len(),
        seen.corrupt.len(),
        began.elapsed().as_millis()
    );
    seen
}

/// All seeds on one crash; disks that are alike are looked at once.
fn cut(victim: &Node, reborn: &Node, told: Told, at_call: u64, seeds: u64) -> Seen {
    let mut seen = Seen::default();
    let mut images: Vec<Files> = Vec::new();
    for seed in 0..seeds {
        let image = victim.crash_image(seed, &DamageRates::power());
        if images.contains(&image) {
            continue;
        }
        reborn.restore(&image);
        images.push(image);
        let place = format!("call {at_call}, seed {seed}, told {told:?}");
        match examine(reborn) {
            Err(wrong) => seen.corrupt.push(format!("{place}: {wrong}")),
            Ok(found) => {
                if found.transactions > told.transactions + 1 {
                    seen.corrupt.push(format!("{place}: found {found:?}"));
                }
                if (told.schema && !found.schema) || found.transactions < told.transactions {
                    seen.lost.push(format!("{place}: found {found:?}"));
                }
            }
        }
    }
    seen.images = images.len();
    seen
}

#[test]
fn what_was_committed_in_full_survives_every_power_cut() {
    let seen = sweep("full", "FULL", 200);
    assert!(seen.images > 2_000, "{} disks", seen.images);
    assert_eq!(seen.corrupt, Vec::<String>::new());
    assert_eq!(seen.lost, Vec::<String>::new());
}

/// The test of the test: without syncs the same cuts do destroy.
#[test]
fn without_syncs_power_cuts_lose_and_corrupt() {
    let seen = sweep("off", "OFF", 10);
    assert!(!seen.lost.is_empty());
    assert!(!seen.corrupt.is_empty());
}

/// NORMAL syncs at checkpoints only: it may lose what was committed last, but breaks nothing.
#[test]
fn with_syncs_at_checkpoints_power_cuts_lose_and_do_not_corrupt() {
    let seen = sweep("normal", "NORMAL", 20);
    assert!(!seen.lost.is_empty());
    assert_eq!(seen.corrupt, Vec::<String>::new());
}

/// The salts and checksums of a log and the nonce of a journal are SQLite's own chance; everything else must repeat.
fn without_salts(files: &Files) -> BTreeMap<String, Vec<u8>> {
    const FRAME_BYTES: usize = 24 + 4_096;
    let mut bytes = BTreeMap::new();
    for name in files.names() {
        let mut content = files.get(name).expect("listed");
        let frames = (32..content.len()).step_by(FRAME_BYTES);
        let chance: Vec<usize> = if name.ends_with("-wal") {
            let in_frames = frames.flat_map(|frame| frame + 8..frame + 24);
            (16..32).chain(in_frames).collect()
        } else if name.ends_with("-journal") {
            (12..16).collect()
        } else {
            Vec::new()
        };
        for at in chance {
            if let Some(byte) = content.get_mut(at) {
                *byte = 0;
            }
        }
        bytes.insert(name.to_owned(), content);
    }
    bytes
}

#[test]
fn one_seed_gives_one_disk() {
    let run_once = |name: &str, seed: u64| {
        let victim = node(name);
        victim.arm(Fault::Crash, 20 + seed, seed);
        run(&victim, "OFF");
        victim.crash(seed, &DamageRates::power());
        let files = victim.snapshot();
        victim.remove();
        without_salts(&files)
    };
    let mut different = Vec::new();
    for seed in 0..60 {
        let first = run_once("once", seed);
        assert!(first == run_once("again", seed), "seed {seed}");
        if !different.contains(&first) {
            different.push(first);
        }
    }
    assert!(different.len() > 30, "{} different disks", different.len());
}
