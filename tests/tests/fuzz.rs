//! Every fuzz target on its corpus and on some thousand spoilt inputs; and inputs that once broke a promise.

use std::time::Duration;
use tests::fuzz::{TARGETS, corpus, drive, folder};

/// How many inputs, for targets that need a server or a phone for each, and for the others.
const INPUTS: [(&[&str], u64); 2] = [(&["requests", "pages", "segments"], 300), (&[], 4_000)];

#[test]
fn no_target_breaks_a_promise() {
    std::thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(move || {
                let (_, inputs) = INPUTS
                    .iter()
                    .find(|(names, _)| names.is_empty() || names.contains(&target.name))
                    .expect("BUG: the last line is for all");
                let files = corpus(target.name).expect("the corpus");
                let done = drive(target, &files, 1, *inputs, Duration::from_secs(60));
                println!("{}: {} inputs", target.name, done.inputs);
                assert!(
                    done.failure.is_none(),
                    "{} breaks on {:02x?}",
                    target.name,
                    done.failure
                );
                assert!(done.inputs > files.len() as u64);
            });
        }
    });
}

#[test]
fn the_kept_corpus_is_what_the_generator_makes() {
    for target in TARGETS {
        let files = corpus(target.name).expect("the corpus");
        assert!(files.len() >= 5, "{}", target.name);
        for (name, bytes) in files {
            let kept = std::fs::read(folder(target.name).join(&name));
            let is_kept = kept.is_ok_and(|kept| kept == bytes);
            assert!(is_kept, "{}/{name}: run `fuzz --write-corpus`", target.name);
        }
    }
}

/// A signed batch that begins at the last number there is made the server count beyond it.
#[test]
fn a_batch_that_goes_beyond_the_last_seq_is_refused() {
    // Keep the chain, spoil the request: first_seq becomes the greatest number.
    tests::fuzz::run("requests", &[1, 0, 10, 0, 11]);
}

/// An image of the last epoch that 32 bits can hold came after what the phone lays over it (libFuzzer).
#[test]
fn an_epoch_that_there_cannot_be_is_refused() {
    let page = [
        0x3e, 0x00, 0x8c, 0x05, 0x44, 0x06, 0x00, 0x00, 0x00, 0xa5, 0x81, 0x18, 0x8c, 0x05, 0x44,
        0xa5, 0x81, 0x30, 0xaf, 0x67, 0x6f, 0x3e, 0x00, 0x67, 0x6f, 0x3e, 0x00,
    ];
    tests::fuzz::run("pages", &page);
}
