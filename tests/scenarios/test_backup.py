"""A backup that is taken while a call is up: the call goes on, and the copy adds up by itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from sipguard.cli import main
from tests.harness.loopback import eventually
from tests.scenarios.conftest import Stage

pytestmark = pytest.mark.scenario

CUSTOMER, USUAL = 10, 100
NUMBER = "8801711000001"
CONFIG = """\
[sip]
listen = [{ host = "127.0.0.1" }]
[database]
path = "var/sipguard.db"
[control]
socket = "sipguard.sock"
"""


def test_a_backup_under_a_live_call(stage: Stage, tmp_path: Path) -> None:
    gateway = stage.gateway("gateway/answers", USUAL)
    caller = stage.caller("call/ended_by_callee", CUSTOMER, NUMBER)
    eventually("a live call", lambda: stage.daemon.status()["live_calls"] == 1, 5.0)
    (listed,) = stage.daemon.json("call", "list", "--account", "customer")
    copy = tmp_path / "copy.db"
    assert "everything adds up" in stage.daemon.command("backup", str(copy)).stdout
    assert stage.daemon.status()["live_calls"] == 1, "it goes on"
    stage.daemon.json("call", "hangup", str(listed["call"]))
    result = caller.wait()
    result.proved()
    stage.cdr(result)
    gateway.stop()

    config = tmp_path / "other.toml"
    config.write_text(CONFIG)
    (tmp_path / "var").mkdir()
    restored = CliRunner().invoke(main, ["--config", str(config), "restore", str(copy)])
    assert restored.exit_code == 0, restored.output
    verified = CliRunner().invoke(main, ["--config", str(config), "ledger", "verify"])
    assert (verified.exit_code, "everything adds up" in verified.stdout) == (0, True), verified.output
    with closing(sqlite3.connect(tmp_path / "var" / "sipguard.db")) as database:
        up = database.execute("SELECT call FROM live_call WHERE ended_ms IS NULL").fetchall()
        ended = database.execute("SELECT count(*) FROM cdr WHERE call = ?", [listed["call"]]).fetchone()
    assert up == [(listed["call"],)], "it was up at the moment of the copy"
    assert ended == (0,)
