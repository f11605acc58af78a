"""Requests that the engine refused before policy was asked: malformed, looping, of no dialog or method.

They have no call record, because whoever can send a packet could fill the disk with them. They are summed up
instead: a row for each source, method and status in each minute, and only so many rows in all.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Column, Integer, Table, Text, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import metadata

KEPT = 100_000
"""Rows; about 10 MB. The oldest go first."""

OTHERS = "others"
"""Stands for the sources of those that were only counted."""

refusal = Table(
    "refusal",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("source_host", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("sip_call_id", Text, nullable=False),
)


class Refusals(msgspec.Struct, frozen=True):
    """Requests of one kind."""

    at_ms: int
    """Unix milliseconds at the end of the time that they came in."""
    source_host: str
    """Where they came from; "others" for those beyond what is told apart."""
    method: str
    status: int
    """SIP status that they got; 0 for "others"."""
    count: int
    sip_call_id: str
    """Of the first of them; empty where it had none."""


async def add(conn: AsyncConnection, told: Sequence[Refusals], kept: int = KEPT) -> None:
    """Add rows, and forget the oldest beyond `kept`."""
    await conn.execute(insert(refusal), [msgspec.structs.asdict(row) for row in told])
    newest = select(func.max(refusal.c.key)).scalar_subquery()
    await conn.execute(delete(refusal).where(refusal.c.key <= newest - kept))


async def newest(conn: AsyncConnection, *, limit: int) -> list[Refusals]:
    """The newest rows, newest first."""
    query = select(*refusal.c[1:]).order_by(refusal.c.key.desc()).limit(limit)
    return [Refusals(*row) for row in await conn.execute(query)]
