"""Keeps the change feed bounded: what the proxy has taken in, and is old or one of very many, goes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import structlog

from sipguard.store.database import configure

log = structlog.get_logger()

EVERY_SECONDS = 60.0
PAUSE_SECONDS = 0.05
"""Between two transactions: the writer, which calls wait for, gets most of the time."""

KEEP_MS = 7 * 24 * 3_600_000
"""For people who ask what changed lately; the audit log is for ever."""

KEEP_ROWS = 100_000
"""However young they are."""

STEP_ROWS = 1_000
"""Removed in one transaction: a few milliseconds."""


async def keep(path: Path, taken: Callable[[], int], now_ms: Callable[[], int]) -> None:
    """Prune the feed of the database at `path` until cancelled. `taken`: up to which revision the one who
    follows has read it; `now_ms`: Unix milliseconds."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        stop = threading.Event()
        try:
            go_on = _go_on(stop)
            pruned = await asyncio.to_thread(prune, path, taken(), now_ms() - KEEP_MS, KEEP_ROWS, go_on)
            if pruned:
                log.info("feed.pruned", rows=pruned)
        except Exception as error:  # a busy or failing store is the writer's to report; this can wait
            log.warning("feed.prune_failed", error=str(error))
        finally:
            stop.set()


def prune(path: Path, taken: int, from_ms: int, rows: int, go_on: Callable[[], bool] = lambda: True) -> int:
    """Remove rows that are older than `from_ms` or beyond the newest `rows`; how many.

    Never one after revision `taken`, and never the newest: the next revision is counted from it. For a thread
    of its own; `go_on` is asked between transactions. Raises sqlite3.Error.
    """
    pruned = 0
    uri = f"{path.resolve().as_uri()}?mode=rw"  # never makes a new, empty file
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        configure(connection)
        bounds = {"taken": taken, "from_ms": from_ms, "rows": rows, "step": STEP_ROWS}
        # One statement is one transaction; what it chooses by is read in it.
        while removed := connection.execute(_PRUNE, bounds).rowcount:
            pruned += removed
            if removed < STEP_ROWS or not go_on():
                break
    return pruned


def _go_on(stop: threading.Event) -> Callable[[], bool]:
    return lambda: not stop.wait(PAUSE_SECONDS)


# The feed is in the order of time but for a clock that was set back: the first young row ends the search.
_PRUNE = """
DELETE FROM change WHERE revision IN (
    SELECT revision FROM change
    WHERE revision <= :taken AND revision < (SELECT max(revision) FROM change) AND revision < max(
        ifnull((SELECT revision FROM change WHERE at_ms >= :from_ms ORDER BY revision LIMIT 1), :taken + 1),
        ifnull((SELECT revision FROM change ORDER BY revision DESC LIMIT 1 OFFSET :rows - 1), 0))
    ORDER BY revision LIMIT :step)
"""
