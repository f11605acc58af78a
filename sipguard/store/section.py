"""Number sections: which numbers an account and everything below it may call, or call from."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.section import Action, Direction, Section
from sipguard.store.metadata import metadata

section = Table(
    "section",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("account_key", ForeignKey("account.key"), nullable=False),
    Column("direction", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("set_key", ForeignKey("destination_set.key")),
)
"""What is judged by. A row with a set stands for a prefix of that set and is made anew when that changes."""

section_set = Table(
    "section_set",
    metadata,
    Column("account_key", ForeignKey("account.key"), primary_key=True),
    Column("direction", Text, primary_key=True),
    Column("action", Text, primary_key=True),
    Column("set_key", ForeignKey("destination_set.key"), primary_key=True),
)
"""Which destination sets the sections of an account name."""


async def all_sections(conn: AsyncConnection) -> list[Section]:
    return [
        Section(row.key, row.account_key, Direction(row.direction), Action(row.action), row.prefix)
        for row in await conn.execute(select(section))
    ]
