"""What is acknowledged while the database is locked: nobody waits for it, and nobody who reads misses it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback
from tests.scenarios.conftest import Stage

pytestmark = [pytest.mark.scenario, pytest.mark.fault]

CUSTOMER, USUAL = 10, 100
NUMBER = "8801711000001"
DATA = Path(__file__).parents[1] / "scenarios" / "data.toml"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    loopback = Loopback()
    patient = "\n[database.redo]\nlimit_seconds = 3600\n"
    with Daemon(tmp_path / "site", loopback.host(1), more=patient) as daemon, ExitStack() as cleanup:
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        yield Stage(daemon, loopback, tmp_path, cleanup)
    loopback.close()


def test_a_call_while_the_database_is_locked_then_kill_then_a_command(stage: Stage) -> None:
    """K-01, K-06: the call is answered and ends as ever; after kill -9 its record is in the log alone."""
    daemon = stage.daemon
    stage.gateway("gateway/answers", USUAL)
    with closing(sqlite3.connect(daemon.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stage.call("call/completed", CUSTOMER, NUMBER)
        assert daemon.status()["store_healthy"]
        assert daemon.status()["backlog"] > 0
        told = daemon.command("cdr", "list", "--json")
        assert "the newest records may be missing here" in told.stderr
        assert told.stdout == "[]\n"
        daemon.kill()
        other.execute("ROLLBACK")
        assert other.execute("SELECT count(*) FROM cdr").fetchone() == (0,)

    (record,) = daemon.json("cdr", "list")
    assert (record["called"], record["outcome"]) == (NUMBER, "answered")
    assert daemon.json("ledger", "verify")["ok"]
    assert list(daemon.directory.glob("sipguard.db-redo-*")) == [], "applied, and gone"
    daemon.start()
    assert daemon.json("cdr", "list") == [record], "once"
