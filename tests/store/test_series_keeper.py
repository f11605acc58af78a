"""The keeper of series beside a database that is written to, busy, replaced."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

from sipguard.store.series_keeper import Keeper, Retention
from sipguard.store.series_step import Counted
from tests.store import books
from tests.store.test_series import NOON, call, points, some_calls, write


def keeper(path: Path, told: list[Counted]) -> Keeper:
    return Keeper(path, lambda: NOON + 120, retention=Retention(1, 1), on_counted=told.append)


def test_a_turn_counts_what_there_is_and_tells_it_on_the_loop(path: Path) -> None:
    async def run() -> None:
        told: list[Counted] = []
        write(path, call(20, NOON + 30))
        kept = keeper(path, told)
        await kept.turn()
        await asyncio.sleep(0)
        assert told == [], "what was there before is counted, and no news"
        some_calls(path)
        await kept.turn()
        await asyncio.sleep(0)
        assert [one.records for one in told] == [6]
        await kept.turn()
        write(path, call(9, NOON + 110), call(10, NOON - 7200))
        await kept.turn()
        await asyncio.sleep(0)
        assert [one.records for one in told] == [6, 2]
        await kept.close()
        await kept.turn()  # after the end nothing is counted

    asyncio.run(run())
    assert sum(point.attempts for point in points(path, "all")) == 8
    # The minute two hours ago is older than the hour for which there are minutes.
    assert books.rows(path, "SELECT min(at) FROM series WHERE step = 60") == [(NOON,)]
    assert books.rows(path, "SELECT min(at) FROM series WHERE step = 3600") == [(NOON - 7200,)]


def test_the_end_waits_for_a_count_that_goes_on(path: Path) -> None:
    """Who waited for the count is cancelled, its thread is not: it would use a connection that is closed."""
    entered, go_on = threading.Event(), threading.Event()

    def now() -> float:
        entered.set()
        assert go_on.wait(30)
        return NOON + 120

    async def run() -> None:
        some_calls(path)
        kept = Keeper(path, now, retention=Retention(1, 1))
        counting = asyncio.create_task(kept.run())
        await asyncio.to_thread(entered.wait, 30)
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
        closing = asyncio.create_task(kept.close())
        done, _ = await asyncio.wait([closing], timeout=0.2)
        assert not done
        go_on.set()
        await closing

    asyncio.run(run())


def test_a_database_that_fails_is_tried_again(path: Path, tmp_path: Path) -> None:
    async def run() -> None:
        told: list[Counted] = []
        kept = keeper(path, told)
        await kept.turn()
        away = tmp_path / "away.db"
        os.rename(path, away)
        await kept.turn()
        assert path.name not in os.listdir(tmp_path), "no empty database is made in its place"
        os.rename(away, path)
        some_calls(path)
        await kept.turn()
        await asyncio.sleep(0)
        assert [one.records for one in told] == [6]
        await kept.close()

    asyncio.run(run())
    assert sum(point.attempts for point in points(path, "all")) == 6
