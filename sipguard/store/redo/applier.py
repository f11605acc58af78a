"""The thread that brings what the log holds into the database, many records in one transaction.

A record that comes alone is applied at once. Under load the transactions become few and large: after each,
the next waits for a multiple of the time that it took.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import monotonic
from typing import NamedTuple

import structlog

from sipguard.store.batch import BatchWriter, Outcome
from sipguard.store.database import configure
from sipguard.store.redo.log import RedoLog
from sipguard.store.redo.position import ForeignLogError, Move
from sipguard.store.redo.unapplied import Group, Unapplied

log = structlog.get_logger()

PAUSE_FACTOR = 20
"""Times the length of a transaction until the next: a call that ends soon after its answer is in the database
within a tenth of a second, and under load the pause soon comes to its limit. At 500 calls a second 8 made six
times as many transactions and cost 14 us more of CPU per call."""

PAUSE_SECONDS_MAX = 0.5
"""Nobody who looks into the database under load sees anything older than this and one transaction."""


class Pace(NamedTuple):
    """How the database is written to."""

    records: int = 2_000
    """In one transaction, about."""
    busy_timeout_ms: int = 1_000
    """How long the write lock of another process is waited for before that counts as a failure."""
    retry_ms: tuple[int, int] = (50, 1_000)
    """First and longest wait after a failure."""


class Applier:
    """`run` is the thread's, and calls the callbacks there. `on_failed` is told whether the database is gone,
    rather than busy, full or read-only: removed, or replaced by one that the log does not belong to."""

    def __init__(
        self,
        database: Path,
        redo: RedoLog,
        log_id: bytes,
        origin: str,
        unapplied: Unapplied,
        pace: Pace,
        *,
        on_applied: Callable[[Sequence[Group], Outcome], None],
        on_failed: Callable[[bool], None],
    ) -> None:
        self._database = database
        self._redo = redo
        self._log_id = log_id
        self._origin = origin
        self._unapplied = unapplied
        self._pace = pace
        self._on_applied = on_applied
        self._on_failed = on_failed
        self._abandon = Event()
        self._sequence = 0
        self._connected: tuple[sqlite3.Connection, BatchWriter] | None = None
        self._inode: int | None = None

    def run(self) -> None:
        """Apply until `stop`."""
        not_before = 0.0
        while groups := self._unapplied.wait(not_before, self._pace.records):
            began = monotonic()
            if not self.step(groups):
                break
            now = monotonic()
            not_before = now + min(PAUSE_FACTOR * (now - began), PAUSE_SECONDS_MAX)
            self._redo.prepare(self._unapplied.end)
        self._disconnect()

    def step(self, groups: Sequence[Group]) -> bool:
        """Apply `groups`, the first that are not applied, in one transaction. False once stopped."""
        outcome = self._apply(groups)
        if outcome is None:
            return False
        self._sequence = groups[-1].sequence
        self._unapplied.drop(groups)
        self._on_applied(groups, outcome)
        self._redo.applied(self._sequence)
        return True

    def stop(self) -> None:
        """Apply nothing further; what is left is applied at the next start."""
        self._abandon.set()
        self._unapplied.close()

    def _apply(self, groups: Sequence[Group]) -> Outcome | None:
        """Commit, however often it has to be tried; None once nobody waits any longer."""
        records = [record for group in groups for record in group.records]
        move = Move(self._log_id, self._sequence, groups[-1].sequence)
        delay_ms, longest_ms = self._pace.retry_ms
        failed = False
        while True:
            try:
                outcome = self._batch_writer().write(records, move)
            except Exception as error:
                # A new connection for the next try: after an I/O error the old one may hold pages that
                # never reached the disk. Whether the commit got through shows then by the position.
                self._disconnect()
                log.warning(
                    "store.write_failed", path=str(self._database), records=len(records), error=str(error)
                )
                self._on_failed(isinstance(error, ForeignLogError) or self._inode_now() is None)
                failed = True
            else:
                if failed:
                    log.info("store.back", path=str(self._database), records=len(records))
                return outcome
            if self._abandon.wait(delay_ms / 1_000):
                return None
            delay_ms = min(2 * delay_ms, longest_ms)

    def _batch_writer(self) -> BatchWriter:
        if self._connected is not None and self._inode != self._inode_now():
            # Deleted or replaced under us: what we wrote would be gone with the last descriptor.
            raise sqlite3.OperationalError("the database file was removed or replaced")
        if self._connected is None:
            uri = f"{self._database.resolve().as_uri()}?mode=rw"  # never makes a new, empty file
            connection = sqlite3.connect(uri, uri=True, isolation_level=None)
            self._connected = connection, BatchWriter(connection, self._origin)
            configure(connection, self._pace.busy_timeout_ms)
            self._inode = self._inode_now()
        return self._connected[1]

    def _inode_now(self) -> int | None:
        try:
            return os.stat(self._database).st_ino
        except FileNotFoundError:
            return None

    def _disconnect(self) -> None:
        if self._connected is not None:
            with suppress(sqlite3.Error):
                self._connected[0].close()
            self._connected = None
