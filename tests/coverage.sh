#!/bin/sh
# Line and branch coverage of sync-core, api-schema and server by their own tests, as a table by module.
# Branches need a nightly tool chain (`rustup toolchain install nightly`); without one, lines are counted and it is said.
# `--html` writes the sources with what was run to target/llvm-cov/html besides.
set -eu
cd "$(dirname "$0")/.."
version=0.9.1

if ! cargo llvm-cov --version 2>/dev/null | grep -qx "cargo-llvm-cov $version"; then
    cargo install --locked cargo-llvm-cov --version "$version" </dev/null
fi
with=""
branch=""
if rustup run nightly rustc --version >/dev/null 2>&1 &&
    rustup component add llvm-tools-preview --toolchain nightly </dev/null >/dev/null 2>&1; then
    with="rustup run nightly"
    branch="--branch"
else
    echo "lines only: counting branches needs a nightly tool chain with llvm-tools" >&2
    rustup component add llvm-tools-preview </dev/null
fi
export PROPTEST_RNG_SEED=20261123
llvm_cov() {
    # shellcheck disable=SC2086
    nice -n 10 $with cargo llvm-cov "$@" $branch </dev/null
}
# The tests' own files say nothing about what is tested.
ignore='(/tests?/|/tests?\.rs$|/fake_server/|_tests?\.rs$|/rustc/)'
llvm_cov --no-report --locked -p sync-core -p api-schema -p server
[ "${1:-}" != "--html" ] || llvm_cov report --html --ignore-filename-regex "$ignore"
llvm_cov report --summary-only --ignore-filename-regex "$ignore" >target/coverage.txt

# Columns: file, regions, missed, %, functions, missed, %, lines, missed, %, branches, missed, %.
awk '
    function share(all, missed) { return all ? sprintf("%.1f %%", 100 * (all - missed) / all) : "-" }
    function add(name) { lines[name] += $8; unrun[name] += $9; branches[name] += $11; untaken[name] += $12 }
    $1 ~ /\.rs$/ {
        crates = split($1, part, "/src/")
        rest = part[2]
        module = rest ~ /\// ? substr(rest, 1, index(rest, "/") - 1) : "(files)"
        add(part[1] " " module)
        add(part[1] " (all)")
    }
    END {
        printf "%-36s %8s %9s %9s %9s\n", "crate and module", "lines", "run", "branches", "taken"
        for (name in lines)
            printf "%-36s %8d %9s %9d %9s\n", name, lines[name], share(lines[name], unrun[name]), branches[name], \
                share(branches[name], untaken[name]) | "sort"
    }' target/coverage.txt
