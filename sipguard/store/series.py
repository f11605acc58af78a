"""Figures by the minute and by the hour, as they are kept: one row for each key that had something to tell.

A call counts in the minute in which it ended, so a minute that is over changes no more. Rows lie by time:
one series is read by looking each of its moments up, which is a few milliseconds for a thousand of them.
What fills the table is series_step.py.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

import msgspec
from sqlalchemy import Column, Integer, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.money import Micros
from sipguard.store.metadata import metadata

MINUTE, HOUR = 60, 3600
"""The steps that are kept, in seconds."""

SLICE = 25
"""Rows of many keys that are taken in one go: there may be thousands, and calls are waiting."""

series = Table(
    "series",
    metadata,
    Column("step", Integer, primary_key=True),
    Column("at", Integer, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("answered", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("pdd_ms", Integer, nullable=False),
    Column("pdd_calls", Integer, nullable=False),
    Column("charge_micros", Integer, nullable=False),
    Column("cost_micros", Integer, nullable=False),
    Column("balance_micros", Integer),
    Column("sub_accounts", Integer),
)

series_position = Table(
    "series_position",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("grown", Integer, nullable=False),
)


class Scope(StrEnum):
    """What rows are of. What is asked for as an agent is the sum of `ACCOUNT` and `BELOW`."""

    ALL = "all"
    """Everything; its key is empty."""
    ACCOUNT = "account"
    """Calls of the account itself; the charge is what it paid for them."""
    BELOW = "below"
    """Calls of everything below an account; the charge is what the account itself paid for them."""
    MAPPING_GATEWAY = "mapping_gateway"
    ROUTING_GATEWAY = "routing_gateway"
    """Every try counts, so that a gateway whose calls go on to another one is seen to fail."""
    DESTINATION = "destination"
    """By the front of the called number (policy.destination)."""


class Row(msgspec.Struct, frozen=True):
    """One row, without its key."""

    at: int
    """Unix seconds at which the step begins."""
    currency: str
    """Of the amounts; empty where no account was found that would pay."""
    answered: int
    refused: int
    """By sipguard; such calls have asked no gateway."""
    failed: int
    cancelled: int
    duration_ms: int
    """Of the answered calls together."""
    pdd_ms: int
    """From INVITE to ringing, of the calls of `pdd_calls` together."""
    pdd_calls: int
    charge_micros: Micros
    """Of an account what it paid itself; of everything else what the top-level accounts paid. With tax."""
    cost_micros: Micros
    """What vendors charge."""
    balance_micros: Micros | None
    """Of the account, the last one in this step; None: it did not change."""
    sub_accounts: int | None
    """Accounts below the account; None: as before."""


async def rows(
    conn: AsyncConnection, step: int, scopes: tuple[Scope, ...], key: str, from_at: int, till_at: int
) -> list[Row]:
    """Rows of one key in any of `scopes` with from_at <= at < till_at, both multiples of `step`; by time."""
    found: list[Row] = []
    for scope in scopes:
        given = {"step": step, "scope": scope.value, "key": key, "first": from_at, "till": till_at}
        found += [Row(*row) for row in await conn.execute(_ROWS, given)]
    return sorted(found, key=lambda row: row.at)


async def by_key(
    conn: AsyncConnection, step: int, scope: Scope, from_at: int, till_at: int
) -> list[tuple[str, Row]]:
    """Every key of a scope with its rows of from_at <= at < till_at added up, by currency, at `from_at`."""
    given = {"step": step, "scope": scope.value, "first": from_at, "till": till_at}
    found: list[tuple[str, Row]] = []
    for number, (key, *row) in enumerate(await conn.execute(_BY_KEY, given), 1):
        found.append((key, Row(from_at, *row)))
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return found


async def oldest(conn: AsyncConnection, step: int) -> int | None:
    """Unix seconds of the first row of a step; None where there is none."""
    at: int | None = await conn.scalar(_OLDEST, {"step": step})
    return at


async def balance_before(conn: AsyncConnection, account_id: str, at: int) -> Micros | None:
    """The last balance that is known from an hour that began before `at`."""
    found: Micros | None = await conn.scalar(_BALANCE_BEFORE, {"key": account_id, "at": at})
    return found


async def sub_accounts_before(conn: AsyncConnection, account_id: str, at: int) -> int | None:
    """The last number of accounts below, from an hour that began before `at`."""
    found: int | None = await conn.scalar(_SUB_ACCOUNTS_BEFORE, {"key": account_id, "at": at})
    return found


_MOMENTS = """
WITH RECURSIVE moment (at) AS (
    SELECT :first WHERE :first < :till UNION ALL SELECT at + :step FROM moment WHERE at + :step < :till)
"""
_ROWS = text(
    _MOMENTS
    + """
SELECT s.at, s.currency, s.answered, s.refused, s.failed, s.cancelled, s.duration_ms, s.pdd_ms, s.pdd_calls,
    s.charge_micros, s.cost_micros, s.balance_micros, s.sub_accounts
FROM moment CROSS JOIN series s ON s.step = :step AND s.at = moment.at AND s.scope = :scope AND s.key = :key
"""
)
_BY_KEY = text(
    _MOMENTS
    + """
SELECT s.key, s.currency, sum(s.answered), sum(s.refused), sum(s.failed), sum(s.cancelled),
    sum(s.duration_ms), sum(s.pdd_ms), sum(s.pdd_calls), sum(s.charge_micros), sum(s.cost_micros), NULL, NULL
FROM moment CROSS JOIN series s ON s.step = :step AND s.at = moment.at AND s.scope = :scope
GROUP BY s.key, s.currency
"""
)
_OLDEST = text("SELECT at FROM series WHERE step = :step ORDER BY at LIMIT 1")
_BALANCE_BEFORE = text(
    "SELECT balance_micros FROM series INDEXED BY series_balance"
    " WHERE step = 3600 AND balance_micros IS NOT NULL"
    " AND key = :key AND at < :at ORDER BY at DESC LIMIT 1"
)
_SUB_ACCOUNTS_BEFORE = text(
    "SELECT sub_accounts FROM series INDEXED BY series_growth"
    " WHERE step = 3600 AND sub_accounts IS NOT NULL"
    " AND key = :key AND at < :at ORDER BY at DESC LIMIT 1"
)
