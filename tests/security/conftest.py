"""One daemon for all attacks. Each has to leave it idle, and all of them the books in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback
from tests.harness.order import end_in_order
from tests.security.policies import policies
from tests.security.stage import Stage

DATA = Path(__file__).with_name("data.toml")
EMERGENCY = '[emergency]\nnumbers = ["112", "999"]\ngateways = ["gw1"]\n'


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The daemon and all parties."""
    loopback = Loopback()
    with Daemon(tmp_path_factory.mktemp("attacked"), loopback.host(1), more=EMERGENCY) as daemon:
        random_policies = "".join(policy.tables for policy in policies())
        daemon.init(DATA.read_text() + random_policies, loopback)
        daemon.start()
        stage = Stage(daemon, loopback)
        yield stage
        stage.close()
        end_in_order(daemon)
    loopback.close()


@pytest.fixture
def stage(attacked: Stage) -> Iterator[Stage]:
    """The stage of one attack. Afterwards no hold, no slot and no call is left over."""
    yield attacked
    attacked.daemon.idle()
