"""Records that the writer could not write as they were: kept word for word, because they may be money."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import metadata

rejected_record = Table(
    "rejected_record",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("at_ms", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("content", Text, nullable=False),
)


async def count(conn: AsyncConnection) -> int:
    """How many wait for a human; anything but 0 is a bug or a damaged file."""
    return int(await conn.scalar(select(func.count()).select_from(rejected_record)) or 0)
