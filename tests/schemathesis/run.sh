#!/bin/sh
# schemathesis against a server that runs: what it answers holds against what api-schema/openapi.json says it answers.
# Usage: run.sh [--examples N] [--seed N]: so many made-up requests an operation and phase (60) with this seed (1).
# Needs setup.sh and a built `gridwork` (GRIDWORK_BIN, or the debug build).
set -eu
cd "$(dirname "$0")/../.."
examples=60
seed=1
while [ $# -gt 1 ]; do
    case "$1" in
    --examples) examples="$2" ;;
    --seed) seed="$2" ;;
    *) break ;;
    esac
    shift 2
done
[ $# = 0 ] || { sed -n '2,4p' "$0"; exit 2; }

root=$(pwd)
target="${CARGO_TARGET_DIR:-target}"
tools="$target/schemathesis/venv/bin"
[ -x "$tools/st" ] || { echo "tests/schemathesis/setup.sh has not run"; exit 3; }
tools=$(cd "$tools" && pwd)
GRIDWORK_BIN="${GRIDWORK_BIN:-$(cd "$target" && pwd)/debug/gridwork}"
place="$(mktemp -d)"
export GRIDWORK_BIN GRIDWORK_DATA="$place/data" GRIDWORK_TOLD="$place/told.json"
server=""
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$place"
}
trap finish EXIT

# A small district with two people who have work to show, and a server on it.
"$GRIDWORK_BIN" init --district 440399 --name 试验区 --json >/dev/null
unit() { "$GRIDWORK_BIN" admin add-unit --parent "$1" --code "$2" --name "$2" --kind "$3" --json >/dev/null; }
unit 1 001 town
unit 2 001 community
unit 3 001 grid
unit 3 002 grid
unit 1 901 department
printf '%s\n' 'name,role,unit,external_id' '王小明,worker,440399.001.001.001,P1' '李值守,duty_desk,440399.001,P2' >"$place/people.csv"
"$GRIDWORK_BIN" admin import-people "$place/people.csv" --json >/dev/null
"$GRIDWORK_BIN" serve --listen 127.0.0.1:0 --log error >"$place/out" 2>"$place/log" &
server=$!
address=""
for _ in $(seq 1 100); do
    address="$(sed -n 's/.*\(http:[^ ]*\)$/\1/p' "$place/out")"
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { echo "the server did not start"; cat "$place/log"; exit 1; }
export GRIDWORK_SERVER="$address" GRIDWORK_PERSON=2

# Work of both, the same for the same seed, and one report that names a photo.
device() { "$GRIDWORK_BIN" device "$@" --json </dev/null; }
for person in 1 2; do
    code=$("$GRIDWORK_BIN" admin code --person $person --json | sed 's/.*"code":"\([0-9]*\)".*/\1/')
    device enrol --server "$address" --code "$code" --data "$place/$person.db" >/dev/null
    device sync --server "$address" --data "$place/$person.db" >/dev/null
    device make --count 60 --seed "$person" --data "$place/$person.db" >/dev/null
done
PYTHONPATH=tests/schemathesis PYTHONDONTWRITEBYTECODE=1 "$tools/python" -m photo >"$place/script"
device make --script "$place/script" --data "$place/1.db" >"$place/made"
GRIDWORK_RECORD=$(sed 's/.*"record":"\([^"]*\)".*/\1/' "$place/made")
export GRIDWORK_RECORD
for person in 1 2; do device sync --server "$address" --data "$place/$person.db" >/dev/null; done

# What the tool keeps of a run goes where the run's data go.
cd "$place"
code=0
PYTHONPATH="$root/tests/schemathesis" PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=hooks "$tools/st" \
    --config-file "$root/tests/schemathesis/schemathesis.toml" \
    run "${OPENAPI:-$root/api-schema/openapi.json}" --url "$address" \
    --phases examples,coverage,fuzzing,stateful --max-examples "$examples" --seed "$seed" --no-color >"$place/report" 2>&1 || code=$?
kill -0 "$server" 2>/dev/null || { echo "the server died"; code=1; }
if [ -s "$place/log" ]; then
    echo "the server's log of errors:"
    head -n 40 "$place/log"
    code=1
fi
if [ "$code" = 0 ]; then
    sed -n '/^Test Phases:/,$p' "$place/report"
else
    tail -n 300 "$place/report"
fi
PYTHONPATH="$root/tests/schemathesis" PYTHONDONTWRITEBYTECODE=1 "$tools/python" -m told "${OPENAPI:-$root/api-schema/openapi.json}" "$place/told.json" || code=1
[ "$code" = 0 ] || { echo "found something, with --examples $examples --seed $seed"; exit 1; }
