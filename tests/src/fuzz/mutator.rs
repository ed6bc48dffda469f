//! A plain mutator: takes files of the corpus, spoils them by seeded dice, and runs a target on them. It sees no
//! coverage; what it is for is that every `make test` runs every target.

use super::Target;
use server::demo::Dice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The longest input that is made.
const INPUT_BYTES_MAX: usize = 4_096;

/// What a drive came to.
#[derive(Debug)]
pub struct Drive {
    /// Inputs that were run.
    pub inputs: u64,
    /// The first input that broke a promise.
    pub failure: Option<Vec<u8>>,
}

/// Runs a target on all of its corpus, then on so many spoilt inputs or for so long, whatever ends first.
pub fn drive(
    target: Target,
    corpus: &[(String, Vec<u8>)],
    seed: u64,
    inputs_max: u64,
    time: Duration,
) -> Drive {
    let began = Instant::now();
    let mut done = Drive {
        inputs: 0,
        failure: None,
    };
    let mut dice = Dice::new(seed);
    let mut kept: Vec<Vec<u8>> = corpus.iter().map(|(_, bytes)| bytes.clone()).collect();
    kept.push(Vec::new());
    for input in kept.clone() {
        run(target, &input, &mut done);
    }
    while done.failure.is_none() && done.inputs < inputs_max && began.elapsed() < time {
        let mut input = dice.pick(&kept).clone();
        for _ in 0..=dice.below(6) {
            spoil(&mut dice, &kept, &mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        run(target, &input, &mut done);
    }
    done
}

fn run(target: Target, input: &[u8], done: &mut Drive) {
    done.inputs += 1;
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if ran.is_err() && done.failure.is_none() {
        done.failure = Some(input.to_vec());
    }
}

fn spoil(dice: &mut Dice, kept: &[Vec<u8>], input: &mut Vec<u8>) {
    let at = dice.below(input.len() as u64 + 1) as usize;
    let end = (at + dice.below(16) as usize).min(input.len());
    match dice.below(7) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = dice.next_u64() as u8,
        2 => {
            input.drain(at..end);
        }
        3 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        4 => {
            let piece: Vec<u8> = (0..dice.below(12)).map(|_| dice.next_u64() as u8).collect();
            input.splice(at..at, piece);
        }
        5 => {
            let other = dice.pick(kept);
            let from = dice.below(other.len() as u64 + 1) as usize;
            let piece = other[from..(from + 32).min(other.len())].to_vec();
            input.splice(at..at, piece);
        }
        _ => input.truncate(at),
    }
}
