"""Records from their hand-over until the database has them: those that are not durable, and the groups that
the log has and the database lacks, in their order.

Shared by the loop, the thread that minds the log and the one that applies; every method may be called on any.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from sipguard.store.batch import Record
from sipguard.store.redo.appender import Appender


@dataclass(frozen=True, slots=True)
class Group:
    """Records that became durable together."""

    sequence: int
    records: Sequence[Record]
    size: int
    """Bytes in the log."""


class Unapplied:
    """The queue between those who have records written and the database."""

    def __init__(self, appender: Appender) -> None:
        """`appender` says what has become durable."""
        self._appender = appender
        self._submitted: deque[Record] = deque()
        self._groups: deque[Group] = deque()
        self._records = 0
        self._sequence = 0
        self._hurried = False
        self._closed = False
        self._lock = Lock()

    def submit(self, records: Sequence[Record]) -> None:
        """These are about to be made durable, in this order."""
        self._submitted.extend(records)

    def submitted(self, count: int) -> list[Record]:
        """The oldest that are not durable. While nobody makes them so."""
        with self._lock:
            self._collect()
            return [self._submitted[at] for at in range(count)]

    def groups(self) -> list[Group]:
        """All that are durable, the oldest first."""
        with self._lock:
            self._collect()
            return list(self._groups)

    @property
    def end(self) -> int | None:
        """How far the engine's thread has come in the present segment; None: it has none yet."""
        return self._appender.end() or None

    def hurry(self) -> None:
        """Somebody waits: what is there is to be applied at once."""
        self._hurried = True
        self._appender.interrupt()

    def close(self) -> None:
        """Nothing is waited for any longer."""
        self._closed = True
        self._appender.interrupt()

    def wait(self, not_before: float, limit: int) -> list[Group]:
        """The oldest groups, of about `limit` records, once it is worth a transaction.

        That is when there is any, and either `not_before` (of time.monotonic) has come, or there are `limit`
        records, or somebody hurries. Empty once closed.
        """
        while not self._closed:
            with self._lock:
                self._collect()
                left = not_before - monotonic()
                if self._groups and (left <= 0 or self._hurried or self._records >= limit):
                    return self._first(limit)
                # Woken by the first record, or by the last of enough: not by every one between.
                after = self._sequence
                enough, seconds = (limit - self._records, left) if self._groups else (1, None)
            self._appender.wait(after, enough, seconds)
        return []

    def drop(self, groups: Sequence[Group]) -> None:
        """The first groups are in the database."""
        with self._lock:
            for group in groups:
                self._groups.popleft()
                self._records -= len(group.records)
            if not self._groups:
                self._hurried = False
        self._appender.applied(groups[-1].sequence)

    def _collect(self) -> None:
        """Take over what has become durable since."""
        for sequence, count, size in self._appender.groups(self._sequence):
            records = [self._submitted.popleft() for _ in range(count)]
            self._groups.append(Group(sequence, records, size))
            self._records += count
            self._sequence = sequence

    def _first(self, limit: int) -> list[Group]:
        taken: list[Group] = []
        records = 0
        for group in self._groups:
            if taken and records + len(group.records) > limit:
                break
            taken.append(group)
            records += len(group.records)
        return taken
