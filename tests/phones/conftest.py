"""One daemon for all phones. Each test has to leave it idle, and all of them the books in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback
from tests.harness.order import end_in_order
from tests.phones.stage import Stage

DATA = Path(__file__).with_name("data.toml")
MORE = """
[emergency]
numbers = ["112"]
gateways = ["gw1"]

[auth]
realm = "phones.example"
algorithms = ["SHA-512-256", "SHA-256", "MD5"]
"""


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The daemon and all parties."""
    loopback = Loopback()
    with Daemon(tmp_path_factory.mktemp("phones"), loopback.host(1), more=MORE) as daemon:
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        stage = Stage(daemon, loopback)
        yield stage
        stage.close()
        end_in_order(daemon)
    loopback.close()


@pytest.fixture
def stage(exchange: Stage) -> Iterator[Stage]:
    """The stage of one test. Afterwards no hold, no slot and no call is left over."""
    yield exchange
    exchange.daemon.idle()
