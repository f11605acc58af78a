"""How a daemon that many tests have used is put away."""

from __future__ import annotations

from tests.harness.daemon import Daemon
from tests.harness.judge import Books


def end_in_order(daemon: Daemon) -> None:
    """It is still there, ends as it is told to, and leaves the books in order. Raises AssertionError."""
    assert daemon.stop() == 0, "still there, and ends in order"
    assert Books(daemon.database).violations() == []
    assert daemon.json("ledger", "verify")["ok"]
