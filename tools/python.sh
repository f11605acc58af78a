#!/usr/bin/env bash
# Make .venv with the pinned dependencies of requirements.lock. A second run changes nothing.
set -eu
cd "$(dirname "$0")/.."
uv_pin=$(grep -o '^uv==[0-9.]*' requirements.lock)

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

interpreter() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if usable "$name"; then
            command -v "$name"
            return
        fi
    done
    echo "sipguard needs Python 3.11 or newer, and none was found. On Debian: apt-get install python3" >&2
    return 1
}

# "python3 can make a virtual environment" is not one thing: pyenv's has all it takes, Debian's lacks
# ensurepip until python3-venv is installed, and Debian's pip refuses to install for the user (PEP 668).
make_venv() {
    local python=$1
    "$python" -c 'import ensurepip' 2>/dev/null && "$python" -m venv .venv && return
    uv --version >/dev/null 2>&1 && uv venv -q --clear --python "$python" .venv && return
    # A directory of its own is no installation for the user.
    if "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf .venv.uv
        "$python" -m pip install -q --target .venv.uv "$uv_pin" &&
            PYTHONPATH=.venv.uv "$python" -m uv venv -q --clear --python "$python" .venv &&
            return
    fi
    tools/system.sh 'the venv module of Python' "'$python' -c 'import ensurepip'" python3-venv \
        'it makes the virtual environment' && "$python" -m venv .venv
}

install_uv() {
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        .venv/bin/python -m pip install -q --disable-pip-version-check "$uv_pin"
    elif [ -d .venv.uv ]; then
        PYTHONPATH=.venv.uv .venv/bin/python -m uv pip install -q -p .venv/bin/python "$uv_pin"
    else
        uv pip install -q -p .venv/bin/python "$uv_pin"
    fi
}

if ! usable .venv/bin/python; then
    python=$(interpreter)
    echo "Making .venv with $python"
    rm -rf .venv
    make_venv "$python"
fi
if [ ! -x .venv/bin/uv ]; then install_uv; fi
rm -rf .venv.uv
echo "Installing the pinned Python dependencies"
.venv/bin/uv pip install -q -p .venv/bin/python -r requirements.lock
# Where PYTHONDONTWRITEBYTECODE is set, as containers have it, each start would compile all of them anew. What
# is for another Python and does not compile is not what is run.
.venv/bin/python -m compileall -qq "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
