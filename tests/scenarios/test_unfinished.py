"""A call that rings while the daemon is killed has its record after the restart."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import Loopback, eventually
from tests.scenarios.conftest import DATA, Stage

pytestmark = pytest.mark.scenario


def test_l11_a_call_that_rings_at_a_kill_has_one_record(tmp_path: Path) -> None:
    loopback = Loopback()
    with Daemon(tmp_path / "site", loopback.host(1)) as daemon, ExitStack() as cleanup:
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        stage = Stage(daemon, loopback, tmp_path, cleanup)
        stage.gateway("gateway/rings", 100)
        stage.caller("call/cancelled", 10, "8801711000001", talk_ms=60_000)
        eventually("a call in set-up", lambda: daemon.status()["attempts"] == 1, 5.0)
        daemon.kill()
        daemon.start()
        daemon.idle()
        (cdr,) = Books(daemon.database).cdrs()
        assert (cdr["outcome"], cdr["reason"], cdr["duration_ms"]) == ("failed", "restart", 0)
        assert Books(daemon.database).violations() == []
    loopback.close()
