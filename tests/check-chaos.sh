#!/bin/sh
# Real processes in a hostile world, in short: one run of five devices behind fault proxies, and some dozens of kills on
# either side. Uses the debug build. Exit code 1: a promise was broken; the data directory is kept and named.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --locked -p server --bin gridwork -p tests --bin chaos
chaos="${CARGO_TARGET_DIR:-target}/debug/chaos"
"$chaos" --runs 1 --replicas 5 --seconds 8
"$chaos" --kill-cycles-device 40
"$chaos" --kill-cycles-server 15
