"""kill -9 of the process that writes (K-01, K-02).

What was acknowledged is there, once; everything else is there as a whole, or not at all.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sipguard.store import ledger
from sipguard.store.batch import BatchWriter, Outcome
from sipguard.store.redo import replay
from tests.store import books
from tests.store.killed import batch

pytestmark = pytest.mark.fault


def start(*arguments: object) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "tests.store.killed", *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def calls(path: Path) -> list[int]:
    """Sequences of the calls with a record; each of these has its charge, and the books are in order."""
    report = books.read(path, ledger.verify)
    assert report.ok, report
    found = [call - books.EPOCH for (call,) in books.rows(path, "SELECT call FROM cdr ORDER BY call")]
    charged = books.rows(path, "SELECT idempotency_key FROM journal_entry ORDER BY key")
    assert [key for (key,) in charged] == [f"call:{books.EPOCH + number}" for number in found]
    return found


def test_k01_killed_at_any_moment(path: Path) -> None:
    """Three processes in a row, each killed after some acknowledgements, each going on from there."""
    chance = random.Random(20260901)
    first, replays = 0, 3
    for _ in range(3):
        child = start("stream", path, max(0, first - replays))  # some of it a second time, as after a crash
        with child:
            acknowledged = [int(child.stdout.readline()) for _ in range(chance.randint(1, 200))]
            child.kill()
            acknowledged += [
                int(line) for line in child.stdout.read().splitlines(keepends=True) if line[-1] == 10
            ]
        assert child.returncode == -signal.SIGKILL
        calls(path)  # what the database has before the redo log is read is in order, too
        replay.replay(path)
        written = calls(path)
        assert written == list(range(len(written))), "a gap, or a call twice"
        assert set(acknowledged) <= set(written), "acknowledged and lost"
        first = len(written)
    assert books.rows(path, "SELECT * FROM rejected_record") == []


def test_k02_killed_before_each_statement_of_a_batch(path: Path) -> None:
    with start("statements", path) as child:
        ends = [line.split() for line in child.stdout.read().decode().splitlines()]
    killed = [Path(file) for code, file in ends if int(code) == -signal.SIGKILL]
    assert len(killed) == len(ends) - 1 > 10  # BEGIN, both ends, seven kinds of rows, COMMIT
    for file in killed:
        for table in ("live_call", "cdr", "cdr_level", "cdr_try", "journal_entry", "posting"):
            assert books.rows(file, f"SELECT * FROM {table}") == [], f"a part was written: {file}"
        assert calls(file) == []
        with books.connect(file) as connection:
            assert BatchWriter(connection, "proxy").write(batch(10)) == Outcome()
            assert BatchWriter(connection, "proxy").write(batch(10)).duplicates == 4
        assert books.read(file, ledger.verify).entries == 1
