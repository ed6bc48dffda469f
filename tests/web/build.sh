#!/bin/sh
# Builds the browser side into server/web/dist: pkg/ (the module and its JavaScript glue) and replica/ (the plain page).
# Says nothing and does nothing when no input changed. SQLite and Rust's std are built too, the first time: minutes.
# Exit code: 0 built; 3 no tool chain on this machine (see setup.sh); anything else: the build failed.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/../.."
dist=server/web/dist
# Two compilers in one target directory would throw away each other's work.
web_target=${CARGO_TARGET_DIR:-target}/web

"$here/setup.sh" --check
rustc_web=$(dpkg -L rustc-web | grep -m1 '/bin/rustc$')
cargo_web=$(dpkg -L cargo-web | grep -m1 '/bin/cargo$')

digest() {
    sha256sum | cut -d' ' -f1
}

# Copies the page, which is plain files, and tells its service worker which version of which files make it up.
assemble_page() {
    rm -rf "$dist/replica"
    mkdir -p "$dist/replica"
    cp server/web/replica/* "$dist/replica/"
    list='"./"'
    for file in "$dist"/replica/*.css "$dist"/replica/*.js "$dist"/replica/*.svg "$dist"/pkg/*.js "$dist"/pkg/*.wasm; do
        case $file in
            */offline.js | */shell.js) ;; # the service worker itself is the browser's to keep
            */replica/*) list="$list,\"${file##*/}\"" ;;
            *) list="$list,\"../pkg/${file##*/}\"" ;;
        esac
    done
    echo "self.SHELL = {version: \"$page\", files: [$list]}" >"$dist/replica/shell.js"
}

# Compiles the module, writes its glue and shrinks it into $dist/pkg.
build_module() {
    started=$(date +%s)
    RUSTC=$rustc_web RUSTC_BOOTSTRAP=1 "$cargo_web" build --quiet -p sync-core-wasm --profile wasm \
        --target wasm32-unknown-unknown -Z build-std=std,panic_abort --target-dir "$web_target" </dev/null
    module=$web_target/wasm32-unknown-unknown/wasm/sync_core_wasm.wasm
    compiled=$(date +%s)

    linked=$({
        cat "$module"
        grep -A1 '^name = "wasm-bindgen' Cargo.lock
        cat sync-core/bindings/bindgen/src/main.rs tests/web/build.sh tests/web/package-lock.json
    } | digest)
    if [ "$(cat "$dist/pkg/.linked" 2>/dev/null || true)" != "$linked" ]; then
        fresh=$dist/pkg.$$
        trap 'rm -rf "$fresh"' EXIT
        cargo run --quiet --profile tool -p sync-core-bindgen -- "$module" "$fresh" </dev/null
        wasm=$fresh/sync_core_wasm_bg.wasm
        glued_bytes=$(wc -c <"$wasm")
        # Debian's binaryen (108) breaks the module without a word: only the npm package's wasm-opt will do.
        "$here/node_modules/.bin/wasm-opt" -O --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext \
            --enable-mutable-globals --enable-reference-types --enable-multivalue "$wasm" -o "$wasm.small" </dev/null
        mv "$wasm.small" "$wasm"
        echo "$linked" >"$fresh/.linked"
        rm -rf "$dist/pkg"
        mv "$fresh" "$dist/pkg"
        wasm=$dist/pkg/sync_core_wasm_bg.wasm
        echo "build.sh: module $(wc -c <"$module") bytes linked, $glued_bytes after bindgen, $(wc -c <"$wasm") after wasm-opt," \
            "$(gzip -9 -c "$wasm" | wc -c) gzip; cargo $((compiled - started)) s, the rest $(($(date +%s) - compiled)) s" >&2
    fi
    echo "$sources" >"$dist/pkg/.sources"
}

# First question: did any source change? Second, after cargo: did that change the module?
sources=$({
    "$rustc_web" --version
    find sync-core .cargo Cargo.toml Cargo.lock tests/web/build.sh tests/web/package-lock.json -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum
} | digest)
if [ "$(cat "$dist/pkg/.sources" 2>/dev/null || true)" != "$sources" ]; then
    build_module
fi

page=$(cat server/web/replica/* "$dist/pkg/.linked" tests/web/build.sh | digest)
if ! grep -qs "$page" "$dist/replica/shell.js"; then
    assemble_page
fi
