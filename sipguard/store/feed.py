"""The change feed: a growing revision, and a row in each transaction that changes configuration or money.

Whoever follows it (the proxy) reads what came after the revision it knows, and never misses a change: the row
is committed with the change itself. Triggers write the rows that name what has changed (migration 0026); what
programs record beside that is for people, but for the ledger's, whose entries are found by it.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Column, Connection, Integer, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.database import configure
from sipguard.store.metadata import insert_row, metadata

LEDGER = "ledger"
"""What the feed calls entries of the journal."""

change = Table(
    "change",
    metadata,
    Column("revision", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("noun", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("first", Integer),
    Column("last", Integer),
)


feed_pause = Table("feed_pause", metadata, Column("noun", Text, primary_key=True))
"""Has a row while a transaction changes so many rates that it names their tables itself."""


class Change(NamedTuple):
    """One change that was committed."""

    revision: int
    at_ms: int
    noun: str
    """What changed: "configuration", "ledger", "account", ..."""
    action: str
    """What was done to it: "load", "post", "insert", ..."""
    id: str
    """Which one; for the ledger the idempotency key of the entry."""
    first: int | None = None
    """Where a trigger wrote it: all rows of the noun from this key on are to be read again ..."""
    last: int | None = None
    """... up to this one."""


async def revision(conn: AsyncConnection) -> int:
    """The newest revision; 0 before the first change."""
    return await conn.run_sync(read_revision)


def read_revision(conn: Connection) -> int:
    """The same for a thread."""
    return conn.scalar(select(func.max(change.c.revision))) or 0


async def since(conn: AsyncConnection, revision: int) -> list[Change]:
    """The changes after `revision`, oldest first."""
    return await conn.run_sync(read_since, revision)


def read_since(conn: Connection, revision: int) -> list[Change]:
    """The same for a thread."""
    query = select(change).where(change.c.revision > revision).order_by(change.c.revision)
    return [Change._make(row) for row in conn.execute(query)]


class Newest:
    """Asks for the newest revision, many times a second, on a connection of one thread."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        configure(self._connection)

    def revision(self) -> int:
        """As `revision`; about 10 us. Raises sqlite3.Error."""
        (found,) = self._connection.execute(_NEWEST).fetchone()
        return int(found or 0)

    def close(self) -> None:
        self._connection.close()


_NEWEST = "SELECT max(revision) FROM change"


async def record(conn: AsyncConnection, noun: str, action: str, id: str) -> int:
    """Note a change, in the transaction that makes it; its revision."""
    at_ms = time.time_ns() // 1_000_000
    return await insert_row(conn, change, at_ms=at_ms, noun=noun, action=action, id=id)
