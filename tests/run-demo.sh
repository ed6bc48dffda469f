#!/bin/sh
# Starts the server on a demo district: made once, kept in DATA; prints the address and one-time codes for demo people.
set -eu
cd "$(dirname "$0")/.."
data="${1:-target/demo-data}"
listen="${2:-127.0.0.1:8484}"
gridwork="${CARGO_TARGET_DIR:-target}/release/gridwork"

if [ ! -e "$data/control.db" ]; then
    "$gridwork" demo --yesterday --data "$data"
fi
exec "$gridwork" serve --data "$data" --listen "$listen" --demo-logins
