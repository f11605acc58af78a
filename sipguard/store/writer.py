"""Where the proxy hands its records over: durable in groups, and soon after in the database.

The loop hands over the records of each turn; the engine's thread appends them group by group to the redo log
and lets go what it holds for them (a 2xx, a BYE) once a group is durable. Another thread minds the log: it
makes segments, and appends itself while a disk fails. A third applies the groups to the database. While the
log cannot be written nothing is acknowledged and nothing given up; while the database cannot be, the log
goes on, up to the limits beyond which no new calls are taken.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from sipguard.store import lock
from sipguard.store.batch import CallAnswered, CallClosed, CallMoved, CallUpdated, Outcome, Record
from sipguard.store.redo import record as redo_record
from sipguard.store.redo import replay
from sipguard.store.redo.appender import Appender, Engine
from sipguard.store.redo.applier import Applier, Pace
from sipguard.store.redo.files import Files
from sipguard.store.redo.log import SEGMENT_BYTES, RedoLog
from sipguard.store.redo.unapplied import Group, Unapplied

__all__ = [
    "CallAnswered",
    "CallClosed",
    "CallMoved",
    "CallUpdated",
    "Counts",
    "Limits",
    "Record",
    "Release",
    "Writer",
]

log = structlog.get_logger()

LONG_WRITE_SECONDS = 60.0
"""Limits.seconds while a command takes a price list over: it ends, and the log has room for it."""


class Release:
    """A `done` of which the engine does the first part by itself, as soon as the record is durable: it lets
    the oldest message go that it holds of a call. The loop hears of it with the next events or soon after."""

    __slots__ = ("call",)

    def __init__(self, call: int) -> None:
        """`call`: our id of it."""
        self.call = call

    def __call__(self) -> None:
        """Let the message go, too: where no engine does that."""
        raise NotImplementedError

    def released(self) -> None:
        """The message is on its way."""
        raise NotImplementedError


class Limits(NamedTuple):
    """How far the database may be behind the log before no new calls are taken."""

    records: int = 50_000
    """That wait; all of them are in memory, too."""
    size: int = 256 * 1024 * 1024
    """Bytes of them in the log."""
    seconds: float = 3.0
    """Age of the oldest."""


@dataclass(slots=True)
class Counts:
    """What the writer did since its start."""

    batches: int = 0
    """Groups that became durable."""
    records: int = 0
    """In the database, those below included."""
    duplicates: int = 0
    """Were in the database already, with the same content."""
    rejected: int = 0
    """Could not be written as they were; kept in rejected_record."""
    dropped: int = 0
    """Updates left out while the store was behind."""
    failures: int = 0
    """Attempts to commit that the database refused."""
    redo_failures: int = 0
    """Attempts to make a group durable that the redo log's disk refused."""


