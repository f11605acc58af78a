#!/usr/bin/env bash
# Write requirements.lock from pyproject.toml and tools/build.in, for every system that sipguard runs on.
# usage: tools/lock.sh [--upgrade]
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v .venv/bin/uv || command -v uv)
"$uv" pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --custom-compile-command 'make lock' --extra dev "$@" pyproject.toml tools/build.in -o requirements.lock
