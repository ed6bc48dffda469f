#!/bin/sh
# Installs two clients of resumable uploads that others wrote: tuspy (PyPI) in a virtual environment of its own, and
# tus-js-client (npm). Says nothing and changes nothing when both are there.
# Exit code: 0 ready; 3 not to be had on this machine (one line on stderr says why), so that the caller counts its test as not run.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

unavailable() {
    echo "setup.sh: clients of resumable uploads not available: $1" >&2
    exit 3
}

missing=
command -v python3 >/dev/null 2>&1 || missing="$missing python3"
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null 2>&1 || unavailable "missing$missing, and no apt-get to install them"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root="sudo -n"
        sudo -n true 2>/dev/null || unavailable "missing$missing, and neither root nor sudo without a password"
    fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    echo "setup.sh: installing$missing" >&2
    # shellcheck disable=SC2086 # word splitting is meant
    {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 update &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
                install --no-install-recommends $missing
    } </dev/null >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        unavailable "apt-get could not install$missing"
    }
fi

stamp=$here/.venv/.installed
if ! cmp -s "$here/requirements.txt" "$stamp"; then
    echo "setup.sh: pip install in tests/tus/.venv" >&2
    rm -rf "$here/.venv"
    python3 -m venv "$here/.venv" >&2 || unavailable "no virtual environment"
    "$here/.venv/bin/pip" install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        -r "$here/requirements.txt" </dev/null >&2 || unavailable "pip install failed"
    cp "$here/requirements.txt" "$stamp"
fi

stamp=$here/node_modules/.installed-lock
if ! cmp -s "$here/package-lock.json" "$stamp"; then
    echo "setup.sh: npm ci in tests/tus" >&2
    npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2 ||
        unavailable "npm ci failed"
    cp "$here/package-lock.json" "$stamp"
fi
