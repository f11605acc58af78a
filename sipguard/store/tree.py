"""The tree of agents in SQL: who stands above an account, and who below, without reading it whole."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from sqlalchemy import CTE, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.authorization import Authorization
from sipguard.store.account import account


class Level(NamedTuple):
    """One account of a chain."""

    key: int
    id: str
    granted: Authorization


async def chain(conn: AsyncConnection, account_key: int) -> list[Level]:
    """The account and all agents above it, itself first, a top-level account last.

    Empty where there is no such account. UNION, not UNION ALL: a circle in a damaged file ends, too.
    """
    above = select(account.c.key, account.c.agent_key, literal(0).label("step")).where(
        account.c.key == account_key
    )
    walk = above.cte("chain", recursive=True)
    walk = walk.union(
        select(account.c.key, account.c.agent_key, walk.c.step + 1)
        .join(walk, account.c.key == walk.c.agent_key)
        .where(walk.c.step < _DEPTH_MAX)
    )
    query = (
        select(account.c.key, account.c.id, account.c.granted)
        .join(walk, account.c.key == walk.c.key)
        .order_by(walk.c.step)
    )
    return [Level(key, id, Authorization(granted)) for key, id, granted in await conn.execute(query)]


def below(account_key: int) -> CTE:
    """A common table expression with the keys and depths of everything below an account, without itself.

    Columns `key` and `depth`; depth 1 are the direct sub-accounts. Closed accounts are not there.
    """
    is_open = account.c.closed_ms.is_(None)
    direct = select(account.c.key, literal(1).label("depth")).where(
        account.c.agent_key == account_key, is_open
    )
    walk = direct.cte("below", recursive=True)
    return walk.union_all(
        select(account.c.key, walk.c.depth + 1)
        .join(walk, account.c.agent_key == walk.c.key)
        .where(is_open, walk.c.depth < _DEPTH_MAX)
    )


async def at_or_below(conn: AsyncConnection, account_key: int, keys: Set[int]) -> set[int]:
    """Those of `keys` that are the account itself or below it, by walking up from each."""
    found: set[int] = set()
    left = sorted(keys)
    while left:
        some, left = left[:_KEYS_MAX], left[_KEYS_MAX:]
        start = select(account.c.key.label("origin"), account.c.key, account.c.agent_key)
        walk = start.where(account.c.key.in_(some)).cte("upwards", recursive=True)
        up = select(walk.c.origin, account.c.key, account.c.agent_key)
        walk = walk.union(up.join(walk, account.c.key == walk.c.agent_key))
        found.update(await conn.scalars(select(walk.c.origin).where(walk.c.key == account_key)))
    return found


async def count_below(conn: AsyncConnection, account_key: int | None) -> int:
    """How many accounts there are below one, at any depth; None: how many there are."""
    query = select(func.count())
    if account_key is None:
        query = query.select_from(account).where(account.c.closed_ms.is_(None))
    else:
        query = query.select_from(below(account_key))
    return await conn.scalar(query) or 0


async def count_direct(conn: AsyncConnection, account_key: int | None) -> int:
    """How many direct sub-accounts one has; None: how many top-level accounts there are."""
    above = account.c.agent_key.is_(None) if account_key is None else account.c.agent_key == account_key
    query = select(func.count()).select_from(account).where(above, account.c.closed_ms.is_(None))
    return await conn.scalar(query) or 0


async def height(conn: AsyncConnection, account_key: int) -> int:
    """How many levels there are below an account; 0 for one without sub-accounts."""
    return await conn.scalar(select(func.max(below(account_key).c.depth))) or 0


_KEYS_MAX = 500
"""In one query: SQLite takes some thousand parameters."""

_DEPTH_MAX = 10_000
"""No tree of people is so deep; only a circle in a damaged file is."""
