#!/bin/sh
# Every fuzz target with libFuzzer for so many seconds: tests/fuzz/run.sh [SECONDS] [TARGET ...]
# Needs `cargo install cargo-fuzz`; no nightly tool chain: no sanitizer is asked for, and the code is safe Rust.
set -eu
cd "$(dirname "$0")"
seconds="${1:-300}"
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- changes payloads messages requests pages segments tokens units people documents
command -v cargo-fuzz >/dev/null || {
    echo "cargo-fuzz is not here; cargo install cargo-fuzz" >&2
    exit 3
}
# A lock file of its own would follow other versions than the product has.
[ -f Cargo.lock ] || cp ../../Cargo.lock Cargo.lock
export RUSTC_BOOTSTRAP=1
for target in "$@"; do
    mkdir -p "found/$target"
    # The first folder takes what is found, the second is only read.
    cargo fuzz run --fuzz-dir . --sanitizer none "$target" "found/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=20 -print_final_stats=1
done
