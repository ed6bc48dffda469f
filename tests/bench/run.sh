#!/bin/sh
# Prints one table of the engine's figures, each beside its floor measured in the same run.
# Arguments go to the benchmark: --json, --rounds N, --only ingest|merge|first-sync|wire|growth|lists|rollout, --long, --scratch DIR ... (see --help).
# Exit status: 0 when every target was met, 1 when one was missed, 2 when something could not be measured.
set -eu
cd "$(dirname "$0")/../.."
cargo build --quiet --release --package server --bin gridwork --package tests --bin bench
exec "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
