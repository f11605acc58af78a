"""Groups that are durable in the log and not in the database yet, in their order.

Shared by the thread that appends and the thread that applies; every method may be called on any.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition
from time import monotonic

from sipguard.store.batch import Record


@dataclass(frozen=True, slots=True)
class Group:
    """Records that became durable together."""

    sequence: int
    records: Sequence[Record]
    size: int
    """Bytes in the log."""


class Unapplied:
    """The queue between the log and the database."""

    def __init__(self) -> None:
        self._groups: deque[Group] = deque()
        self._records = 0
        self._enough = 1
        self._hurried = False
        self._closed = False
        self._changed = Condition()

    def add(self, group: Group) -> None:
        """A group is durable."""
        with self._changed:
            self._groups.append(group)
            self._records += len(group.records)
            if self._records >= self._enough:
                self._changed.notify()

    def groups(self) -> list[Group]:
        """All, the oldest first."""
        with self._changed:
            return list(self._groups)

    def hurry(self) -> None:
        """Somebody waits: what is there is to be applied at once."""
        with self._changed:
            self._hurried = True
            self._changed.notify()

    def close(self) -> None:
        """Nothing is waited for any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def wait(self, not_before: float, limit: int) -> list[Group]:
        """The oldest groups, of about `limit` records, once it is worth a transaction.

        That is when there is any, and either `not_before` (of time.monotonic) has come, or there are `limit`
        records, or somebody hurries. Empty once closed.
        """
        with self._changed:
            while not self._closed:
                # Woken by the first record, or by the last of enough: not by every one between.
                self._enough = limit if self._groups else 1
                if not self._groups:
                    self._changed.wait()
                    continue
                left = not_before - monotonic()
                if left <= 0 or self._hurried or self._records >= limit:
                    return self._first(limit)
                self._changed.wait(left)
            return []

    def drop(self, groups: Sequence[Group]) -> None:
        """The first groups are in the database."""
        with self._changed:
            for group in groups:
                self._groups.popleft()
                self._records -= len(group.records)
            if not self._groups:
                self._hurried = False

    def _first(self, limit: int) -> list[Group]:
        taken: list[Group] = []
        records = 0
        for group in self._groups:
            if taken and records + len(group.records) > limit:
                break
            taken.append(group)
            records += len(group.records)
        return taken
