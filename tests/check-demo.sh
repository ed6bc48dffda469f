#!/bin/sh
# The demo day twice with one seed: nothing lost, everybody alike, verified, and the same day both times.
set -eu
cd "$(dirname "$0")/.."
gridwork="${CARGO_TARGET_DIR:-target}/debug/gridwork"

first="$("$gridwork" demo --seed 7 --json)" || { echo "$first"; exit 1; }
second="$("$gridwork" demo --seed 7 --json)" || { echo "$second"; exit 1; }
strip() { echo "$1" | sed 's/"seconds":[0-9.e-]*//'; }
if [ "$(strip "$first")" != "$(strip "$second")" ]; then
    echo "the same seed gave two days:"
    echo "$first"
    echo "$second"
    exit 1
fi
for promise in '"lost":0' '"converged":true' '"verify":true' '"handler_sees":1' '"volunteers_see":0'; do
    echo "$first" | grep -q "$promise" || { echo "not so: $promise"; echo "$first"; exit 1; }
done
# A day on which nothing went wrong shows nothing.
for incident in conflict not_applied held quarantined released repaired forks reoffered duplicate; do
    if echo "$first" | grep -q "\"$incident\":0[,}]"; then
        echo "the day had no $incident"
        exit 1
    fi
done
echo "$first"
