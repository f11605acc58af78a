"""D38 with disks that take nothing more: no uncharged call, no BYE that waits, no charge lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults import disk
from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually
from tests.harness.order import end_in_order
from tests.security.conftest import DATA, EMERGENCY
from tests.security.peer import answer
from tests.security.stage import LONDON, Stage

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system"),
]

URI = f"sip:{LONDON}@sg"
PINGS = "[calls.ping]\ninterval_seconds = 1\nrestored_seconds = 1\n"


@contextmanager
def _stage(site: Path) -> Iterator[Stage]:
    with (
        closing(Loopback()) as loopback,
        Daemon(site / "sipguard", loopback.host(1), more=EMERGENCY + PINGS) as daemon,
    ):
        daemon.init(DATA.read_text(), loopback)
        daemon.start()
        with closing(Stage(daemon, loopback)) as stage:
            yield stage
            daemon.idle()
        end_in_order(daemon)


def _charged_once(stage: Stage, call_id: str) -> None:
    assert stage.cdr(call_id)["outcome"] == "answered"
    with closing(sqlite3.connect(f"file:{stage.daemon.database}?mode=ro", uri=True)) as books:
        (entries,) = books.execute("SELECT count(*) FROM journal_entry WHERE kind != 'payment'").fetchone()
    assert entries == 1


def _refused_while_it_lasts(stage: Stage) -> None:
    eventually("a store that fails", lambda: not stage.daemon.status()["store_healthy"], 10.0)
    outcome = stage.invite(URI)
    assert (outcome.status, outcome.forwarded) == (503, ())


def test_a_full_disk(tmp_path: Path) -> None:
    """D38, full: the BYE passes at once; its charge is written when there is room."""
    with disk.small_disk(tmp_path / "disk") as site, _stage(site) as stage:
        dialog = stage.call(URI)
        filler = disk.fill(site)
        dialog.end()
        _refused_while_it_lasts(stage)
        assert stage.cdrs(dialog.request.call_id) == []
        filler.unlink()
        eventually("a store that is back", lambda: bool(stage.daemon.status()["store_healthy"]), 10.0)
        _charged_once(stage, dialog.request.call_id)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_read_only_disk(tmp_path: Path) -> None:
    """D38, read-only: the same."""
    with _stage(tmp_path) as stage:
        dialog = stage.call(URI)
        with disk.read_only(stage.daemon.pid):
            dialog.end()
            _refused_while_it_lasts(stage)
            assert stage.cdrs(dialog.request.call_id) == []
        eventually("a store that is back", lambda: bool(stage.daemon.status()["store_healthy"]), 10.0)
        _charged_once(stage, dialog.request.call_id)


def test_a_disk_that_is_gone(tmp_path: Path) -> None:
    """D38, gone, and the log with it: the BYE passes; the start on the repaired disk finds the call over."""
    try:
        site = disk.Ext4(tmp_path / "image", tmp_path / "disk")
    except (PermissionError, FileNotFoundError) as error:
        pytest.skip(str(error))
    try:
        with _stage(site.at) as stage:
            site.sync()
            dialog = stage.call(URI)
            eventually("a record of it", lambda: stage.daemon.status()["backlog"] == 0, 10.0)
            site.fail()
            dialog.end()
            _refused_while_it_lasts(stage)
            stage.daemon.kill()
            site.repair()
            stage.daemon.start()
            for end in (dialog.gateway, dialog.caller):
                asked = end.receive("OPTIONS", call_id=dialog.request.call_id)
                end.send(answer(asked, "481 Call/Transaction Does Not Exist"))
            _charged_once(stage, dialog.request.call_id)
    finally:
        site.close()
