"""The tree of agents in SQL: who stands above an account, and who below, without reading it whole."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    ScalarSelect,
    Subquery,
    Table,
    Text,
    func,
    literal,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.authorization import Authorization
from sipguard.store.account import account
from sipguard.store.metadata import metadata

account_path = Table(
    "account_path",
    metadata,
    Column("account_key", ForeignKey("account.key"), primary_key=True),
    Column("path", Text, nullable=False),
    Column("id", Text, nullable=False),
)
"""The keys from the top to each open account: "3/17/420/". Kept by triggers; what is below begins alike."""


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


def below(account_key: int) -> Subquery:
    """A subquery of everything open below an account, without itself.

    Columns `key`, `id` and `depth`; depth 1 are the direct sub-accounts.
    """
    top = select(account_path.c.path).where(account_path.c.account_key == account_key).scalar_subquery()
    here = account_path
    return (
        select(
            here.c.account_key.label("key"), here.c.id, (_levels(here.c.path) - _levels(top)).label("depth")
        )
        .where(here.c.path > top, here.c.path < func.rtrim(top, "/").concat("0"))
        .subquery()
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
    """How many open accounts there are below one, at any depth; None: how many there are."""
    source = account_path if account_key is None else below(account_key)
    return await conn.scalar(select(func.count()).select_from(source)) or 0


async def count_direct(conn: AsyncConnection, account_key: int | None) -> int:
    """How many direct sub-accounts one has; None: how many top-level accounts there are."""
    query = select(func.count()).select_from(account).where(directly_below(account_key))
    return await conn.scalar(query) or 0


def directly_below(account_key: int | None) -> ColumnElement[bool]:
    """Whether an account is open and the agent's own; None: whether it is a top-level account."""
    above = account.c.agent_key.is_(None) if account_key is None else account.c.agent_key == account_key
    return above & account.c.closed_ms.is_(None)


async def depth(conn: AsyncConnection, account_key: int) -> int:
    """At which level an open account stands: 1 for a top-level account."""
    query = select(_levels(account_path.c.path)).where(account_path.c.account_key == account_key)
    return await conn.scalar(query) or 0


async def height(conn: AsyncConnection, account_key: int) -> int:
    """How many levels there are below an account; 0 for one without sub-accounts."""
    return await conn.scalar(select(func.max(below(account_key).c.depth))) or 0


def _levels(path: ColumnElement[str] | ScalarSelect[str]) -> ColumnElement[int]:
    return func.length(path) - func.length(func.replace(path, "/", ""))


_KEYS_MAX = 500
"""In one query: SQLite takes some thousand parameters."""

_DEPTH_MAX = 10_000
"""No tree of people is so deep; only a circle in a damaged file is."""
