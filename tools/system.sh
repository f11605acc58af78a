#!/usr/bin/env bash
# Make sure that something of the system is there; where it is not, install the Debian package that has it.
# usage: tools/system.sh WHAT CHECK PACKAGE WHY      CHECK: a shell command that succeeds once it is there
set -eu
what=$1 check=$2 package=$3 why=$4

there() { sh -c "$check" >/dev/null 2>&1; }

there && exit 0

refuse() {
    echo "sipguard needs $what ($why), and $1." >&2
    echo "Please install it; on Debian: apt-get install $package" >&2
    exit 1
}

command -v apt-get >/dev/null || refuse "this system has no apt-get to install it with"
if [ "$(id -u)" = 0 ]; then
    as_root=()
elif ! command -v sudo >/dev/null; then
    refuse "installing it takes root or sudo"
elif [ -t 0 ]; then
    as_root=(sudo)
else
    as_root=(sudo -n) # nobody is there to type a password
fi

install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "$package" </dev/null >/dev/null
}

echo "Installing $package ($why)"
# A fresh machine has no package lists, or old ones.
install 2>/dev/null || { "${as_root[@]}" apt-get update -qq && install; } || refuse "apt-get could not install it"
there || refuse "package $package did not bring it"
