#!/usr/bin/env bash
# Fuzz what reads from the network: the parser, starting from RFC 4475's torture messages, and the endpoint with
# sequences of messages and times. Needs nightly Rust.
# usage: tools/fuzz.sh SECONDS [parse|endpoint]...    SECONDS for each
set -eu
cd "$(dirname "$0")/../engine"
seconds=$1
shift

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
if [ $# = 0 ]; then set -- parse endpoint; fi
for target in "$@"; do
    mkdir -p "fuzz/corpus/$target"
    # The first directory gets what is found, the second is only read.
    seeds=() limits=(-max_len=1024 -len_control=0)
    if [ "$target" = parse ]; then seeds=(tests/torture) limits=(-max_len=65535); fi
    RUSTUP_TOOLCHAIN=nightly "$fuzz" fuzz run "$target" "fuzz/corpus/$target" "${seeds[@]}" -- \
        -max_total_time="$seconds" "${limits[@]}" -timeout=10 -rss_limit_mb=2048
done
