#!/bin/sh
# Real processes in a hostile world, in short: one run of five devices behind fault proxies, and some dozens of kills on
# either side. Uses the debug build. Exit code 1: a promise was broken; the data directory is kept and named.
# docs/reliability.md has the long forms.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --locked -p server --bin gridwork -p tests --bin chaos
chaos="${CARGO_TARGET_DIR:-target}/debug/chaos"
# Seed 4 has the server's data on a small disk that is filled, where this machine can mount one.
"$chaos" --seed 4 --replicas 5 --pace 30 --seconds 8
"$chaos" --kill-cycles-device 60
"$chaos" --kill-cycles-server 20
