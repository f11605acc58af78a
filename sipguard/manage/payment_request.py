"""Requests for money: what an account may do for itself (authorization 7).

Its top-up is money from outside, which no login of the account can vouch for. So it is asked for, and whoever
pays it says yes: an administrator from outside, an agent above from its own balance (authorization 8).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, select, update

from sipguard.manage import page, payment
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from sipguard.manage.idempotency import ReusedError
from sipguard.manage.page import Page
from sipguard.manage.payment_form import Decision, NewPaymentRequest, PaymentKind
from sipguard.model.authorization import Authorization
from sipguard.store.account import account
from sipguard.store.metadata import insert_row
from sipguard.store.payment import payment as payment_table
from sipguard.store.payment import payment_request


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    """The money was paid."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """By the account that asked."""


@dataclass(frozen=True, slots=True)
class PaymentRequestInfo:
    """A request as the account that asked and those above see it."""

    id: str
    at_ms: int
    account_id: str | None
    amount_micros: int
    currency: str
    reason: str
    actor: str
    state: State
    decided_ms: int | None
    decided_by: str | None
    """The login; None where it is not in the reader's scope."""
    decision: str | None
    """Why."""
    payment_id: str | None
    """What was paid."""


async def create(act: Act, form: NewPaymentRequest, idempotency_key: str) -> PaymentRequestInfo:
    """Ask for money for the account of the login (authorization 7).

    Raises ForbiddenError, InvalidError for a login without an account, ConflictError where the key was used
    for something else.
    """
    await act.require(Authorization.OWN_PAYMENT)
    own = act.actor.account_key
    if own is None:
        raise InvalidError.of("", "this login is of no account: an administrator pays at once")
    key = payment.entry_key(act, idempotency_key, "payment_request")
    same = select(payment_request).where(payment_request.c.idempotency_key == key)
    before = (await act.conn.execute(same)).one_or_none()
    if before is not None:
        if (before.amount_micros, before.reason) != (form.amount_micros, form.reason):
            raise ReusedError(idempotency_key)
        return await get(act, before.id)
    id = f"req-{secrets.token_hex(8)}"
    await insert_row(
        act.conn,
        payment_request,
        id=id,
        at_ms=act.now_ms,
        idempotency_key=key,
        account_key=own,
        amount_micros=form.amount_micros,
        currency=(await payment.purse(act, own)).currency,
        reason=form.reason,
        actor=act.actor.name,
        state=State.PENDING.value,
    )
    await act.changed("payment_request", id, own, amount_micros=form.amount_micros, reason=form.reason)
    return await get(act, id)


async def get(view: View, request_id: str) -> PaymentRequestInfo:
    """Raises NotFoundError."""
    row = (await view.conn.execute(_SELECT.where(payment_request.c.id == request_id))).one_or_none()
    if row is None or not await view.sees(row.account_key):
        raise NotFoundError("payment_request", request_id)
    return (await _infos(view, [row]))[0]


async def list_requests(
    view: View, *, state: State | None = None, after: str | None = None, limit: int = page.LIMIT
) -> Page[PaymentRequestInfo]:
    """The newest first. Raises InvalidError."""
    query = _SELECT.where(view.within(payment_request.c.account_key))
    if state is not None:
        query = query.where(payment_request.c.state == state.value)
    if after is not None:
        (last,) = page.position(after, (int,))
        query = query.where(payment_request.c.key < last)
    query = query.order_by(payment_request.c.key.desc()).limit(page.check_limit(limit) + 1)
    rows = (await view.conn.execute(query)).all()
    items = await _infos(view, rows[:limit])
    return Page(items, page.cursor(rows[limit - 1].key) if len(rows) > limit else None)


async def approve(act: Act, request_id: str, form: Decision) -> PaymentRequestInfo:
    """Pay what was asked for (authorization 8, of somebody above the account). Raises as payment.create."""
    await act.require(Authorization.SUB_PAYMENT)
    found = await _pending_below(act, request_id)
    target = await payment.purse(act, found.account_key)
    key = f"payment:request:{request_id}"
    source = await payment.payer(act, target.currency)
    kind, amount_micros = PaymentKind.TOP_UP, found.amount_micros
    paid = await payment.book(act, kind, key, source, target, amount_micros, found.reason)
    paid_key = await act.conn.scalar(select(payment_table.c.key).where(payment_table.c.id == paid.id))
    return await _decide(act, found, State.APPROVED, form, paid_key)


async def refuse(act: Act, request_id: str, form: Decision) -> PaymentRequestInfo:
    """Say no (authorization 8, of somebody above the account). Raises as `approve`."""
    await act.require(Authorization.SUB_PAYMENT)
    return await _decide(act, await _pending_below(act, request_id), State.REFUSED, form)


async def withdraw(act: Act, request_id: str, form: Decision) -> PaymentRequestInfo:
    """Take a request of the own account back (authorization 7)."""
    await act.require(Authorization.OWN_PAYMENT)
    found = await _row(act, request_id)
    if found.account_key != act.actor.account_key:
        raise ForbiddenError("only the account that asked withdraws its request")
    return await _decide(act, found, State.WITHDRAWN, form)


async def _pending_below(act: Act, request_id: str) -> Any:
    found = await _row(act, request_id)
    if found.account_key == act.actor.account_key:
        raise ForbiddenError("no account decides on its own request: its agent or an administrator does")
    _check_pending(found)
    return found


async def _row(view: View, request_id: str) -> Any:
    query = select(payment_request).where(payment_request.c.id == request_id)
    return await view.in_scope("payment_request", request_id, query, "account_key")


async def _decide(
    act: Act, found: Any, state: State, form: Decision, payment_key: int | None = None
) -> PaymentRequestInfo:
    _check_pending(found)
    await act.conn.execute(
        update(payment_request)
        .where(payment_request.c.key == found.key)
        .values(
            state=state.value,
            decided_ms=act.now_ms,
            decided_by=act.actor.name,
            decided_by_account_key=act.actor.account_key,
            decision=form.reason,
            payment_key=payment_key,
        )
    )
    await act.changed("payment_request", found.id, found.account_key, state=state.value, reason=form.reason)
    return await get(act, found.id)


def _check_pending(found: Any) -> None:
    if found.state != State.PENDING:
        raise ConflictError(f"payment request {found.id} is {found.state} already")


_SELECT: Select[Any] = (
    select(payment_request, account.c.id.label("account_id"), payment_table.c.id.label("payment_id"))
    .outerjoin(account, account.c.key == payment_request.c.account_key)
    .outerjoin(payment_table, payment_table.c.key == payment_request.c.payment_key)
)


async def _infos(view: View, rows: Sequence[Any]) -> list[PaymentRequestInfo]:
    seen = await view.visible(row.decided_by_account_key for row in rows)
    return [
        PaymentRequestInfo(
            id=row.id,
            at_ms=row.at_ms,
            account_id=row.account_id,
            amount_micros=row.amount_micros,
            currency=row.currency,
            reason=row.reason,
            actor=row.actor,
            state=State(row.state),
            decided_ms=row.decided_ms,
            decided_by=row.decided_by if view.actor.sees_all or row.decided_by_account_key in seen else None,
            decision=row.decision,
            payment_id=row.payment_id,
        )
        for row in rows
    ]
