#!/usr/bin/env bash
# Build engine/ and install sipguard into .venv, so that its sources are used where they lie.
set -eu
cd "$(dirname "$0")/.."
echo "Building the native engine (the first time takes a minute or two)"
# All dependencies are there already (tools/python.sh); nothing is to be looked up while building.
VIRTUAL_ENV=$PWD/.venv PATH=$PWD/.venv/bin:$PATH \
    .venv/bin/maturin develop --release --locked --uv --quiet
