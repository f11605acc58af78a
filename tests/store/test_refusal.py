"""What the engine refused by itself: kept by the minute, and only so much of it."""

from __future__ import annotations

from pathlib import Path

from sipguard.store import refusal
from sipguard.store.refusal import Refusals
from tests.store import books


def told(at_ms: int, source: str = "192.0.2.1") -> Refusals:
    return Refusals(at_ms, source, "INVITE", 483, 7, "a@b")


def test_the_newest_come_first_and_the_oldest_go(path: Path) -> None:
    books.write(path, lambda conn: refusal.add(conn, [told(1), told(2)], 3))
    books.write(path, lambda conn: refusal.add(conn, [told(3, "::1"), told(4)], 3))
    rows = books.read(path, lambda conn: refusal.newest(conn, limit=9))
    assert rows == [told(4), told(3, "::1"), told(2)]
    assert books.read(path, lambda conn: refusal.newest(conn, limit=1)) == [told(4)]
