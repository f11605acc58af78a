"""Number sections: which numbers an account and everything below it may call, or call from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Column, Connection, ForeignKey, Integer, Table, Text, delete, select
from sqlalchemy.dialects.sqlite import insert as insert_or
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.section import Action, Direction, Section
from sipguard.store.destination_set import destination_prefix
from sipguard.store.metadata import EVERY, Range, metadata, plainly

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


async def all_sections(conn: AsyncConnection, account_keys: Iterable[int] | None = None) -> list[Section]:
    """Of all accounts, or of these."""
    query = select(section)
    if account_keys is not None:
        query = query.where(section.c.account_key.in_(list(account_keys)))
    return [
        Section(row.key, row.account_key, Direction(row.direction), Action(row.action), row.prefix)
        for row in await conn.execute(query)
    ]


async def expand(conn: AsyncConnection, account_keys: Iterable[int], directions: Iterable[Direction]) -> None:
    """Make the rows of all sets that accounts name anew; a prefix that is a rule itself is not repeated."""
    keys, words = list(account_keys), [direction.value for direction in directions]
    for some in (keys[start : start + 500] for start in range(0, len(keys), 500)):
        here = section.c.account_key.in_(some) & section.c.direction.in_(words)
        await conn.execute(delete(section).where(here, section.c.set_key.is_not(None)))
        rows = (
            select(
                section_set.c.account_key,
                section_set.c.direction,
                section_set.c.action,
                destination_prefix.c.prefix,
                section_set.c.set_key,
            )
            .join(destination_prefix, destination_prefix.c.set_key == section_set.c.set_key)
            .where(section_set.c.account_key.in_(some), section_set.c.direction.in_(words))
            .order_by(section_set.c.account_key)
        )
        columns = ["account_key", "direction", "action", "prefix", "set_key"]
        await conn.execute(insert_or(section).from_select(columns, rows).on_conflict_do_nothing())


def texts(conn: Connection, accounts: Range = EVERY) -> Iterator[str]:
    """Every section of the accounts with such keys as a text (model.packed)."""
    for (text,) in plainly(conn, _TEXTS, *accounts):
        yield text


# As model.packed.section writes them.
_TEXTS = """
SELECT key || '\t' || (account_key * 2 + (direction = 'calling')) || '\t' || prefix || '\t1\t'
    || (action = 'allow') || '\t\t'
FROM section WHERE account_key BETWEEN ? AND ?
"""
