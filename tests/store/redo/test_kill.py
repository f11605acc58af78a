"""kill -9 before every write, sync, rename and removal of a run and of the replay after it (K-02)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sipguard.store import ledger
from sipguard.store.redo import replay
from tests.store import books
from tests.store.redo.killed import CALLS

pytestmark = pytest.mark.fault


def test_k02_killed_at_every_point(template: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "tests.store.redo.killed", str(template), str(tmp_path)]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[3])
    ends = [line.split() for line in done.stdout.splitlines()]
    killed = [Path(path) for code, path in ends if int(code) == -signal.SIGKILL]
    assert len(killed) == len(ends) - 1 > 20
    kept = 0
    for path in killed:
        acknowledged = [int(line) for line in path.with_name("acknowledged").read_text().split()]
        replay.replay(path)
        with books.connect(path) as connection:
            found = [
                call - books.EPOCH for (call,) in connection.execute("SELECT call FROM cdr ORDER BY call")
            ]
            (entries,) = connection.execute("SELECT count(*) FROM journal_entry").fetchone()
        assert found == list(range(len(found))), f"a gap: {path}"
        assert entries == len(found), path
        assert len(acknowledged) <= len(found) <= len(acknowledged) + 1, path
        assert not replay.is_needed(path)
        kept += len(found)
    assert kept > CALLS
    last = killed[-1]
    assert books.read(last, ledger.verify).ok
    assert books.read(last, ledger.verify).entries == CALLS
