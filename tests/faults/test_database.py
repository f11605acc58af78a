"""A database that two daemons want, and one that is taken away from under a running one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually
from tests.scenarios.conftest import Stage

pytestmark = [pytest.mark.scenario, pytest.mark.fault]

CUSTOMER, USUAL = 10, 100
NUMBER = "8801711000001"
DATA = Path(__file__).parents[1] / "scenarios" / "data.toml"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    loopback = Loopback()
    with Daemon(tmp_path / "site", loopback.host(1)) as daemon, ExitStack() as cleanup:
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        yield Stage(daemon, loopback, tmp_path, cleanup)
    loopback.close()


def test_a_second_daemon_is_refused(stage: Stage) -> None:
    """Balances and counts in memory are true for one daemon only: two would overspend."""
    daemon = stage.daemon
    other = daemon.directory / "other.toml"
    text = daemon.config.read_text().replace("sipguard.sock", "other.sock")
    other.write_text(text.replace(f"port = {daemon.port}", f"port = {daemon.port + 1}"))
    before = daemon.status()["epoch"]
    done = daemon.command("--config", str(other), "run", check=False)
    assert done.returncode == 1
    assert "another sipguard runs on this database" in done.stderr
    assert daemon.status()["epoch"] == before


def test_a_database_that_is_gone_takes_no_new_calls(stage: Stage) -> None:
    """A call whose record would be lost with the file is not answered; new ones get 503."""
    stage.gateway("gateway/answers", USUAL)
    stage.call("call/completed", CUSTOMER, NUMBER)
    stage.daemon.idle()
    for file in stage.daemon.directory.glob("sipguard.db*"):
        file.unlink()
    lost = stage.caller("call/completed", CUSTOMER, NUMBER)
    eventually("the store is known to fail", lambda: not stage.daemon.status()["store_healthy"], 10.0)
    lost.close()
    refused = stage.caller("call/completed", CUSTOMER, NUMBER).wait()
    assert {message.status for message in refused.messages if not message.sent} == {503}
    assert stage.daemon.status()["backlog"] > 0, "what could not be written is kept"