class Writer:
    """Writes records durably, in the order of `submit`. To be used on the thread of `loop` only."""

    def __init__(
        self,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        origin: str = "proxy",
        directory: Path | None = None,
        engine: Engine | None = None,
        window_ms: float = 2.0,
        batch_limit: int = 1_000,
        limits: Limits = Limits(),  # noqa: B008  (a value)
        pace: Pace = Pace(),  # noqa: B008  (a value)
        retry_ms: tuple[int, int] = (50, 1_000),
        segment_bytes: int = SEGMENT_BYTES,
        on_health: Callable[[bool], None] | None = None,
    ) -> None:
        """`path`: a database of the current schema (store.database.open) to which nobody else applies a log,
        and whose own log has been replayed (redo.replay). `directory`: of the redo log, None for that of the
        database. `engine`: what holds messages for a `Release`.

        `window_ms`: groups begin no oftener than this, ten times more rarely while no record has a `done`.
        `batch_limit`: records in one group. `retry_ms`: first and longest wait after the log's disk has
        refused a group. `on_health` is told on the loop when that happens and when it is over. Raises
        StoreError where no log can begin.
        """
        self.healthy = True
        """Records become durable."""
        self.counts = Counts()
        self._path = path
        self._loop = loop
        self._batch_limit = batch_limit
        self._limits = limits
        self._retry_ms = retry_ms
        self._on_health = on_health

        self._fresh: list[Record] = []
        """Of this turn, not handed over yet; with what the engine is to release for them."""
        self._releases: list[int] = []
        self._tell = False
        self._in_turn = False
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        """What waits for the record of that number."""
        self._closing = False

        self._behind: str | None = None
        self._submitted = self._applied_records = 0
        self._barriers: deque[tuple[int, asyncio.Future[None]]] = deque()

        header = replay.begin(path, origin, directory)
        self._engine = engine
        self._appender = Appender(engine, round(window_ms * 1_000), batch_limit)
        self._unapplied = Unapplied(self._appender)
        self._redo = RedoLog(Files(path, directory), header, self._unapplied, segment_bytes)
        self._applier = Applier(
            path,
            self._redo,
            header.log_id,
            origin,
            self._unapplied,
            pace,
            on_applied=lambda groups, outcome: self._tell_loop(self._applied, groups, outcome),
            on_failed=lambda gone: self._tell_loop(self._not_applied, gone),
        )
        self._abandon = threading.Event()
        self._threads = (
            threading.Thread(target=self._mind_log, name="sipguard-log", daemon=True),
            threading.Thread(target=self._applier.run, name="sipguard-applier", daemon=True),
        )
        for thread in self._threads:
            thread.start()
        loop.add_reader(self._appender.fileno(), self._on_told)

    @property
    def backlog(self) -> int:
        """Records that were submitted and are not in the database."""
        return self._submitted - self._applied_records

    @property
    def unacknowledged(self) -> int:
        """Records that were submitted and are not durable."""
        durable, _ = self._appender.counts()
        return self._submitted - durable

    def refusal(self) -> str | None:
        """Why no new call should be taken: what it costs could not be kept, or not for long. None: it can."""
        if not self.healthy:
            return f"the redo log cannot be written, {self.unacknowledged} records wait"
        if self._behind is None:
            self._behind = self._too_far_behind()
        return self._behind

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        """Have `record` written; `done` is called on the loop when it is durable.

        A CallUpdated that nobody waits for is left out while the store is failing or behind: the next update
        says more. Raises RuntimeError once the writer is being closed.
        """
        if self._closing:
            raise RuntimeError("the writer is closed")
        if done is None and type(record) is CallUpdated and not self._keeps_up():
            self.counts.dropped += 1
            return
        if not self._fresh and not self._in_turn:
            self._loop.call_soon(self._hand_over)
        self._fresh.append(record)
        self._submitted += 1
        if done is None:
            return
        self._waiting.append((self._submitted, done))
        if self._engine is not None and isinstance(done, Release):
            self._releases.append(done.call)
        else:
            self._tell = True

    def begin_turn(self) -> None:
        """Events are about to be handled, which may follow from what the engine has released: hear of that
        first."""
        self._in_turn = True
        self.catch_up()

    def end_turn(self) -> None:
        """The events are handled: what was submitted for them is handed over together."""
        self._in_turn = False
        self._hand_over()

    def catch_up(self) -> None:
        """Hear of everything that has become durable."""
        durable, self.counts.batches = self._appender.counts()
        while self._waiting and self._waiting[0][0] <= durable:
            _, done = self._waiting.popleft()
            released = self._engine is not None and isinstance(done, Release)
            self._call(done.released if released else done)  # type: ignore[attr-defined]

    async def barrier(self) -> None:
        """Return when everything that was submitted so far is in the database, for anybody to read."""
        if not self.backlog:
            return
        reached = self._loop.create_future()
        self._barriers.append((self._submitted, reached))
        self._hand_over()
        self._appender.hurry()
        self._unapplied.hurry()
        await reached

    async def drain(self) -> None:
        """Return when everything that was submitted, what follows meanwhile too, is in the database."""
        while self.backlog:
            await self.barrier()

    async def close(self, timeout_seconds: float | None = None) -> int:
        """Drain and stop; how many records are not durable after `timeout_seconds` (None: wait on).

        What is durable and not in the database by then is applied at the next start.
        """
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self.drain()
        self._hand_over()
        self._abandon.set()
        self._applier.stop()
        await asyncio.to_thread(self._appender.close)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._loop.remove_reader(self._appender.fileno())
        self.catch_up()
        self._redo.close(remove=not self.backlog)
        return self.unacknowledged

    # On the loop

    def _keeps_up(self) -> bool:
        return self.healthy and self._behind is None and self.unacknowledged < self._batch_limit

    def _too_far_behind(self) -> str | None:
        seconds, size = self._appender.behind()
        if not size:
            return None
        patience = self._limits.seconds
        if seconds > patience and lock.is_long_write(self._path):
            patience = LONG_WRITE_SECONDS
        if seconds > patience:
            return f"the database takes no records for {seconds:.1f} s, {self.backlog} wait"
        if self.backlog > self._limits.records or size > self._limits.size:
            return f"the database is behind by {self.backlog} records, {size} bytes"
        return None

    def _hand_over(self) -> None:
        """Give what is there to the thread that appends."""
        if not self._fresh:
            return
        fresh, releases, tell = self._fresh, self._releases, self._tell
        self._fresh, self._releases, self._tell = [], [], False
        while len(fresh) > self._batch_limit:
            self._push(fresh[: self._batch_limit], [], False)
            fresh = fresh[self._batch_limit :]
        self._push(fresh, releases, tell)

    def _push(self, records: list[Record], releases: list[int], tell: bool) -> None:
        payload, records = redo_record.encode(records)
        self._unapplied.submit(records)
        self._appender.push(payload, releases, tell)

    def _on_told(self) -> None:
        self._appender.clear()
        self.catch_up()

    def _applied(self, groups: Sequence[Group], outcome: Outcome) -> None:
        self.catch_up()
        for group in groups:
            self._applied_records += len(group.records)
            self.counts.records += len(group.records)
        self.counts.duplicates += outcome.duplicates
        self.counts.rejected += len(outcome.rejected)
        for error in outcome.rejected:
            log.error("store.record_rejected", error=error)
        if self._behind is not None:
            self._behind = self._too_far_behind()
        while self._barriers and self._barriers[0][0] <= self._applied_records:
            _, reached = self._barriers.popleft()
            if not reached.done():
                reached.set_result(None)
        if self._barriers:
            self._unapplied.hurry()

    def _not_applied(self, gone: bool) -> None:
        self.counts.failures += 1
        if gone:
            self._behind = "the database was removed or replaced"
        else:
            self._behind = self._behind or self._too_far_behind()

    def _call(self, done: Callable[[], None]) -> None:
        """One caller's mistake must not keep the others of its group waiting."""
        try:
            done()
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": f"{done!r} failed after its record was durable", "exception": error}
            )

    def _not_appended(self) -> None:
        self.counts.redo_failures += 1
        self._health(False)

    def _health(self, healthy: bool) -> None:
        if healthy != self.healthy:
            self.healthy = healthy
            if self._on_health is not None:
                self._on_health(healthy)

    # On the thread that minds the log

    def _mind_log(self) -> None:
        """Have the engine's thread append; do it here whenever that one cannot."""
        with suppress(OSError):
            self._redo.open()
            self._resume()
        while (trouble := self._appender.trouble()) is not None:
            count, sequence, end, number = trouble
            if sequence:
                self._redo.appended(sequence, end)
            error = OSError(number, os.strerror(number)) if number else None
            if error is not None:
                self._redo.give_up()
            group = self._append(self._unapplied.submitted(count), error)
            if group is None:
                return
            self._appender.appended(count, group.sequence, group.size)
            with suppress(OSError):  # its file is gone already: then the next group comes here, too
                self._resume()

    def _resume(self) -> None:
        place = self._redo.place()
        if place is not None:
            self._appender.resume(*place)

    def _append(self, records: list[Record], error: OSError | None) -> Group | None:
        """Append, however often it has to be tried; None once nobody waits any longer. `error`: of a try
        that was made already."""
        delay_ms, longest_ms = self._retry_ms
        failed = False
        while True:
            if error is None:
                try:
                    group = self._redo.append(records)
                except OSError as caught:
                    error = caught
                else:
                    if failed:
                        log.info("redo.back", records=len(records))
                        self._tell_loop(self._health, True)
                    return group
            log.warning("redo.write_failed", records=len(records), error=str(error))
            self._tell_loop(self._not_appended)
            failed, error = True, None
            if self._abandon.wait(delay_ms / 1_000):
                return None
            delay_ms = min(2 * delay_ms, longest_ms)

    def _tell_loop(self, callback: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *args)
