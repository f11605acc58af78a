#!/usr/bin/env bash
# Fuzz what reads from the network, starting from RFC 4475's torture messages. Needs nightly Rust.
# usage: tools/fuzz.sh SECONDS
set -eu
cd "$(dirname "$0")/../engine"
seconds=$1

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "Fuzzing instruments the engine, which only nightly Rust can: rustup toolchain install nightly" >&2
    exit 1
fi
fuzz=${CARGO_TARGET_DIR:-target}/tools/bin/cargo-fuzz
if [ ! -x "$fuzz" ]; then
    echo "Building cargo-fuzz"
    cargo install -q --locked --root "${fuzz%/bin/*}" cargo-fuzz
fi
unset CARGO_TARGET_DIR # its own, engine/fuzz/target: everything in it is built with other flags
mkdir -p fuzz/corpus/parse
# The first directory gets what is found, the second is only read.
RUSTUP_TOOLCHAIN=nightly "$fuzz" fuzz run parse fuzz/corpus/parse tests/torture -- \
    -max_total_time="$seconds" -max_len=65535 -timeout=10 -rss_limit_mb=2048
