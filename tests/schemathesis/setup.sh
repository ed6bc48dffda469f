#!/bin/sh
# Installs schemathesis and what it needs, in the versions of requirements.txt, into a virtual environment under the target
# folder. Says nothing and changes nothing when all is there.
# Exit code: 0 ready; 3 not to be had on this machine (one line on stderr says why), so that the caller counts its test as not run.
set -eu
cd "$(dirname "$0")/../.."
here=tests/schemathesis
place="${CARGO_TARGET_DIR:-target}/schemathesis"

unavailable() {
    echo "setup.sh: schemathesis not available: $1" >&2
    exit 3
}

cmp -s "$here/requirements.txt" "$place/.installed" && exit 0

# Debian's python3 can make an environment only with python3-venv beside it.
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    command -v apt-get >/dev/null 2>&1 || unavailable "python3 with venv is missing, and no apt-get to install it"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root="sudo -n"
        sudo -n true 2>/dev/null || unavailable "python3-venv is missing, and neither root nor sudo without a password"
    fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    echo "setup.sh: installing python3-venv" >&2
    {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 update &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
                install --no-install-recommends python3 python3-venv
    } </dev/null >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        unavailable "apt-get could not install python3-venv"
    }
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    unavailable "$(python3 --version) is older than 3.11, which the versions of requirements.txt need"

# An environment that was left half made is begun anew.
rm -rf "$place"
mkdir -p "$place"
python3 -m venv "$place/venv" </dev/null || unavailable "python3 -m venv failed"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt" </dev/null >&2 ||
    unavailable "pip could not install requirements.txt"
cp "$here/requirements.txt" "$place/.installed"
