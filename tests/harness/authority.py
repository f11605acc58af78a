"""An authority for certificates, made by openssl for one test run."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, PEM."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates below `directory`; `ca` is its own."""

    def __init__(self, directory: Path, name: str = "Test authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._issued = 0
        self.ca, self._key = directory / "ca.pem", directory / "ca.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
            *("-keyout", str(self._key), "-out", str(self.ca), "-days", "3", "-subj", f"/CN={name}"),
            *(
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
            ),
        )

    def issue(self, *names: str, common_name: str = "test", days: int = 2) -> Pair:
        """A certificate for alternative names such as ``"DNS:gw.example"``, ``"IP:127.0.0.1"``.

        No names: only `common_name` is in it. `days` of validity; negative: it has expired.
        """
        self._issued += 1
        stem = self._directory / f"{self._issued}"
        pair = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        extensions.write_text(
            f"subjectAltName={','.join(names)}\n" if names else "basicConstraints=CA:FALSE\n"
        )
        _openssl(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
            *("-keyout", str(pair.key), "-out", str(request), "-subj", f"/CN={common_name}"),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.ca), "-CAkey", str(self._key)),
            *("-set_serial", str(self._issued + 1), "-days", str(days), "-extfile", str(extensions)),
            *("-out", str(pair.certificate)),
        )
        return pair


def replace(pair: Pair, by: Pair) -> None:
    """Put another certificate and key into the place of `pair`, as a renewal does."""
    for old, new in ((pair.certificate, by.certificate), (pair.key, by.key)):
        fresh = old.with_suffix(".new")
        fresh.write_bytes(new.read_bytes())
        os.replace(fresh, old)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
