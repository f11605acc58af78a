"""Who holds what and when it was used last; and where a stored child exceeds its parent."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import and_, or_, select, text

from sipguard.manage import page
from sipguard.manage.desk import View
from sipguard.manage.page import Page
from sipguard.model.authorization import ALL, Authorization, effective, slugs
from sipguard.store import tree
from sipguard.store.account import account

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Use:
    """One authorization that an account was granted."""

    authorization: str
    effective: bool
    """Whether all agents above hold it, too: whether it can be used."""
    used_ms: int | None
    """Unix milliseconds of the last thing done by it; None: nothing ever was."""


@dataclass(frozen=True, slots=True)
class HolderInfo:
    """An account that was granted something."""

    account_id: str
    name: str
    grants: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Excess:
    """Something in which a stored account exceeds the agent above it. The least of both is what counts."""

    account_id: str
    agent_id: str
    authorizations: tuple[str, ...]
    """Granted to the account, not to its agent."""
    limits: tuple[str, ...]
    """Fields whose limit is higher than the agent's."""


async def holders(
    view: View, *, unused_days: int | None = None, after: str | None = None, limit: int = page.LIMIT
) -> Page[HolderInfo]:
    """Accounts in scope that were granted anything, by id.

    `unused_days`: only grants that were not used for so many days. A page may then be empty, and others
    follow. Raises InvalidError for a cursor that is none.
    """
    query = select(account.c.key, account.c.id, account.c.name, account.c.granted).where(
        account.c.granted != 0, account.c.closed_ms.is_(None), view.within(account.c.key)
    )
    rows, further = await page.read(view.conn, query, account.c.id, after, limit)
    used = await _used(view, [row.key for row in rows])
    since = None if unused_days is None else view.now_ms - unused_days * DAY_MS
    items = []
    for row in rows:
        now = effective(level.granted for level in await tree.chain(view.conn, row.key))
        grants = tuple(
            Use(one.slug, bool(one & now), used_ms)
            for one in Authorization
            if one & row.granted
            and ((used_ms := used.get((row.key, one.number))) is None or since is None or used_ms < since)
        )
        if grants:
            items.append(HolderInfo(row.id, row.name, grants))
    return Page(items, further)


async def _used(view: View, keys: list[int]) -> dict[tuple[int, int], int]:
    """When each authorization of each account was used last, by the newest entry of the index alone."""
    rows = await view.conn.execute(_USED, {"keys": json.dumps(keys)})
    return {(key, number): at_ms for key, number, at_ms in rows if at_ms is not None}


_USED = text(
    "SELECT held.value, one.value, (SELECT at_ms FROM audit"
    "  WHERE actor_account_key = held.value AND authorization = one.value AND outcome = 'done'"
    "  ORDER BY key DESC LIMIT 1)"
    " FROM json_each(:keys) AS held, json_each('[1,2,3,4,5,6,7,8]') AS one"
)
_LIMITS = ("call_limit", "cps_limit", "max_call_seconds", "max_rate_micros")


async def excesses(view: View, *, after: str | None = None, limit: int = page.LIMIT) -> Page[Excess]:
    """Accounts in scope, below agents in scope, that exceed them, by id. Raises InvalidError."""
    agent = account.alias("agent")
    exceeds = or_(
        account.c.granted.op("&")(int(ALL) - agent.c.granted) != 0,  # what the agent does not hold
        *(
            and_(agent.c[name].is_not(None), account.c[name].is_not(None), account.c[name] > agent.c[name])
            for name in _LIMITS
        ),
    )
    wanted = [account.c.id, agent.c.id.label("agent_id"), account.c.granted, agent.c.granted.label("above")]
    wanted += [(account.c[name] > agent.c[name]).label(name) for name in _LIMITS]
    query = (
        select(*wanted)
        .join(agent, agent.c.key == account.c.agent_key)
        .where(exceeds, account.c.closed_ms.is_(None), view.within(account.c.agent_key))
    )
    rows, further = await page.read(view.conn, query, account.c.id, after, limit)
    items = [
        Excess(
            row.id,
            row.agent_id,
            slugs(Authorization(row.granted) & ~Authorization(row.above)),
            tuple(name for name in _LIMITS if row._mapping[name]),
        )
        for row in rows
    ]
    return Page(items, further)
