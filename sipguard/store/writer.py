"""Where the proxy hands its records over: durable in groups, and soon after in the database.

The loop gathers records; one thread appends them group by group to the redo log, and a record's `done` runs
on the loop once its group is durable: what waits for it (a 2xx, a BYE) can go out. A second thread applies
the groups to the database. While the log cannot be written nothing is acknowledged and nothing given up;
while the database cannot be, the log goes on, up to the limits beyond which no new calls are taken.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeAlias

import structlog

from sipguard.store import lock
from sipguard.store.batch import CallAnswered, CallClosed, CallMoved, CallUpdated, Outcome, Record
from sipguard.store.redo import replay
from sipguard.store.redo.applier import Applier, Pace
from sipguard.store.redo.files import Files
from sipguard.store.redo.log import SEGMENT_BYTES, RedoLog
from sipguard.store.redo.unapplied import Group, Unapplied

__all__ = ["CallAnswered", "CallClosed", "CallMoved", "CallUpdated", "Counts", "Limits", "Record", "Writer"]

log = structlog.get_logger()

LONG_WRITE_SECONDS = 60.0
"""Limits.seconds while a command takes a price list over: it ends, and the log has room for it."""

_Batch: TypeAlias = "list[tuple[Record, Callable[[], None] | None]]"


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
        database.

        `window_ms`: how long the first record of a group waits for others. `batch_limit`: records in one
        group. `retry_ms`: first and longest wait after the log's disk has refused a group. `on_health` is
        told on the loop when that happens and when it is over. Raises StoreError where no log can begin.
        """
        self.healthy = True
        """Records become durable."""
        self.counts = Counts()
        self._path = path
        self._loop = loop
        self._window = window_ms / 1_000
        self._batch_limit = batch_limit
        self._limits = limits
        self._retry_ms = retry_ms
        self._on_health = on_health

        self._pending: _Batch = []
        self._pending_since = 0.0
        self._appending: _Batch = []
        self._timer: asyncio.Handle | None = None
        self._closing = False

        # Durable, and not known to be in the database yet: when each group became so.
        self._durable: deque[tuple[Group, float]] = deque()
        self._durable_records = self._durable_bytes = 0
        self._behind: str | None = None
        self._submitted = self._applied_records = 0
        self._barriers: deque[tuple[int, asyncio.Future[None]]] = deque()

        header = replay.begin(path, origin, directory)
        self._unapplied = Unapplied()
        self._redo = RedoLog(Files(path, directory), header, self._unapplied, segment_bytes)
        self._applier = Applier(
            path,
            self._redo,
            header.log_id,
            origin,
            self._unapplied,
            pace,
            on_applied=lambda groups, outcome: self._tell(self._applied, groups, outcome),
            on_failed=lambda gone: self._tell(self._not_applied, gone),
        )
        self._batches: SimpleQueue[_Batch | None] = SimpleQueue()
        self._abandon = threading.Event()
        self._threads = (
            threading.Thread(target=self._append_all, name="sipguard-redo", daemon=True),
            threading.Thread(target=self._applier.run, name="sipguard-applier", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    @property
    def backlog(self) -> int:
        """Records that were submitted and are not in the database."""
        return self._submitted - self._applied_records

    @property
    def unacknowledged(self) -> int:
        """Records that were submitted and are not durable."""
        return len(self._pending) + len(self._appending)

    def refusal(self) -> str | None:
        """Why no new call should be taken: what it costs could not be kept, or not for long. None: it can."""
        if not self.healthy:
            return f"the redo log cannot be written, {self.unacknowledged} records wait"
        if self._behind is None and self._durable:
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
        if not self._pending:
            self._pending_since = self._loop.time()
        self._pending.append((record, done))
        self._submitted += 1
        if not self._appending and self._timer is None:
            self._timer = self._loop.call_later(self._window, self._hand_over)

    async def barrier(self) -> None:
        """Return when everything that was submitted so far is in the database, for anybody to read."""
        if not self.backlog:
            return
        reached = self._loop.create_future()
        self._barriers.append((self._submitted, reached))
        if self._pending and not self._appending:
            self._hand_over()
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
        self._abandon.set()
        self._batches.put(None)
        self._applier.stop()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._redo.close(remove=not self.backlog)
        return self.unacknowledged

    # On the loop

    def _keeps_up(self) -> bool:
        return self.healthy and self._behind is None and len(self._pending) < self._batch_limit

    def _too_far_behind(self) -> str | None:
        seconds = self._loop.time() - self._durable[0][1]
        patience = self._limits.seconds
        if seconds > patience and lock.is_long_write(self._path):
            patience = LONG_WRITE_SECONDS
        if seconds > patience:
            return f"the database takes no records for {seconds:.1f} s, {self.backlog} wait"
        if self.backlog > self._limits.records or self._durable_bytes > self._limits.size:
            return f"the database is behind by {self.backlog} records, {self._durable_bytes} bytes"
        return None

    def _hand_over(self) -> None:
        """Give the next group to the thread that appends, which has none."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._appending, self._pending = (
            self._pending[: self._batch_limit],
            self._pending[self._batch_limit :],
        )
        self._batches.put(self._appending)

    def _appended(self, group: Group) -> None:
        batch, self._appending = self._appending, []
        self.counts.batches += 1
        self._durable.append((group, self._loop.time()))
        self._durable_bytes += group.size
        if self._pending:
            self._hand_over_when_due()
        for _, done in batch:
            if done is not None:
                self._call(done)

    def _hand_over_when_due(self) -> None:
        """The window runs from the first record; one that waited through a write has waited enough."""
        due = self._pending_since + self._window
        if self._barriers or len(self._pending) >= self._batch_limit or due <= self._loop.time():
            self._hand_over()
        else:
            self._timer = self._loop.call_at(due, self._hand_over)

    def _applied(self, groups: Sequence[Group], outcome: Outcome) -> None:
        for group in groups:
            self._durable.popleft()
            self._durable_bytes -= group.size
            self._applied_records += len(group.records)
            self.counts.records += len(group.records)
        self.counts.duplicates += outcome.duplicates
        self.counts.rejected += len(outcome.rejected)
        for error in outcome.rejected:
            log.error("store.record_rejected", error=error)
        if self._behind is not None:
            self._behind = self._too_far_behind() if self._durable else None
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
        elif self._durable:
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

    # On the thread that appends

    def _append_all(self) -> None:
        with suppress(OSError):
            self._redo.open()
        while (batch := self._batches.get()) is not None:
            group = self._append([record for record, _ in batch])
            if group is not None:
                self._tell(self._appended, group)
                self._unapplied.add(group)

    def _append(self, records: list[Record]) -> Group | None:
        """Append, however often it has to be tried; None once nobody waits any longer."""
        delay_ms, longest_ms = self._retry_ms
        failed = False
        while True:
            try:
                group = self._redo.append(records)
            except OSError as error:
                log.warning("redo.write_failed", records=len(records), error=str(error))
                self._tell(self._not_appended)
                failed = True
            else:
                if failed:
                    log.info("redo.back", records=len(records))
                    self._tell(self._health, True)
                return group
            if self._abandon.wait(delay_ms / 1_000):
                return None
            delay_ms = min(2 * delay_ms, longest_ms)

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *args)
