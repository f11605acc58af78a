"""The tree of agents as people walk it: one level at a time, small rows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from sipguard.manage import page
from sipguard.manage.desk import View
from sipguard.manage.page import Page
from sipguard.store.account import account


@dataclass(frozen=True, slots=True)
class Node:
    """An account where it stands in the tree."""

    id: str
    name: str
    locked: bool
    direct_count: int
    """Direct sub-accounts; it is an agent while there are any."""

    @property
    def has_children(self) -> bool:
        return self.direct_count > 0


async def below(
    view: View, agent_id: str | None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[Node]:
    """The first level below an agent, by id; None: below the login's own account, or the top level.

    Raises NotFoundError, InvalidError for a cursor that is none.
    """
    above = view.actor.account_key if agent_id is None else await view.account_key(agent_id)
    sub = account.alias("sub")
    direct = select(func.count()).where(sub.c.agent_key == account.c.key).scalar_subquery()
    query = select(account.c.id, account.c.name, account.c.locked, direct)
    query = query.where(account.c.agent_key.is_(None) if above is None else account.c.agent_key == above)
    if after is not None:
        (last,) = page.position(after, (str,))
        query = query.where(account.c.id > last)
    rows = (await view.conn.execute(query.order_by(account.c.id).limit(page.check_limit(limit) + 1))).all()
    nodes = [Node(*row) for row in rows[:limit]]
    return Page(nodes, page.cursor(nodes[-1].id) if len(rows) > limit else None)
