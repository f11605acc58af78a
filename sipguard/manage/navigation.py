"""The tree of agents as people walk it: one level at a time, small rows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from sipguard.manage import page
from sipguard.manage.desk import View
from sipguard.manage.page import Page
from sipguard.store import tree
from sipguard.store.account import account

COUNT_MAX = 1_000
"""A level of the tree is shown in one go: agents with more are not counted to the end for it."""


@dataclass(frozen=True, slots=True)
class Node:
    """An account where it stands in the tree."""

    id: str
    name: str
    locked: bool
    direct_count: int
    """Direct sub-accounts, counted up to COUNT_MAX; it is an agent while there are any."""
    has_children: bool


async def below(
    view: View, agent_id: str | None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[Node]:
    """The first level below an agent, by id; None: below the login's own account, or the top level.

    Raises NotFoundError, InvalidError for a cursor that is none.
    """
    above = await view.top_key(agent_id)
    sub = account.alias("sub")
    some = select(sub.c.key).where(sub.c.agent_key == account.c.key, sub.c.closed_ms.is_(None))
    direct = select(func.count()).select_from(some.correlate(account).limit(COUNT_MAX).subquery())
    query = select(account.c.id, account.c.name, account.c.locked, direct.scalar_subquery().label("direct"))
    query = query.where(tree.directly_below(above))
    rows, further = await page.read(view.conn, query, account.c.id, after, limit)
    nodes = [Node(row.id, row.name, row.locked, row.direct, has_children=row.direct > 0) for row in rows]
    return Page(nodes, further)


async def path(view: View, account_id: str) -> list[str]:
    """Ids from the top of the actor's scope down to an account, itself last. Raises NotFoundError."""
    levels = await tree.chain(view.conn, await view.account_key(account_id))
    ids = []
    for level in levels:
        ids.append(level.id)
        if level.key == view.actor.account_key:
            break
    return ids[::-1]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many accounts stand below an agent."""

    direct: int
    """The first level."""
    all: int
    """The whole subtree."""


async def counts(view: View, agent_id: str | None) -> Counts:
    """Below an agent; None: below the login's own account, or in all. Raises NotFoundError."""
    above = await view.top_key(agent_id)
    return Counts(await tree.count_direct(view.conn, above), await tree.count_below(view.conn, above))
