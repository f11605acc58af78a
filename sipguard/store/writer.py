"""The group-commit writer of the proxy: many records, one commit, one wake-up.

The loop gathers records; one thread commits them batch by batch. While a commit runs, the next batch gathers.
A record's `done` runs on the loop after the commit that holds it: what waits for it (a 2xx, a BYE) can go
out. While the storage fails nothing is given up: the records stay in order and are written when it is back.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

import structlog

from sipguard.store.batch import (
    BatchWriter,
    CallAnswered,
    CallClosed,
    CallMoved,
    CallUpdated,
    Outcome,
    Record,
)
from sipguard.store.database import configure

__all__ = ["CallAnswered", "CallClosed", "CallMoved", "CallUpdated", "Counts", "Record", "Writer"]

log = structlog.get_logger()

_Batch: TypeAlias = "list[tuple[Record, Callable[[], None] | None]]"


@dataclass(slots=True)
class Counts:
    """What the writer did since its start."""

    batches: int = 0
    records: int = 0
    """Committed, those below included."""
    duplicates: int = 0
    """Were in the store already, with the same content."""
    rejected: int = 0
    """Could not be written as they were; kept in rejected_record."""
    dropped: int = 0
    """Updates left out while the store was behind."""
    failures: int = 0
    """Attempts to commit that the storage refused."""


class Writer:
    """Writes records durably, in the order of `submit`. To be used on the thread of `loop` only."""

    def __init__(
        self,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        origin: str = "proxy",
        window_ms: float = 2.0,
        batch_limit: int = 1_000,
        busy_timeout_ms: int = 1_000,
        retry_ms: tuple[int, int] = (50, 1_000),
        on_health: Callable[[bool], None] | None = None,
    ) -> None:
        """`path`: a database of the current schema (store.database.open).

        `window_ms`: how long the first record of a batch waits for others. `batch_limit`: records in one
        commit, so that after an outage no single commit takes seconds. `busy_timeout_ms`: how long the write
        lock of another process is waited for before it counts as a failure. `retry_ms`: first and longest
        wait after one. `on_health` is told on the loop when the storage starts to fail and when it is back.
        """
        self.healthy = True
        self.counts = Counts()
        self._path = path
        self._loop = loop
        self._origin = origin
        self._window = window_ms / 1_000
        self._batch_limit = batch_limit
        self._busy_timeout_ms = busy_timeout_ms
        self._retry_ms = retry_ms
        self._on_health = on_health

        self._pending: _Batch = []
        self._pending_since = 0.0
        self._committing: _Batch = []
        self._timer: asyncio.Handle | None = None
        self._drained: list[asyncio.Future[None]] = []
        self._closing = False
        self._stopped: asyncio.Future[None] = loop.create_future()

        # Of the thread: its connection, and what writes on it.
        self._connected: tuple[sqlite3.Connection, BatchWriter] | None = None
        self._inode: int | None = None
        self._batches: SimpleQueue[_Batch | None] = SimpleQueue()
        self._abandon = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sipguard-writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Records that were submitted and are not committed."""
        return len(self._pending) + len(self._committing)

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        """Have `record` written; `done` is called on the loop when it is durable.

        A CallUpdated that nobody waits for is left out while the store is failing or a batch behind: the next
        update says more. Raises RuntimeError once the writer is being closed.
        """
        if self._closing:
            raise RuntimeError("the writer is closed")
        if done is None and type(record) is CallUpdated and not self._keeps_up():
            self.counts.dropped += 1
            return
        if not self._pending:
            self._pending_since = self._loop.time()
        self._pending.append((record, done))
        if not self._committing and self._timer is None:
            self._timer = self._loop.call_later(self._window, self._hand_over)

    async def drain(self) -> None:
        """Return when everything that was submitted so far, and what follows meanwhile, is committed."""
        if not self.backlog:
            return
        drained = self._loop.create_future()
        self._drained.append(drained)
        if not self._committing:
            self._hand_over()
        await drained

    async def close(self, timeout_seconds: float | None = None) -> int:
        """Drain and stop; how many records could not be written within `timeout_seconds` (None: wait on)."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self.drain()
        self._abandon.set()
        self._batches.put(None)
        await asyncio.shield(self._stopped)
        self._thread.join()
        return self.backlog

    # On the loop

    def _keeps_up(self) -> bool:
        return self.healthy and len(self._pending) < self._batch_limit

    def _hand_over(self) -> None:
        """Give the next batch to the thread, which has none."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._committing, self._pending = (
            self._pending[: self._batch_limit],
            self._pending[self._batch_limit :],
        )
        self._batches.put(self._committing)

    def _committed(self, outcome: Outcome) -> None:
        batch, self._committing = self._committing, []
        self._count(batch, outcome)
        if self._pending:
            self._hand_over_when_due()
        for _, done in batch:
            if done is not None:
                self._call(done)
        if not self.backlog:
            for drained in self._drained:
                if not drained.done():
                    drained.set_result(None)
            self._drained.clear()

    def _hand_over_when_due(self) -> None:
        """The window runs from the first record; one that waited through a commit has waited enough."""
        due = self._pending_since + self._window
        if self._drained or len(self._pending) >= self._batch_limit or due <= self._loop.time():
            self._hand_over()
        else:
            self._timer = self._loop.call_at(due, self._hand_over)

    def _count(self, batch: _Batch, outcome: Outcome) -> None:
        self.counts.batches += 1
        self.counts.records += len(batch)
        self.counts.duplicates += outcome.duplicates
        self.counts.rejected += len(outcome.rejected)
        for error in outcome.rejected:
            log.error("store.record_rejected", error=error)

    def _call(self, done: Callable[[], None]) -> None:
        """One caller's mistake must not keep the others of its batch waiting."""
        try:
            done()
        except Exception as error:
            self._loop.call_exception_handler(
                {"message": f"{done!r} failed after a commit", "exception": error}
            )

    def _health(self, healthy: bool) -> None:
        self.healthy = healthy
        if self._on_health is not None:
            self._on_health(healthy)

    def _failed(self) -> None:
        self.counts.failures += 1

    # On the thread

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            outcome = self._commit([record for record, _ in batch])
            if outcome is not None:
                self._tell(self._committed, outcome)
        self._disconnect()
        self._tell(self._stopped.set_result, None)

    def _commit(self, records: list[Record]) -> Outcome | None:
        """Commit, however often it has to be tried; None once nobody waits any longer."""
        delay_ms, longest_ms = self._retry_ms
        failed = False
        while True:
            try:
                outcome = self._batch_writer().write(records)
            except Exception as error:
                # A new connection for the next try: after an I/O error the old one may hold pages that
                # never reached the disk. Whether the commit got through shows then by its keys.
                self._disconnect()
                log.warning(
                    "store.write_failed", path=str(self._path), records=len(records), error=str(error)
                )
                self._tell(self._failed)
                if not failed:
                    self._tell(self._health, False)
                failed = True
            else:
                if failed:
                    log.info("store.back", path=str(self._path), records=len(records))
                    self._tell(self._health, True)
                return outcome
            if self._abandon.wait(delay_ms / 1_000):
                return None
            delay_ms = min(2 * delay_ms, longest_ms)

    def _batch_writer(self) -> BatchWriter:
        if self._connected is not None and self._inode != self._inode_now():
            # Deleted or replaced under us: what we wrote would be gone with the last descriptor.
            raise sqlite3.OperationalError("the database file was removed or replaced")
        if self._connected is None:
            uri = f"{self._path.resolve().as_uri()}?mode=rw"  # never makes a new, empty file
            connection = sqlite3.connect(uri, uri=True, isolation_level=None)
            self._connected = connection, BatchWriter(connection, self._origin)
            configure(connection, self._busy_timeout_ms)
            self._inode = self._inode_now()
        return self._connected[1]

    def _inode_now(self) -> int | None:
        try:
            return os.stat(self._path).st_ino
        except FileNotFoundError:
            return None

    def _disconnect(self) -> None:
        if self._connected is not None:
            with suppress(sqlite3.Error):
                self._connected[0].close()
            self._connected = None

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *args)
