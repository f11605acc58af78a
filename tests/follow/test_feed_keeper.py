"""The change feed stays bounded, and nobody misses what was pruned."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from sipguard.store import feed_keeper
from tests.follow import trade

DAY_MS = 24 * 3_600_000
OLD, YOUNG = 10 * DAY_MS, 20 * DAY_MS
FROM = 15 * DAY_MS
MANY = 1 << 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "sipguard.db"
    trade.make(made)
    with closing(trade.opened(made)) as connection:
        connection.execute("DELETE FROM change")
    return made


def fill(path: Path, rows: int, at_ms: int) -> list[int]:
    """Add rows to the feed; the revisions that there are."""
    with closing(trade.opened(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO change (at_ms, noun, action, id) VALUES (?, 'account', 'modify', 'a')",
            [[at_ms]] * rows,
        )
        connection.execute("COMMIT")
    return revisions(path)


def revisions(path: Path) -> list[int]:
    with closing(trade.opened(path)) as connection:
        return [revision for (revision,) in connection.execute("SELECT revision FROM change ORDER BY 1")]


def test_old_rows_go(path: Path) -> None:
    old = fill(path, 2_500, OLD)
    all_ = fill(path, 10, YOUNG)
    assert feed_keeper.prune(path, all_[-1], FROM, MANY) == len(old)
    assert revisions(path) == all_[2_500:]
    assert feed_keeper.prune(path, all_[-1], FROM, MANY) == 0


def test_rows_beyond_so_many_go_however_young(path: Path) -> None:
    all_ = fill(path, 2_500, YOUNG)
    assert feed_keeper.prune(path, all_[-1], FROM, 100) == 2_400
    assert revisions(path) == all_[-100:]


def test_what_was_not_taken_in_stays(path: Path) -> None:
    all_ = fill(path, 50, OLD)
    assert feed_keeper.prune(path, all_[19], FROM, 5) == 20
    assert revisions(path) == all_[20:]


def test_the_newest_stays_and_the_next_has_a_later_revision(path: Path) -> None:
    """Also where a trigger has moved it beyond what SQLite remembers of numbers given."""
    with closing(trade.opened(path)) as connection:
        for _ in range(5):
            connection.execute("UPDATE account SET locked = NOT locked WHERE key = 1")
    (newest,) = revisions(path)
    assert feed_keeper.prune(path, newest, MANY * 1_000, 1) == 0
    assert fill(path, 1, YOUNG)[-1] > newest


def test_it_stops_between_two_transactions(path: Path) -> None:
    all_ = fill(path, 2 * feed_keeper.STEP_ROWS + 1, OLD)
    assert feed_keeper.prune(path, all_[-1], FROM, MANY, lambda: False) == feed_keeper.STEP_ROWS
