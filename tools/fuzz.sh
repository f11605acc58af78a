#!/usr/bin/env bash
# Fuzz what reads from the network: the parser, starting from RFC 4475's torture messages, and the endpoint with
# sequences of messages and times. Needs nightly Rust. What was done before counts: stopped, it goes on from there.
# usage: tools/fuzz.sh INPUTS [parse|endpoint]...    messages for each: 100000000 (or 1e8) for the proof
set -eu
cd "$(dirname "$0")/../engine"
inputs=$(printf '%.0f' "$1")
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
# Its own: everything in it is built with other flags. No address sanitizer: what is fuzzed has no unsafe code, and it
# would leave a tenth of the inputs. No traced comparisons: they cost half, and the seeds know the words.
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-$PWD/fuzz/target} RUSTUP_TOOLCHAIN=nightly RUST_BACKTRACE=1
flags=(--sanitizer none --no-trace-compares)
if [ $# = 0 ]; then set -- parse endpoint; fi
"$fuzz" fuzz build "${flags[@]}"

for target in "$@"; do
    corpus=fuzz/corpus/$target done_before=fuzz/corpus/$target.done
    mkdir -p "$corpus"
    if [ "$target" = parse ]; then
        seeds=tests/torture length=65535 runs=1000000
    else
        seeds=fuzz/corpus/$target-seeds length=1600 runs=50000
        mkdir -p "$seeds"
        # Sequences are read from bytes, whatever they are.
        for seed in $(seq 100); do
            [ -e "$seeds/$seed" ] || head -c 1500 /dev/urandom >"$seeds/$seed"
        done
    fi
    # Lines of "inputs messages longest_us most_bytes", one for each part; see fuzz_targets/watch.
    touch "$done_before"
    sum() {
        awk '{ i += $1; m += $2; if ($3 > l) l = $3; if ($4 > b) b = $4 }
            END { printf "%.0f inputs, %.0f messages, longest %.1f ms of CPU, at most %.1f MB at once\n", i, m, l / 1e3, b / 1e6 }' "$done_before"
    }
    while [ "$(awk '{ m += $2 } END { printf "%.0f", m }' "$done_before")" -lt "$inputs" ]; do
        rm -f "$done_before.part"
        status=0
        # The first directory gets what is found, the second is only read. Hangs are measured in CPU time, by the target;
        # the timeout, of real time, is for what never ends, also on a busy machine.
        FUZZ_PROGRESS=$done_before.part "$fuzz" fuzz run "${flags[@]}" "$target" "$corpus" "$seeds" -- \
            -runs="$runs" -max_len="$length" -len_control=0 -timeout=600 -rss_limit_mb=1024 \
            -verbosity=0 -print_final_stats=0 >"$done_before.log" 2>&1 || status=$?
        if [ -e "$done_before.part" ]; then cat "$done_before.part" >>"$done_before"; fi
        if [ $status != 0 ]; then
            tail -40 "$done_before.log"
            exit $status
        fi
        echo "$target: $(sum)"
    done
    echo "$target: done: $(sum)"
done
