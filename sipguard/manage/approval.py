"""Approvals: what would make a sub-agent is asked for by its agent and decided by an administrator.

What was asked for is tried at once and undone, so that nobody waits for a decision on what cannot be.
Approved, it is done as if whoever asked did it then: with the scope and the authorizations of that moment.
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, model_validator
from sqlalchemy import select, update

from sipguard.manage import account, account_move, authorization, page
from sipguard.manage.account_form import NewAccount
from sipguard.manage.account_move import AccountMove
from sipguard.manage.authorization_form import Grant
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, ForbiddenError, ManageError
from sipguard.manage.page import Page
from sipguard.manage.values import Form, Id, read
from sipguard.model.actor import Actor, Role, Via
from sipguard.store.account import account as account_table
from sipguard.store.approval import approval
from sipguard.store.metadata import insert_row

State = Literal["pending", "approved", "refused", "withdrawn"]


class MoveAsked(AccountMove):
    """An account that is to be moved."""

    account_id: Id


class GrantAsked(Grant):
    """An account that is to be granted something."""

    account_id: Id


class Ask(Form):
    """What is to be approved: one of a new account, a move, a grant."""

    reason: str = Field(min_length=1, max_length=2_000)
    create: NewAccount | None = None
    move: MoveAsked | None = None
    grant: GrantAsked | None = None

    @model_validator(mode="after")
    def _one(self) -> Ask:
        if sum(one is not None for one in (self.create, self.move, self.grant)) != 1:
            raise ValueError("exactly one of create, move and grant is needed")
        return self


class Decision(Form):
    """Why."""

    reason: str = Field(min_length=1, max_length=2_000)


@dataclass(frozen=True, slots=True)
class ApprovalInfo:
    """Something that was asked for."""

    number: int
    action: str
    """"account.create", "account.move" or "account.grant"."""
    account_id: str
    """The account that it is about."""
    form: dict[str, Any]
    """What was asked for."""
    reason: str
    state: State
    asked_by: str
    asked_ms: int
    decided_by: str | None
    """The name for those who see everything; for others "operator", or None of what was withdrawn."""
    decided_ms: int | None
    decision: str | None
    """The reason of whoever decided."""


async def ask(act: Act, form: Ask) -> ApprovalInfo:
    """Ask an administrator. Raises ForbiddenError for all but accounts, and what the command itself does."""
    if act.actor.account_key is None:
        raise ForbiddenError("administrators need no approval")
    verb, asked = next(
        (verb, one)
        for verb, one in (("create", form.create), ("move", form.move), ("grant", form.grant))
        if one is not None
    )
    subject = asked.id if isinstance(asked, NewAccount) else asked.account_id
    trial = await act.conn.begin_nested()
    try:
        await _carry_out(act, f"account.{verb}", asked)
    finally:
        await trial.rollback()
    number = await insert_row(
        act.conn,
        approval,
        action=f"account.{verb}",
        id=subject,
        form=asked.model_dump(exclude_unset=True),
        reason=form.reason,
        state="pending",
        actor=act.actor.name,
        login_key=act.actor.login_key,
        account_key=act.actor.account_key,
        asked_ms=act.now_ms,
    )
    await act.changed(
        "approval", str(number), act.actor.account_key, action=f"account.{verb}", subject=subject
    )
    return await get(act, number)


async def get(view: View, number: int) -> ApprovalInfo:
    """Raises NotFoundError."""
    query = select(approval).where(approval.c.key == number)
    return _info(view, await view.in_scope("approval", str(number), query, "account_key"))


async def list_approvals(
    view: View, *, state: State | None = None, after: str | None = None, limit: int = page.LIMIT
) -> Page[ApprovalInfo]:
    """What was asked for in scope, the newest first. Raises InvalidError."""
    query = select(approval).where(view.within(approval.c.account_key))
    if state is not None:
        query = query.where(approval.c.state == state)
    if after is not None:
        (last,) = page.position(after, (int,))
        query = query.where(approval.c.key < last)
    rows = (
        await view.conn.execute(query.order_by(approval.c.key.desc()).limit(page.check_limit(limit) + 1))
    ).all()
    items = [_info(view, row) for row in rows[:limit]]
    return Page(items, page.cursor(items[-1].number) if len(rows) > limit else None)


async def approve(act: Act, number: int, form: Decision) -> ApprovalInfo:
    """Have it done. Raises ForbiddenError, NotFoundError, ConflictError where it cannot be done now."""
    act.require_administrator()
    row = await _pending(act, number)
    kind: dict[str, type[NewAccount | MoveAsked | GrantAsked]] = {
        "account.create": NewAccount,
        "account.move": MoveAsked,
        "account.grant": GrantAsked,
    }
    is_open = select(account_table.c.closed_ms.is_(None)).where(account_table.c.key == row.account_key)
    if not await act.conn.scalar(is_open):
        raise ConflictError("the account that asked for it is no more")
    asker = Actor(row.actor, Role.ACCOUNT, Via.SESSION, row.login_key, row.account_key)
    async with AsyncExitStack() as kept:
        theirs = Act(act.conn, asker, act.now_ms, act.desk, row.action, kept)
        try:
            await _carry_out(theirs, row.action, read(kind[row.action], row.form))
        except ManageError as error:
            raise ConflictError(f"it cannot be done any more: {error}") from None
    return await _decide(act, row, "approved", form.reason)


async def refuse(act: Act, number: int, form: Decision) -> ApprovalInfo:
    """Raises ForbiddenError, NotFoundError, ConflictError."""
    act.require_administrator()
    return await _decide(act, await _pending(act, number), "refused", form.reason)


async def withdraw(act: Act, number: int) -> ApprovalInfo:
    """Think better of it: the account that asked, or one above. Raises NotFoundError, ConflictError."""
    return await _decide(act, await _pending(act, number), "withdrawn", "")


async def _carry_out(act: Act, action: str, asked: Form) -> None:
    done: Awaitable[object]
    if isinstance(asked, NewAccount):
        done = account.create(act, asked, approved=True)
    elif isinstance(asked, MoveAsked):
        form = AccountMove.model_validate(asked.model_dump(exclude={"account_id"}, exclude_unset=True))
        done = account_move.move(act, asked.account_id, form, approved=True)
    elif isinstance(asked, GrantAsked):
        done = authorization.grant(act, asked.account_id, asked, approved=True)
    else:
        raise TypeError(f"{action} is nothing that is approved")
    await done


async def _pending(act: Act, number: int) -> Any:
    query = select(approval).where(approval.c.key == number)
    row = await act.in_scope("approval", str(number), query, "account_key")
    if row._mapping["state"] != "pending":
        raise ConflictError(f"approval {number} was {row._mapping['state']} already")
    return row


async def _decide(act: Act, row: Any, state: State, reason: str) -> ApprovalInfo:
    decided = {"state": state, "decided_by": act.actor.name, "decided_ms": act.now_ms, "decision": reason}
    await act.conn.execute(update(approval).where(approval.c.key == row.key).values(decided))
    await act.changed("approval", str(row.key), row.account_key, after=state, reason=reason)
    return await get(act, row.key)


def _info(view: View, row: Any) -> ApprovalInfo:
    decided_by = row.decided_by
    if not view.actor.sees_all:
        decided_by = "operator" if row.state in ("approved", "refused") else None
    told = (row.key, row.action, row.id, row.form, row.reason, row.state, row.actor, row.asked_ms)
    return ApprovalInfo(*told, decided_by, row.decided_ms, row.decision)
