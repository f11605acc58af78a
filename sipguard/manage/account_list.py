"""Accounts listed: whose, which of them, in what order, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from sipguard.manage import page
from sipguard.manage.account import BALANCE, SELECT, AccountInfo, info
from sipguard.manage.desk import View
from sipguard.manage.page import Page
from sipguard.store import tree
from sipguard.store.account import account


class Sort(StrEnum):
    """By what accounts are sorted; accounts with equal values by id. A leading "-" turns the order round."""

    ID = "id"
    ID_DOWN = "-id"
    NAME = "name"
    NAME_DOWN = "-name"
    BALANCE = "balance"
    BALANCE_DOWN = "-balance"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which accounts; what is None does not matter."""

    q: str | None = None
    """Is part of the id, the name or the memo; upper and lower case (of ASCII) are the same."""
    id_prefix: str | None = None
    """The id begins with it, in just these letters."""
    category: Literal["agent", "account"] | None = None
    locked: bool | None = None
    currency: str | None = None


_SORTED: dict[str, tuple[ColumnElement[Any], type]] = {
    "name": (account.c.name, str),
    "balance": (BALANCE.c.balance_micros, int),
}
_SUB = account.alias("sub_of_listed")


async def list_direct(
    view: View,
    agent_id: str | None,
    which: Filter = Filter(),
    *,
    sort: Sort = Sort.ID,
    after: str | None = None,
    limit: int = page.LIMIT,
) -> Page[AccountInfo]:
    """The first level below an agent; None: below the login's own account, or the top level.

    Raises NotFoundError, InvalidError for a cursor that is none.
    """
    above = await view.top_key(agent_id)
    return await _page(view, SELECT.where(tree.directly_below(above)), which, sort, after, limit)


async def list_all(
    view: View,
    agent_id: str | None,
    which: Filter = Filter(),
    *,
    sort: Sort = Sort.ID,
    after: str | None = None,
    limit: int = page.LIMIT,
) -> Page[AccountInfo]:
    """Everything below an agent. Arguments and errors as of `list_direct`."""
    above = await view.top_key(agent_id)
    if above is None:
        return await _page(view, SELECT.where(account.c.closed_ms.is_(None)), which, sort, after, limit)
    below = tree.below(above)
    keys = select(below.c.key)
    if which == Filter() and sort in (Sort.ID, Sort.ID_DOWN):
        # The range of the subtree holds the ids: only the rows of this page are looked up.
        if after is not None:
            (last,) = page.position(after, (str,))
            keys = keys.where(below.c.id < last if sort is Sort.ID_DOWN else below.c.id > last)
        order = below.c.id.desc() if sort is Sort.ID_DOWN else below.c.id
        keys = keys.order_by(order).limit(page.check_limit(limit) + 1)
    return await _page(view, SELECT.where(account.c.key.in_(keys)), which, sort, after, limit)


async def count(view: View, agent_id: str | None, scope: Literal["direct", "all"], which: Filter) -> int:
    """How many accounts a list has in all its pages. Raises NotFoundError."""
    above = await view.top_key(agent_id)
    if which == Filter():
        counted = tree.count_direct if scope == "direct" else tree.count_below
        return await counted(view.conn, above)
    query = select(func.count()).select_from(account).where(*_conditions(which))
    if scope == "direct":
        query = query.where(tree.directly_below(above))
    elif above is None:
        query = query.where(account.c.closed_ms.is_(None))
    else:
        query = query.where(account.c.key.in_(select(tree.below(above).c.key)))
    return await view.conn.scalar(query) or 0


async def _page(
    view: View, query: Select[Any], which: Filter, sort: Sort, after: str | None, limit: int
) -> Page[AccountInfo]:
    query = query.where(*_conditions(which))
    descends, by = sort.startswith("-"), sort.removeprefix("-")
    column, kind = _SORTED.get(by, (None, str))
    if after is not None:
        position = page.position(after, (str,) if column is None else (kind, str))
        query = query.where(_behind(column, position, descends))
    order = [account.c.id] if column is None else [column, account.c.id]
    ordered = query.order_by(*(one.desc() if descends else one for one in order))
    rows = (await view.conn.execute(ordered.limit(page.check_limit(limit) + 1))).mappings().all()
    items = [info(view, row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items, None)
    last = items[-1]
    values: dict[str, tuple[str | int, ...]] = {"name": (last.name,), "balance": (last.balance_micros,)}
    return Page(items, page.cursor(*values.get(by, ()), last.id))


def _behind(column: ColumnElement[Any] | None, position: list[Any], descends: bool) -> ColumnElement[bool]:
    def beyond(one: ColumnElement[Any], value: object) -> ColumnElement[bool]:
        return one < value if descends else one > value

    if column is None:
        return beyond(account.c.id, position[0])
    value, id = position
    return or_(beyond(column, value), and_(column == value, beyond(account.c.id, id)))


def _conditions(which: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.q:
        part = "".join(f"\\{char}" if char in "\\%_" else char for char in which.q)
        found.append(
            or_(
                *(
                    one.like(f"%{part}%", escape="\\")
                    for one in (account.c.id, account.c.name, account.c.memo)
                )
            )
        )
    if which.id_prefix:
        found += [account.c.id >= which.id_prefix, account.c.id < which.id_prefix + "\U0010ffff"]
    if which.category is not None:
        is_agent = exists(
            select(_SUB.c.key).where(_SUB.c.agent_key == account.c.key, _SUB.c.closed_ms.is_(None))
        )
        found.append(is_agent if which.category == "agent" else ~is_agent)
    if which.locked is not None:
        found.append(account.c.locked.is_(which.locked))
    if which.currency is not None:
        found.append(account.c.currency == which.currency)
    return found
