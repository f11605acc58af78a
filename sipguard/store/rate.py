"""Rate tables and their rows."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.rate import Rate, RateTable
from sipguard.store.metadata import metadata

rate_table = Table(
    "rate_table",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("currency", Text, nullable=False),
)

# Columns in the order of model.rate.Rate, so that a row is a Rate without naming its parts again.
rate = Table(
    "rate",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("table_key", ForeignKey("rate_table.key"), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("connect_fee_micros", Integer, nullable=False),
    Column("initial_seconds", Integer, nullable=False),
    Column("next_seconds", Integer, nullable=False),
    Column("rate_micros", Integer, nullable=False),
)


async def all_rate_tables(conn: AsyncConnection) -> list[RateTable]:
    return [RateTable._make(row) for row in await conn.execute(select(rate_table))]


async def all_rates(conn: AsyncConnection) -> list[Rate]:
    return [Rate._make(row) for row in await conn.execute(select(rate))]
