"""Starts of the proxy: each takes an epoch, which makes its call ids unlike those of every other start."""

from __future__ import annotations

import time

from sqlalchemy import Column, Integer, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import insert_row, metadata

instance = Table(
    "instance",
    metadata,
    Column("epoch", Integer, primary_key=True),
    Column("started_ms", Integer, nullable=False),
)


async def next_epoch(conn: AsyncConnection) -> int:
    """Take the next epoch; at least 1, never one that was taken before."""
    started_ms = time.time_ns() // 1_000_000
    return await insert_row(conn, instance, started_ms=started_ms)
