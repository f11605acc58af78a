"""What an operator wants to hear of while it happens: counted, logged, and kept in a bounded feed."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

import structlog

log = structlog.get_logger()

KEPT = 10_000
"""Notices that whoever follows the feed may be behind: some megabytes, and hours of ordinary operation."""


class Notice(NamedTuple):
    """One event."""

    number: int
    """Growing by one from 1 at the start of the daemon; a gap: more was said than is kept."""
    at_ms: int
    """Unix milliseconds."""
    name: str
    """Stable: ``call.warning``, ``audit.difference``."""
    facts: dict[str, object]


class Notices:
    """The feed, one per proxy."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Since the start, by name."""
        self._kept: deque[Notice] = deque(maxlen=KEPT)
        self._number = 0

    def tell(self, name: str, at_ms: int, **facts: object) -> None:
        """Something happened."""
        self._number += 1
        self.counts[name] += 1
        self._kept.append(Notice(self._number, at_ms, name, facts))
        log.warning(name, **facts)

    def since(self, number: int, limit: int = 1000) -> list[Notice]:
        """Those after `number`, the oldest first, at most `limit`."""
        found = []
        for notice in reversed(self._kept):
            if notice.number <= number:
                break
            found.append(notice)
        return found[::-1][:limit]
