#!/bin/sh
# A full disk: reads go on, writes are refused with 503 and a time to come again, and work resumes when there is room.
# Needs the right to mount a small tmpfs; exit 3 where there is none.
set -eu
cd "$(dirname "$0")/.."
gridwork="$(pwd)/${CARGO_TARGET_DIR:-target}/debug/gridwork"
command -v curl >/dev/null 2>&1 || { echo "curl is missing"; exit 3; }
place="$(mktemp -d)"
server=""
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    umount "$place/backups" 2>/dev/null || true
    umount "$place" 2>/dev/null || true
    rmdir "$place" 2>/dev/null || true
}
trap finish EXIT
mount -t tmpfs -o size=6m tmpfs "$place" 2>/dev/null || { echo "no right to mount a tmpfs here"; exit 3; }

"$gridwork" init --data "$place/data" --district 440399 --name 测试 --json >/dev/null
"$gridwork" serve --data "$place/data" --listen 127.0.0.1:0 --log error >"$place/out" &
server=$!
address=""
for _ in $(seq 1 100); do
    address="$(sed -n 's/.*\(http:[^ ]*\)$/\1/p' "$place/out")"
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { echo "the server did not start"; exit 1; }
status() { curl -s -o /dev/null -w '%{http_code}' "$address$1"; }

[ "$(status /readyz)" = 200 ] || { echo "not ready at first"; exit 1; }
dd if=/dev/zero of="$place/ballast" bs=64k 2>/dev/null || true
# Small commits may still fit into pages that the file has; sooner or later one does not.
refused=""
for number in $(seq 1 3000); do
    "$gridwork" admin --data "$place/data" add-person --name "人$number" >/dev/null 2>/dev/null || { refused=yes; break; }
done 2>/dev/null
[ -n "$refused" ] || { echo "three thousand writes went into a full disk"; exit 1; }
# What is left of the write-ahead file takes a few of the smallest commits.
ready=200
for _ in $(seq 1 200); do
    ready="$(status /readyz)"
    [ "$ready" = 200 ] || break
done
[ "$ready" = 503 ] || { echo "ready although nothing can be written: $ready"; exit 1; }
curl -s -D - -o /dev/null "$address/readyz" | grep -qi '^retry-after:' || { echo "no Retry-After"; exit 1; }
"$gridwork" admin --data "$place/data" units --json | grep -q '"unit":1' || { echo "reads stopped as well"; exit 1; }
kill -0 "$server" || { echo "the server died of a full disk"; exit 1; }
rm "$place/ballast"
[ "$(status /readyz)" = 200 ] || { echo "did not resume: $(status /readyz)"; exit 1; }
"$gridwork" admin --data "$place/data" add-person --name "又一人" >/dev/null

# A backup to a full disk says so, leaves nothing behind and disturbs nobody; with room it works.
mkdir "$place/backups"
mount -t tmpfs -o size=64k tmpfs "$place/backups"
export GRIDWORK_BACKUP_PASSPHRASE="a long passphrase"
if "$gridwork" backup --data "$place/data" --to "$place/backups/one" --json >"$place/refused"; then
    echo "a backup went into a full disk"; exit 1
fi
grep -q '"backup.error.full"' "$place/refused" || { echo "not told that the disk is full: $(cat "$place/refused")"; exit 1; }
[ -z "$(ls -A "$place/backups")" ] || { echo "left behind: $(ls -A "$place/backups")"; exit 1; }
[ "$(status /readyz)" = 200 ] || { echo "the server suffered from a full backup disk"; exit 1; }
mount -o remount,size=16m "$place/backups"
"$gridwork" backup --data "$place/data" --to "$place/backups/one" --json >/dev/null
"$gridwork" restore --from "$place/backups/one" --check --json >/dev/null
echo "refused while full, resumed with room; a backup to a full disk is refused as well"
