#!/bin/sh
# Installs what the browser side needs on a Debian machine: a Rust that can build for wasm32, clang and lld,
# headless Chromium, Node with playwright-core and binaryen. Says nothing and changes nothing when all is there.
# With --check it installs nothing and only says whether all is there.
# Exit code: 0 ready; 3 not to be had on this machine (one line on stderr says why), so that the caller counts its test as not run.
set -eu
check_only=no
[ "${1:-}" != --check ] || check_only=yes
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

unavailable() {
    echo "setup.sh: browser tool chain not available: $1" >&2
    exit 3
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

command -v dpkg-query >/dev/null 2>&1 || unavailable "this is not a Debian system (no dpkg-query)"

missing=
for package in rustc-web cargo-web rust-web-src libstd-rust-web-dev lld-19 clang-19 llvm-19 chromium; do
    installed "$package" || missing="$missing $package"
done
# Node may come from anywhere; Debian's is taken only where there is none.
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"

if [ -n "$missing" ]; then
    [ $check_only = no ] || unavailable "missing$missing (tests/web/setup.sh installs it)"
    command -v apt-get >/dev/null 2>&1 || unavailable "missing$missing, and no apt-get to install them"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root="sudo -n"
        sudo -n true 2>/dev/null || unavailable "missing$missing, and neither root nor sudo without a password"
    fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    echo "setup.sh: installing$missing" >&2
    # Another apt-get may be at work: wait for its lock rather than fail.
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

# The compiler for the web must be at least the workspace's rust-version.
rustc=$(dpkg -L rustc-web | grep -m1 '/bin/rustc$') || unavailable "the package rustc-web holds no bin/rustc"
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$here/../../Cargo.toml")
found=$("$rustc" --version | cut -d' ' -f2)
[ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n1)" = "$wanted" ] ||
    unavailable "rustc-web is $found, older than the workspace's rust-version $wanted"

node_major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
[ "$node_major" -ge 20 ] || unavailable "node is $(node --version), and playwright-core needs 20 or later"

# The npm packages, exactly as locked.
stamp=$here/node_modules/.installed-lock
if ! cmp -s "$here/package-lock.json" "$stamp"; then
    [ $check_only = no ] || unavailable "the npm packages of tests/web are not installed as locked (tests/web/setup.sh does it)"
    echo "setup.sh: npm ci in tests/web" >&2
    npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2 ||
        unavailable "npm ci failed"
    cp "$here/package-lock.json" "$stamp"
fi
