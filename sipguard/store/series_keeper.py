"""Keeps the series: counts new records every few seconds in a thread of its own, and forgets what is old."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from sipguard.store.series import HOUR
from sipguard.store.series_step import NO_END, Bounds, Counted, Kept, Stepper

log = structlog.get_logger()

EVERY_SECONDS = 10.0
GROW_SECONDS = 60.0
"""How often the tree of accounts is looked at, where it has changed, and old figures are forgotten."""
PAUSE_SECONDS = 0.05
"""Between two steps: the writer, which calls wait for, gets most of the time."""


class Retention(NamedTuple):
    """How long series are kept."""

    minute_hours: int = 48
    """Hours for which there are figures by the minute."""
    hour_days: int = 400
    """Days for which there are figures by the hour."""

    def kept(self, now: int) -> Kept:
        """From when on at `now`, both Unix seconds."""
        return Kept(now - self.minute_hours * HOUR, now - self.hour_days * 24 * HOUR)


class Keeper:
    """One per proxy; the only one that counts."""

    def __init__(
        self,
        path: Path,
        now_s: Callable[[], float],
        *,
        retention: Retention = Retention(),  # noqa: B008  (a value)
        destinations: Sequence[str] = (),
        bounds: Bounds = Bounds(),  # noqa: B008  (a value)
        on_counted: Callable[[Counted], object] = lambda _: None,
    ) -> None:
        """`now_s`: Unix seconds. `on_counted` runs on the loop, for each step that counted something that is
        newer than this keeper: what an update or a standstill has left is counted, and is no news.
        """
        self._path, self._now_s = path, now_s
        self._retention, self._destinations, self._bounds = retention, destinations, bounds
        self._on_counted = on_counted
        self._stepper: Stepper | None = None
        self._busy = asyncio.Lock()
        self._stop = threading.Event()
        self._in_use = threading.Lock()
        """The connection, by the thread that counts: it goes on where who waited for it was cancelled."""
        self._grown_at = -GROW_SECONDS
        self._failing = False
        self._news_from: int | None = None
        """Records behind this one are news."""

    async def run(self) -> None:
        """Count until cancelled."""
        try:
            while True:
                await self.turn()
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            self._stop.set()

    async def turn(self) -> None:
        """Count everything that the database has now. A store that fails is left for the next turn."""
        async with self._busy:
            loop = asyncio.get_running_loop()

            def tell(counted: Counted) -> None:
                loop.call_soon_threadsafe(self._on_counted, counted)

            try:
                await asyncio.to_thread(self._count, tell)
                self._failing = False
            except Exception as error:  # a busy or failing store is the writer's to report; this can wait
                if not self._failing:
                    log.warning("series.not_counted", error=str(error))
                self._failing = True

    async def close(self) -> None:
        """Count no more, once a turn that goes on has ended."""
        self._stop.set()
        await asyncio.to_thread(self._disconnect)

    def _disconnect(self) -> None:
        with self._in_use:
            if self._stepper is not None:
                self._stepper.close()
                self._stepper = None

    def _count(self, tell: Callable[[Counted], None]) -> None:
        """On a thread."""
        with self._in_use:
            if not self._stop.is_set():
                self._count_all(self._connected(), tell)

    def _count_all(self, stepper: Stepper, tell: Callable[[Counted], None]) -> None:
        try:
            now = self._now_s()
            kept = self._retention.kept(int(now))
            if self._news_from is None:
                self._news_from = stepper.newest()
            while stepper.behind():
                old = stepper.counted() < self._news_from
                counted = stepper.step(kept, until=self._news_from if old else NO_END)
                if not old and (counted.records or counted.accounts):
                    tell(counted)
                if self._stop.wait(PAUSE_SECONDS if stepper.behind() else 0):
                    return
            if abs(now - self._grown_at) >= GROW_SECONDS:
                stepper.grow(int(now))
                self._grown_at = now
                while stepper.forget(kept) and not self._stop.wait(PAUSE_SECONDS):
                    pass
        except BaseException:
            # A new connection for the next turn: the file may be another one by then.
            stepper.close()
            self._stepper = None
            raise

    def _connected(self) -> Stepper:
        if self._stepper is None:
            self._stepper = Stepper(self._path, self._destinations, self._bounds)
        return self._stepper
