"""The audit log, read: who did or tried what. Whoever stands above the reader has no name in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Select, and_, or_, select

from sipguard.manage import page
from sipguard.manage.desk import View
from sipguard.manage.page import Page
from sipguard.model.actor import Role
from sipguard.store import tree
from sipguard.store.audit import audit

OPERATOR = "operator"
AGENT_ABOVE = "agent above"


@dataclass(frozen=True, slots=True)
class AuditInfo:
    """One entry of the log."""

    number: int
    at_ms: int
    """Unix milliseconds."""
    actor: str
    """The username; "operator" or "agent above" where the reader does not see who it was."""
    via: str
    action: str
    noun: str
    id: str
    authorization: int | None
    """By which it was done, or for want of which it was refused; 1 to 8."""
    outcome: str
    """"done" or "refused"."""
    detail: dict[str, Any]
    """What was changed; empty where the actor is not shown: it may speak of what the reader does not see."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries; what is None does not matter."""

    actor: str | None = None
    """A username. Those that are not shown are not found, either."""
    noun: str | None = None
    action: str | None = None
    """"account.modify"."""
    id: str | None = None
    outcome: Literal["done", "refused"] | None = None
    authorization: int | None = None
    since_ms: int | None = None
    """Unix milliseconds, inclusive."""
    until_ms: int | None = None
    """Unix milliseconds, exclusive."""


async def list_entries(
    view: View,
    account_id: str | None = None,
    scope: Literal["own", "all"] = "all",
    which: Filter = Filter(),
    *,
    after: str | None = None,
    limit: int = page.LIMIT,
) -> Page[AuditInfo]:
    """Entries of an account, with or without everything below it; None: of all in scope. The newest first.

    Raises NotFoundError, InvalidError.
    """
    above = await view.top_key(account_id)
    query: Select[Any] = select(audit)
    if above is not None:
        concerned = audit.c.account_key == above
        if scope == "all":
            concerned = or_(concerned, audit.c.account_key.in_(select(tree.below(above).c.key)))
        query = query.where(concerned)
    if after is not None:
        (last,) = page.position(after, (int,))
        query = query.where(audit.c.key < last)
    query = _filtered(view, query, which)
    rows = (
        await view.conn.execute(query.order_by(audit.c.key.desc()).limit(page.check_limit(limit) + 1))
    ).all()
    shown = await view.visible(row.actor_account_key for row in rows[:limit])
    items = [_info(view, row, shown) for row in rows[:limit]]
    return Page(items, page.cursor(items[-1].number) if len(rows) > limit else None)


def _filtered(view: View, query: Select[Any], which: Filter) -> Select[Any]:
    for column, value in (
        (audit.c.noun, which.noun),
        (audit.c.action, which.action),
        (audit.c.id, which.id),
        (audit.c.outcome, which.outcome),
        (audit.c.authorization, which.authorization),
    ):
        if value is not None:
            query = query.where(column == value)
    if which.actor is not None:
        query = query.where(and_(audit.c.actor == which.actor, view.within(audit.c.actor_account_key)))
    if which.since_ms is not None:
        query = query.where(audit.c.at_ms >= which.since_ms)
    if which.until_ms is not None:
        query = query.where(audit.c.at_ms < which.until_ms)
    return query


def _info(view: View, row: Any, shown: Any) -> AuditInfo:
    actor, detail = row.actor, row.detail
    if not view.actor.sees_all and row.actor_account_key not in shown:
        actor = AGENT_ABOVE if row.actor_role == Role.ACCOUNT else OPERATOR
        detail = {}
    told = (row.via, row.action, row.noun, row.id, row.authorization, row.outcome)
    return AuditInfo(row.key, row.at_ms, actor, *told, detail)
