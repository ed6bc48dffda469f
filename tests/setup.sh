#!/bin/sh
# Installs what the native build needs and does not find: a C compiler for the bundled SQLite and zstd, and libclang for the
# bindings of the simulated file system.
set -eu

if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is missing: install Rust first (https://rustup.rs), then run this again" >&2
    exit 1
fi
missing=""
command -v cc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
command -v git >/dev/null 2>&1 || missing="$missing git"
# Where libclang lies is the distribution's choice; LIBCLANG_PATH names any other place.
found_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    for library in /usr/lib/llvm-*/lib/libclang.so* /usr/lib/llvm-*/lib/libclang-*.so* /usr/lib/*/libclang.so* \
        /usr/lib/*/libclang-*.so* /usr/lib64/libclang.so* /usr/local/lib/libclang.so*; do
        case "$library" in *libclang-cpp*) continue ;; esac
        [ -e "$library" ] && return 0
    done
    return 1
}
found_libclang || missing="$missing libclang-dev"
if [ -n "$missing" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "missing:$missing (no apt-get here; install them by hand)" >&2
        exit 1
    fi
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    DEBIAN_FRONTEND=noninteractive $sudo apt-get update -qq </dev/null
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing </dev/null
fi
