#!/bin/sh
# Mutation testing of merge, change and workflow: changes the code in one place at a time and looks whether a test fails.
# Arguments go to cargo mutants: `--re src/merge/`, `--shard 0/4`, `--iterate` (what was not caught last time), `--list`.
# Results lie in target/mutants.out; the last lines count them by file. Exit code 1 when fewer than 90 % are caught.
set -eu
cd "$(dirname "$0")/.."
version=27.1.0

if ! cargo mutants --version 2>/dev/null | grep -qx "cargo-mutants $version"; then
    cargo install --locked cargo-mutants --version "$version" </dev/null
fi
# One seed, so that a mutant is caught or not by the same cases each time; a found case is not made small.
export PROPTEST_RNG_SEED=20261123 PROPTEST_MAX_SHRINK_ITERS=1
# The copies that are mutated share one target folder, so that a second run builds no dependencies.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$(pwd)/target}/mutants-build"
out="$(dirname "$CARGO_TARGET_DIR")"
runner="--config=target.'cfg(all())'.runner='$(pwd)/tests/mutants/run.sh'"
listing=0
case " $* " in *" --list "*) listing=1 ;; esac
# The code as it is must pass, or nothing could be caught. (The tool's own such step builds the mutated package instead.)
[ "$listing" = 1 ] || nice -n 10 cargo test --package mutants --features rules --profile mutants --locked "$runner" </dev/null
code=0
# Time-outs are for a machine that does other things as well; what loops is ended by the runner before.
nice -n 10 cargo mutants --package sync-core --jobs 1 --output "$out" --baseline skip --timeout 300 \
    --cargo-arg=--locked "--cargo-arg=$runner" "$@" </dev/null || code=$?
[ "$listing" = 0 ] || exit "$code"
# 0 all caught, 2 some missed, 3 some timed out; the others say that nothing was measured.
case "$code" in 0 | 2 | 3) ;; *) exit "$code" ;; esac

cd "$out/mutants.out"
# `--iterate` leaves out what was caught before, and what did not compile; the second is kept apart here.
touch previously_caught.txt ../mutants-unviable.txt
sort -u -o ../mutants-unviable.txt ../mutants-unviable.txt unviable.txt
awk -F: '
    FILENAME ~ /mutants-unviable/ { seen[$0]; next }
    FILENAME == "missed.txt" { missed[$1]++; files[$1]; next }
    $0 in seen { unviable[$1]++; files[$1]; next }
    { caught[$1]++; files[$1] }
    END {
        printf "%-36s %7s %7s %9s\n", "file", "caught", "missed", "unviable"
        for (file in files) {
            printf "%-36s %7d %7d %9d\n", file, caught[file], missed[file], unviable[file] | "sort"
            c += caught[file]; m += missed[file]; u += unviable[file]
        }
        close("sort")
        percent = c + m ? 100 * c / (c + m) : 0
        printf "%-36s %7d %7d %9d   %.1f %% caught\n", "all", c, m, u, percent
        exit percent < 90
    }' ../mutants-unviable.txt caught.txt previously_caught.txt timeout.txt missed.txt unviable.txt
