"""What the daemon does for its call records beside writing them: lists full blocks, drops old days."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from sipguard.store import cdr_block

log = structlog.get_logger()

EVERY_SECONDS = 10.0
PAUSE_SECONDS = 0.05
"""Between two transactions: the writer, which calls wait for, gets most of the time."""


async def keep(path: Path, keep_days: int, now_ms: Callable[[], int]) -> None:
    """Look after the records of the database at `path` until cancelled; `keep_days` 0: drop none."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        from_ms = cdr_block.kept_from_ms(now_ms(), keep_days) if keep_days else None
        stop = threading.Event()
        try:
            dropped = await asyncio.to_thread(cdr_block.tidy, path, from_ms, partial(_pause, stop))
            if dropped:
                log.info("cdr.dropped", records=dropped, ended_before_ms=from_ms)
        except Exception as error:  # a busy or failing store is the writer's to report; this can wait
            log.warning("cdr.keep_failed", error=str(error))
        finally:
            stop.set()


def _pause(stop: threading.Event) -> bool:
    return not stop.wait(PAUSE_SECONDS)
