#!/usr/bin/env bash
# Install sipguard with the pinned dependencies into a directory of its own, for images and packages: built for
# the Python of the system, compiled to bytecode, and without what only development needs.
# usage: tools/install.sh DIRECTORY [PYTHON]      uv has to be on the path; the pages are to be there (tools/pages.sh)
set -eu
cd "$(dirname "$0")/.."
into=$1 python=${2:-/usr/bin/python3}
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
rm -rf "$into"
mkdir -p "$into/bin" "$into/lib"

# What sipguard needs to run, at the versions of requirements.lock, which also has what builds and tests it.
uv pip compile -q --python "$python" --constraint requirements.lock --no-header --no-annotate --generate-hashes \
    --no-emit-index-url --no-emit-find-links pyproject.toml -o "$wheels/runtime.txt"
uv pip install -q --python "$python" --target "$into/lib" --require-hashes -r "$wheels/runtime.txt"
uv tool run -q "$(grep -o '^maturin==[0-9.]*' requirements.lock)" build -q --release --locked --strip \
    --interpreter "$python" --out "$wheels"
uv pip install -q --python "$python" --target "$into/lib" --no-deps "$wheels"/sipguard-*.whl
rm -rf "$into/lib/bin"
cp -r sipguard/web/ui/vendor "$into/lib/sipguard/web/ui/" # not in git, so not in the wheel
"$python" -m compileall -q -s "$into" -p "$into" "$into/lib" || true # what is for another Python

cat >"$into/bin/sipguard" <<'START'
#!/bin/sh
# Children of the daemon (the API and the pages) find the same modules.
here=$(dirname "$(dirname "$(readlink -f "$0")")")
PYTHONPATH=$here/lib${PYTHONPATH:+:$PYTHONPATH} exec /usr/bin/python3 -m sipguard "$@"
START
chmod 755 "$into/bin/sipguard"
