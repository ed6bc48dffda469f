#!/bin/sh
# Wakes each deliberate defect in turn; the simulator must find every one. A checker that finds none of them proves nothing.
# Arguments: SEEDS (how many worlds a defect may take, default 10000), then the names of defects (default: all).
# Exit code 1: a defect was not found.
set -u
cd "$(dirname "$0")/.." || exit 1
seeds="${1:-10000}"
[ $# -gt 0 ] && shift
sim="${CARGO_TARGET_DIR:-target}/release/sim"
cargo build --quiet --release -p tests --bin sim --features canaries --locked || exit 1
names="${*:-$("$sim" --canary list)}"
missed=0
found=0
for name in $names; do
    if "$sim" --canary "$name" --seeds "$seeds" --keep target/sim/canaries --json 2>/dev/null >target/sim-canary.json; then
        echo "MISSED  $name in $seeds seeds"
        missed=$((missed + 1))
    else
        printf 'found   %-26s after %s seeds: %s\n' "$name" \
            "$(sed -n 's/.*"seeds":\([0-9]*\),.*/\1/p' target/sim-canary.json)" \
            "$(sed -n 's/.*"violations":\[\[[0-9]*,"\([^"]*\).*/\1/p' target/sim-canary.json | cut -c1-100)"
        found=$((found + 1))
    fi
done
echo "$found canaries found, $missed missed"
[ "$missed" = 0 ]
