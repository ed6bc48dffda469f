#!/bin/sh
# The arrows that matter: sync-core reaches no runtime, no sockets, no clock; the crates depend downwards only.
set -eu
cd "$(dirname "$0")/.."

tree="$(cargo tree -p sync-core -e normal --locked --prefix none --format '{p}' | cut -d' ' -f1 | sort -u)"
for crate in tokio axum hyper getrandom reqwest ureq api-schema server; do
    if echo "$tree" | grep -qx "$crate"; then
        echo "sync-core reaches $crate" >&2
        exit 1
    fi
done
# Dates are reckoned with chrono; it must bring no clock along.
if cargo tree -p sync-core -e normal,features --locked --prefix none | grep -E 'chrono feature "(clock|now|default)"'; then
    echo "sync-core reaches a clock" >&2
    exit 1
fi
if cargo tree -p api-schema -e normal --locked --prefix none --format '{p}' | cut -d' ' -f1 | grep -qx server; then
    echo "api-schema reaches server" >&2
    exit 1
fi
# The real clock and real randomness have one place each.
if grep -rnE 'SystemTime::now|Instant::now|Utc::now|getrandom::fill|thread_rng' sync-core/src api-schema/src; then
    echo "sync-core and api-schema are handed time and randomness" >&2
    exit 1
fi
# SQL stands in store, rules do not; http knows no SQL.
if grep -rnlE --exclude='*tests.rs' 'prepare_cached|execute_batch' server/src/http server/src/service server/src/cli; then
    echo "SQL stands in server/src/store only" >&2
    exit 1
fi
echo "layers hold"
