"""The change feed: a growing revision, one row in each transaction that changes configuration or money.

Whoever follows it (the proxy) reads what came after the revision it knows, and never misses a change:
the row is committed with the change itself.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import Column, Integer, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import insert_row, metadata

LEDGER = "ledger"
"""What the feed calls entries of the journal."""
NOT_JUDGED_BY = frozenset(
    {LEDGER, "call", "payment", "payment_request", "card", "card_batch", "number_range"}
)
"""Changes that no call is judged by: the directory stays as it is."""

change = Table(
    "change",
    metadata,
    Column("revision", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("noun", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("id", Text, nullable=False),
)


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


async def revision(conn: AsyncConnection) -> int:
    """The newest revision; 0 before the first change."""
    return await conn.scalar(select(func.max(change.c.revision))) or 0


async def since(conn: AsyncConnection, revision: int) -> list[Change]:
    """The changes after `revision`, oldest first."""
    query = select(change).where(change.c.revision > revision).order_by(change.c.revision)
    return [Change._make(row) for row in await conn.execute(query)]


async def record(conn: AsyncConnection, noun: str, action: str, id: str) -> int:
    """Note a change, in the transaction that makes it; its revision."""
    at_ms = time.time_ns() // 1_000_000
    return await insert_row(conn, change, at_ms=at_ms, noun=noun, action=action, id=id)
