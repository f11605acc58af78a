#!/usr/bin/env bash
# Build a Debian package for the Python and the architecture of this machine: build/sipguard_VERSION_ARCH.deb.
set -eu
cd "$(dirname "$0")/.."
python=/usr/bin/python3
root=build/deb
export PATH=$PWD/.venv/bin:$PATH
rm -rf "$root"
mkdir -p "$root/DEBIAN" "$root/etc/sipguard" "$root/usr/bin" "$root/lib/systemd/system" \
    "$root/usr/share/doc/sipguard/examples"
tools/install.sh "$root/usr/lib/sipguard" "$python"
ln -s ../lib/sipguard/bin/sipguard "$root/usr/bin/sipguard"
# The shipped configuration, with every key explained, where a package has its files.
sed -e 's|^path = "../var/|path = "/var/lib/sipguard/|' -e 's|^socket = "../var/|socket = "/run/sipguard/|' \
    config/sipguard.toml >"$root/etc/sipguard/sipguard.toml"
cp config/systemd/*.service "$root/lib/systemd/system/"
cp docs/operations.md CHANGELOG.md "$root/usr/share/doc/sipguard/"
cp -r config/demo.toml config/prometheus config/grafana "$root/usr/share/doc/sipguard/examples/"
cp config/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
echo /etc/sipguard/sipguard.toml >"$root/DEBIAN/conffiles"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
next=$("$python" -c 'import sys; print(f"3.{sys.version_info.minor + 1}")')
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$(dpkg --print-architecture)/" \
    -e "s/@PYTHON@/$("$python" -c 'import sys; print(f"3.{sys.version_info.minor}")')/" \
    -e "s/@PYTHON_NEXT@/$next/" -e "s/@GLIBC@/$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)/" \
    config/debian/control.in >"$root/DEBIAN/control"
chmod -R u=rwX,go=rX "$root"
dpkg-deb --root-owner-group --build "$root" build >/dev/null
ls build/sipguard_*.deb
