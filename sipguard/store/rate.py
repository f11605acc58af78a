"""Rate tables and their rows. A row never changes: it is removed and stays, because call records name it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Integer, Select, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.rate import PLAIN_TERMS, Rate, RateTable, Rounding, Tier, Window
from sipguard.store.metadata import EVERY, Range, metadata, plainly

rate_table = Table(
    "rate_table",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("time_rounding", Text, nullable=False),
    Column("money_rounding", Text, nullable=False),
    Column("money_unit_micros", Integer, nullable=False),
    Column("time_zone", Text),
    Column("owner_key", ForeignKey("account.key")),
)

# Columns in the order of model.rate.Rate, its window spread out: see _rate and values.
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
    Column("grace_seconds", Integer, nullable=False),
    Column("minimum_seconds", Integer, nullable=False),
    Column("minimum_micros", Integer, nullable=False),
    Column("tiers", Text, nullable=False),
    Column("valid_from", Integer, nullable=False),
    Column("valid_till", Integer),
    Column("days", Integer, nullable=False),
    Column("from_minute", Integer, nullable=False),
    Column("till_minute", Integer, nullable=False),
    Column("removed_ms", Integer),
)

COLUMNS = tuple(column.name for column in rate.c if column.name not in ("key", "removed_ms"))
"""What `values` gives the values of."""

_CHUNK = 2_000  # rows made into values at a time: about 3 ms, for which nothing else is done


async def all_rate_tables(conn: AsyncConnection) -> list[RateTable]:
    return [_table(row) for row in await conn.execute(_TABLES.order_by(rate_table.c.id))]


async def table_by_id(conn: AsyncConnection, table_id: str) -> RateTable | None:
    row = (await conn.execute(_TABLES.where(rate_table.c.id == table_id))).one_or_none()
    return None if row is None else _table(row)


async def all_rates(conn: AsyncConnection) -> list[Rate]:
    """Every row that was not removed. The event loop gets its turn in between: there may be millions."""
    rates: list[Rate] = []
    async for some in _stream(conn, _PRESENT.order_by(rate.c.key)):
        rates += some
    return rates


async def rates_of(conn: AsyncConnection, table_key: int) -> AsyncIterator[list[Rate]]:
    """The rows of one table by prefix, some at a time."""
    query = _PRESENT.where(rate.c.table_key == table_key).order_by(rate.c.prefix, rate.c.key)
    async for some in _stream(conn, query):
        yield some


async def matching(conn: AsyncConnection, table_key: int, digits: str) -> list[Rate]:
    """The rows of one table whose prefix `digits` has, whenever they count."""
    prefixes = [digits[:length] for length in range(len(digits) + 1)]
    query = _PRESENT.where(rate.c.table_key == table_key, rate.c.prefix.in_(prefixes))
    return [_rate(row) for row in await conn.execute(query)]


def read_tables(conn: Connection, keys: Range = EVERY) -> list[RateTable]:
    """The tables with such keys."""
    return [_table(row) for row in conn.execute(_TABLES.where(rate_table.c.key.between(*keys)))]


def texts(conn: Connection, table_key: int | None = None) -> Iterator[str]:
    """Every row that was not removed, of one table or of all, as a text (model.packed)."""
    if table_key is None:
        rows = plainly(conn, f"SELECT {_TEXT} FROM rate WHERE removed_ms IS NULL")  # noqa: S608
    else:
        rows = plainly(
            conn,
            f"SELECT {_TEXT} FROM rate WHERE removed_ms IS NULL AND table_key = ?",  # noqa: S608
            table_key,
        )
    for (text,) in rows:
        yield text


def told(conn: Connection, keys: Range) -> Iterator[tuple[int, int, str | None]]:
    """The rows with such keys: key, key of the table, and the text; None for one that was removed."""
    sql = (
        f"SELECT key, table_key, iif(removed_ms IS NULL, {_TEXT}, NULL)"  # noqa: S608
        " FROM rate WHERE key BETWEEN ? AND ?"
    )
    yield from plainly(conn, sql, *keys)


def is_table_named(conn: Connection, key: int) -> bool:
    """Whether an account buys by this table, or a vendor charges by it."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM account WHERE rate_table_key = ?)"
        " OR EXISTS (SELECT 1 FROM routing_gateway WHERE cost_table_key = ?)"
    )
    (found,) = plainly(conn, sql, key, key).fetchone()
    return bool(found)


async def row_counts(conn: AsyncConnection) -> dict[int, int]:
    """How many rows each table has, by the table's key; tables without rows are left out."""
    query = select(rate.c.table_key, func.count()).where(rate.c.removed_ms.is_(None))
    return dict((await conn.execute(query.group_by(rate.c.table_key))).all())


def values(row: Rate) -> tuple[Any, ...]:
    """A row as the values of COLUMNS."""
    return (*row[1:11], format_tiers(row.tiers), *row.window)


def format_tiers(tiers: Iterable[Tier]) -> str:
    """As the database keeps them: seconds and micro-units per minute."""
    return " ".join(f"{after}:{micros}" for after, micros in tiers)


_TABLES: Select[Any] = select(*(column for column in rate_table.c if column.name != "owner_key"))
_PRESENT: Select[Any] = select(*(column for column in rate.c if column.name != "removed_ms")).where(
    rate.c.removed_ms.is_(None)
)


# As model.packed.rate writes them.
_SHAPE = " || '/' || ".join(
    [
        *("connect_fee_micros", "initial_seconds", "next_seconds", "grace_seconds"),
        *("minimum_seconds", "minimum_micros", "valid_from", "ifnull(valid_till, '')", "days"),
        *("from_minute", "till_minute", "tiers"),
    ]
)
_PLAIN = "(valid_from = 0 AND valid_till IS NULL AND days = 127 AND from_minute = 0 AND till_minute = 1440)"
_TEXT = " || '\t' || ".join(["key", "table_key", "prefix", _PLAIN, "rate_micros", _SHAPE, "destination"])


async def _stream(conn: AsyncConnection, query: Select[Any]) -> AsyncIterator[list[Rate]]:
    async with conn.stream(query, execution_options={"yield_per": _CHUNK}) as rows:
        async for some in rows.partitions():
            yield [_rate(row) for row in some]


def _table(row: Any) -> RateTable:
    key, id, currency, time_rounding, money_rounding, unit, zone = row
    return RateTable(key, id, currency, Rounding(time_rounding), Rounding(money_rounding), unit, zone)


def _rate(row: Any) -> Rate:
    return Rate._make((*row[:11], _tiers(row[11]), _window(*row[12:]), PLAIN_TERMS))


# Rows share few of these: one value for all that are alike saves memory and time.
@lru_cache(maxsize=1 << 12)
def _tiers(text: str) -> tuple[Tier, ...]:
    return tuple(Tier(*map(int, tier.split(":"))) for tier in text.split())


@lru_cache(maxsize=1 << 12)
def _window(*parts: Any) -> Window:
    return Window(*parts)
