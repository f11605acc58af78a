"""Whose figures of the last minutes stand out: found in SQL, so that quiet accounts cost nothing."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store import series
from sipguard.store.series import HOUR, MINUTE

FOUND_MOST = 500
"""Keys that one question finds, those that stand out most first."""


class Answers(NamedTuple):
    """How calls of one key went."""

    scope: str
    """"all", "agent" (an account and those below it) or "routing_gateway"."""
    key: str
    answered: int
    seizures: int
    """Calls that were sent to gateways."""


async def busiest(conn: AsyncConnection, from_at: int, till_at: int, least: float) -> dict[str, int]:
    """Attempts of accounts, those below them included, that ended in whole minutes of [from_at, till_at)."""
    return await _by_key(conn, _BUSIEST, from_at, till_at, least)


async def spenders(conn: AsyncConnection, from_at: int, till_at: int, least: float) -> dict[str, int]:
    """Micro-units that accounts paid for calls, of themselves and of those below them."""
    return await _by_key(conn, _SPENDERS, from_at, till_at, least)


async def answers(conn: AsyncConnection, from_at: int, till_at: int, least: float) -> list[Answers]:
    """How calls went, of everything, accounts and routing gateways with at least so many seizures."""
    given = _given(from_at, till_at, least)
    return [Answers(*row) for row in await conn.execute(_ANSWERS, given)]


async def growth(conn: AsyncConnection, from_at: int) -> dict[str, int]:
    """How many accounts came below each account since an hour began, where that has changed. What was there
    before anything was noted has not come."""
    given = {"first": from_at - from_at % HOUR}
    return {str(row[0]): int(row[1]) for row in await conn.execute(_GROWTH, given)}


async def oldest_minute(conn: AsyncConnection) -> int | None:
    """Unix seconds of the first minute that there are figures of."""
    return await series.oldest(conn, MINUTE)


async def _by_key(
    conn: AsyncConnection, query: TextClause, from_at: int, till_at: int, least: float
) -> dict[str, int]:
    given = _given(from_at, till_at, least)
    return {str(row[0]): int(row[1]) for row in await conn.execute(query, given)}


def _given(from_at: int, till_at: int, least: float) -> dict[str, float]:
    first = from_at - from_at % MINUTE
    return {"step": MINUTE, "first": first, "till": till_at, "least": least, "most": FOUND_MOST}


_MOMENTS = """
WITH RECURSIVE moment (at) AS (
    SELECT :first WHERE :first < :till UNION ALL SELECT at + :step FROM moment WHERE at + :step < :till)
"""
_OF_ACCOUNTS = """
FROM moment CROSS JOIN series s ON s.step = :step AND s.at = moment.at AND s.scope IN ('account', 'below')
GROUP BY s.key HAVING total >= :least ORDER BY total DESC LIMIT :most
"""
_BUSIEST = text(
    _MOMENTS + "SELECT s.key, sum(s.answered + s.refused + s.failed + s.cancelled) AS total" + _OF_ACCOUNTS
)
_SPENDERS = text(_MOMENTS + "SELECT s.key, sum(s.charge_micros) AS total" + _OF_ACCOUNTS)
_ANSWERS = text(
    _MOMENTS
    + """
SELECT iif(s.scope IN ('account', 'below'), 'agent', s.scope) AS told, s.key, sum(s.answered),
    sum(s.answered + s.failed + s.cancelled) AS total
FROM moment CROSS JOIN series s ON s.step = :step AND s.at = moment.at
    AND s.scope IN ('all', 'account', 'below', 'routing_gateway')
GROUP BY told, s.key HAVING total >= :least ORDER BY total DESC LIMIT :most
"""
)
_GROWTH = text(
    """
WITH changed AS (
    SELECT key, min(at) AS first, max(at) AS last FROM series INDEXED BY series_growth
    WHERE step = 3600 AND sub_accounts IS NOT NULL AND at >= :first GROUP BY key)
SELECT c.key, newest.sub_accounts - coalesce(
    (SELECT b.sub_accounts FROM series b INDEXED BY series_growth
        WHERE b.step = 3600 AND b.sub_accounts IS NOT NULL AND b.key = c.key
        AND b.at < :first ORDER BY b.at DESC LIMIT 1), oldest.sub_accounts)
FROM changed c
JOIN series newest INDEXED BY series_growth
    ON newest.step = 3600 AND newest.sub_accounts IS NOT NULL AND newest.key = c.key
    AND newest.at = c.last
JOIN series oldest INDEXED BY series_growth
    ON oldest.step = 3600 AND oldest.sub_accounts IS NOT NULL AND oldest.key = c.key
    AND oldest.at = c.first
"""
)
