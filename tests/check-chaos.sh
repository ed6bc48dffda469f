#!/bin/sh
# Real processes in a hostile world, in short: two runs of five devices behind fault proxies, and some dozens of kills on
# either side. Uses the debug build. Exit code 1: a promise was broken; the data directory is kept and named.
# docs/reliability.md has the long forms.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --locked -p server --bin gridwork -p tests --bin chaos
chaos="${CARGO_TARGET_DIR:-target}/debug/chaos"
# These two plans have a small disk that is filled, where this machine can mount one; 8 kills the server, 24 copies a device.
"$chaos" --seed 8 --replicas 5 --pace 30 --seconds 8
"$chaos" --seed 24 --replicas 5 --pace 30 --seconds 8
"$chaos" --kill-cycles-device 60
"$chaos" --kill-cycles-server 20
