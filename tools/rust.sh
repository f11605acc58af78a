#!/usr/bin/env bash
# Say in plain words what is missing to build and check the engine. Installs a linker, never Rust itself.
set -eu
cd "$(dirname "$0")/.."
least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' engine/Cargo.toml)

advise() {
    echo "sipguard's engine is written in Rust, and $1." >&2
    echo "Please install Rust $least or newer with rustup, which needs no root; Debian 12's own is too old." >&2
    exit 1
}

command -v cargo >/dev/null || advise "cargo was found neither on PATH nor in ~/.cargo/bin"
found=$(rustc --version | cut -d ' ' -f 2) || advise "rustc does not run"
oldest=$(printf '%s\n' "$least" "${found%%-*}" | sort -V | head -n 1)
[ "$oldest" = "$least" ] || advise "the rustc that was found is version $found"
for part in fmt clippy; do
    cargo "$part" --version >/dev/null 2>&1 || advise "cargo $part is missing (rustup component add rustfmt clippy)"
done
tools/system.sh 'a C compiler' 'command -v cc' build-essential 'Rust links with it'
