"""A daemon whose gateways are the test's own sockets, and a caller that speaks SIP by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Daemon, Loopback]]:
    loopback = Loopback()
    with Daemon(tmp_path / "site", loopback.host(1)) as daemon:
        daemon.init(Path(__file__).with_name("loop.toml").read_text(), loopback)
        daemon.start()
        yield daemon, loopback
    loopback.close()
