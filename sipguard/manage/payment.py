"""Money moved by hand: top-ups, deductions, transfers, reversals, and their history.

Every payment is one entry of the journal that sums to zero, so no agent's payment makes money: what a
sub-account gets leaves the agent's own balance. Only an administrator's comes from outside ("cash").

An agent moves what is there, not what is only lent: the credit that it grants below itself would else come
back to it as money (grant a credit, take it out, spend it). A top-level account's credit was granted by the
operator and counts for its own payments.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select

from sipguard.manage import idempotency, page
from sipguard.manage.desk import Act, View
from sipguard.manage.earmark import Outflow, earmark
from sipguard.manage.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from sipguard.manage.idempotency import ReusedError
from sipguard.manage.page import Page
from sipguard.manage.payment_form import (
    Asked,
    NewPayment,
    PaymentKind,
    Reversal,
)
from sipguard.model.actor import Role
from sipguard.model.authorization import Authorization
from sipguard.model.ledger import Entry, LedgerKind, Posting
from sipguard.model.money import Micros
from sipguard.store import ledger
from sipguard.store.account import account
from sipguard.store.metadata import insert_row
from sipguard.store.payment import payment

BALANCE_MAX = 2**62
"""No payment takes a ledger account beyond it, so that what calls still post always fits 64 bits."""


@dataclass(frozen=True, slots=True)
class PaymentInfo:
    """A payment as somebody sees it who is on one of its sides, or above."""

    id: str
    at_ms: int
    """Unix milliseconds."""
    kind: PaymentKind
    from_account_id: str | None
    """None: from outside, or from an account that is not in the reader's scope."""
    to_account_id: str | None
    """Likewise."""
    amount_micros: int
    currency: str
    reason: str
    actor: str | None
    """The login; None where it is not in the reader's scope."""
    reverses: str | None
    """Id of the payment that this one takes back."""
    reversed_by: str | None


@dataclass(frozen=True, slots=True)
class Purse:
    """The balance of an account, or the world outside."""

    key: int | None
    """Of the account; None: outside."""
    ledger: int
    balance_micros: Micros
    currency: str
    credit_limit_micros: Micros = 0
    top_level: bool = False


async def create(act: Act, form: NewPayment, idempotency_key: str) -> PaymentInfo:
    """Move money (agents: authorization 8). The same key and form again: the same payment, nothing moved.

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError where there is not enough, or where the
    key was used for something else, UnavailableError where nobody knows what is held.
    """
    await act.require(Authorization.SUB_PAYMENT)
    key = entry_key(act, idempotency_key)
    source, target = await _sides(act, form)
    return await book(act, PaymentKind(form.kind.value), key, source, target, form.amount_micros, form.reason)


async def reverse(act: Act, payment_id: str, form: Reversal, idempotency_key: str) -> PaymentInfo:
    """Take a payment back, whole, by one of its own the other way round; once. Raises as `create`."""
    await act.require(Authorization.SUB_PAYMENT)
    key = entry_key(act, idempotency_key)
    found = await _row(act, payment_id)
    if found.reverses is not None:
        raise ConflictError(f"payment {payment_id} is a reversal itself: pay again instead")
    for side in (found.from_key, found.to_key):
        if not await act.sees(side):
            raise ForbiddenError("who reverses a payment has both of its sides in scope")
    source = await _purse_or_outside(act, found.to_key, found.currency)
    target = await _purse_or_outside(act, found.from_key, found.currency)
    again = await act.conn.scalar(select(payment.c.entry).where(payment.c.reverses == found.key))
    if again is not None and again != key:
        raise ConflictError(f"payment {payment_id} was reversed already")
    return await book(
        act, PaymentKind.REVERSAL, key, source, target, found.amount_micros, form.reason, found.key
    )


async def get(view: View, payment_id: str) -> PaymentInfo:
    """Raises NotFoundError."""
    rows = (await view.conn.execute(_SELECT.where(payment.c.id == payment_id))).all()
    seen = await view.visible(key for row in rows for key in (row.from_key, row.to_key))
    if not rows or not seen & {rows[0].from_key, rows[0].to_key}:
        raise NotFoundError("payment", payment_id)
    return (await _infos(view, rows))[0]


async def list_payments(
    view: View,
    account_id: str | None = None,
    *,
    kind: PaymentKind | None = None,
    from_ms: int | None = None,
    till_ms: int | None = None,
    after: str | None = None,
    limit: int = page.LIMIT,
) -> Page[PaymentInfo]:
    """The newest first: of one account, or of all in scope. Raises NotFoundError, InvalidError."""
    if account_id is None:
        sides = or_(view.within(payment.c.from_key), view.within(payment.c.to_key))
    else:
        of = await view.account_key(account_id)
        sides = or_(payment.c.from_key == of, payment.c.to_key == of)
    query = _SELECT.where(sides)
    if kind is not None:
        query = query.where(payment.c.kind == kind.value)
    if from_ms is not None:
        query = query.where(payment.c.at_ms >= from_ms)
    if till_ms is not None:
        query = query.where(payment.c.at_ms < till_ms)
    if after is not None:
        (last,) = page.position(after, (int,))
        query = query.where(payment.c.key < last)
    query = query.order_by(payment.c.key.desc()).limit(page.check_limit(limit) + 1)
    rows = (await view.conn.execute(query)).all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(await _infos(view, rows), page.cursor(rows[-1].key) if more else None)


def entry_key(act: Act, idempotency_key: str, noun: str = "payment") -> str:
    """Key of the journal entry: the same request of another actor is another one. Raises InvalidError."""
    idempotency_key = idempotency.key_of(idempotency_key)
    actor = act.actor
    who = f"shell.{actor.name}" if actor.login_key is None else str(actor.login_key)
    return f"{noun}:{who}:{idempotency_key}"


async def book(
    act: Act,
    kind: PaymentKind,
    key: str,
    source: Purse,
    target: Purse,
    amount_micros: Micros,
    reason: str,
    reverses: int | None = None,
) -> PaymentInfo:
    """Write a payment whose right was checked, unless it is there; raises as `create`."""
    if (before := await _before(act, key)) is not None:
        told = (kind, source.key, target.key, amount_micros, reason, reverses)
        if told != (
            before.kind,
            before.from_key,
            before.to_key,
            before.amount_micros,
            before.reason,
            before.reverses,
        ):
            raise ReusedError(key.rpartition(":")[2])
        return await get(act, before.id)
    if source.currency != target.currency:
        raise InvalidError.of("to_account_id", f"is in {target.currency}, the money is {source.currency}")
    for side, after in (
        (source, source.balance_micros - amount_micros),
        (target, target.balance_micros + amount_micros),
    ):
        if abs(after) > BALANCE_MAX:
            raise InvalidError.of(
                "amount_micros", f"takes {'the account' if side.key else 'the cash'} beyond what can be kept"
            )
    if source.key is not None:
        outflow = Outflow(source.ledger, amount_micros, _floor(act, source))
        await act.kept.enter_async_context(earmark(act, key, outflow))
    postings = (Posting(source.ledger, -amount_micros), Posting(target.ledger, amount_micros))
    entry = Entry(key, "payment" if reverses is None else "reversal", act.now_ms, postings, reason)
    await ledger.post(act.conn, entry, act.actor.via.value)
    id = f"pay-{secrets.token_hex(8)}"
    await insert_row(
        act.conn,
        payment,
        id=id,
        at_ms=act.now_ms,
        kind=kind.value,
        entry=key,
        from_key=source.key,
        to_key=target.key,
        amount_micros=amount_micros,
        currency=source.currency,
        reason=reason,
        actor=act.actor.name,
        actor_account_key=act.actor.account_key,
        reverses=reverses,
    )
    told_of = source.key if target.key is None else target.key
    await act.changed("payment", id, told_of, kind=kind.value, amount_micros=amount_micros, reason=reason)
    return await get(act, id)


async def purse(view: View, account_key: int) -> Purse:
    """The balance of an account. Raises ConflictError where the account is gone."""
    book = ledger.ledger_account
    query = (
        select(account.c.agent_key, account.c.credit_limit_micros, book)
        .join(book, book.c.account_key == account.c.key)
        .where(
            account.c.key == account_key,
            account.c.closed_ms.is_(None),
            book.c.kind == LedgerKind.BALANCE.value,
        )
    )
    row = (await view.conn.execute(query)).one_or_none()
    if row is None:
        raise ConflictError("an account of this payment is no more")
    return Purse(
        account_key, row.key, row.balance_micros, row.currency, row.credit_limit_micros, row.agent_key is None
    )


async def outside(view: View, currency: str) -> Purse:
    """The cash of the house. Raises ConflictError where it keeps none in this currency."""
    book = ledger.ledger_account
    house = book.c.account_key.is_(None) & book.c.routing_gateway_key.is_(None)
    query = select(book).where(house, book.c.kind == LedgerKind.CASH.value, book.c.currency == currency)
    row = (await view.conn.execute(query)).one_or_none()
    if row is None:
        raise ConflictError(f"the house keeps no cash in {currency}")
    return Purse(None, row.key, row.balance_micros, currency)


async def payer(act: Act, currency: str) -> Purse:
    """Where the actor's payments come from: an agent's own balance; an administrator's from outside."""
    own = act.actor.account_key
    return await outside(act, currency) if own is None else await purse(act, own)


async def _sides(act: Act, form: NewPayment) -> tuple[Purse, Purse]:
    """From where to where. Raises NotFoundError, ForbiddenError, InvalidError."""
    named = await act.account_key(form.account_id)
    if form.kind is Asked.TRANSFER:
        if form.to_account_id is None:
            raise InvalidError.of("to_account_id", "a transfer needs to know where the money goes")
        to = await act.account_key(form.to_account_id)
        if to == named:
            raise InvalidError.of("to_account_id", "is where the money comes from")
        return await purse(act, named), await purse(act, to)
    if form.to_account_id is not None:
        raise InvalidError.of("to_account_id", "is for transfers alone")
    if named == act.actor.account_key:
        raise ForbiddenError(
            "no account pays itself: its agent or an administrator does; ask them by a payment request"
        )
    of = await purse(act, named)
    mine = await payer(act, of.currency)
    return (mine, of) if form.kind is Asked.TOP_UP else (of, mine)


async def _purse_or_outside(act: Act, key: int | None, currency: str) -> Purse:
    return await outside(act, currency) if key is None else await purse(act, key)


def _floor(act: Act, source: Purse) -> Micros:
    """How far below zero a payment by this actor may take the balance."""
    granted_from_outside = source.top_level and source.key == act.actor.account_key
    if act.actor.role is Role.ADMINISTRATOR or granted_from_outside:
        return source.credit_limit_micros
    return 0


async def _before(act: Act, key: str) -> Any:
    return (await act.conn.execute(select(payment).where(payment.c.entry == key))).one_or_none()


async def _row(view: View, payment_id: str) -> Any:
    row = (await view.conn.execute(select(payment).where(payment.c.id == payment_id))).one_or_none()
    if row is None or not await view.visible((row.from_key, row.to_key)):
        raise NotFoundError("payment", payment_id)
    return row


_FROM = account.alias("payer")
_TO = account.alias("payee")
_REVERSED = payment.alias("reversed")
_REVERSAL = payment.alias("reversal")
_SELECT: Select[Any] = (
    select(
        payment,
        _FROM.c.id.label("from_account_id"),
        _TO.c.id.label("to_account_id"),
        _REVERSED.c.id.label("reversed_id"),
        _REVERSAL.c.id.label("reversal_id"),
    )
    .outerjoin(_FROM, _FROM.c.key == payment.c.from_key)
    .outerjoin(_TO, _TO.c.key == payment.c.to_key)
    .outerjoin(_REVERSED, _REVERSED.c.key == payment.c.reverses)
    .outerjoin(_REVERSAL, _REVERSAL.c.reverses == payment.c.key)
)


async def _infos(view: View, rows: Sequence[Any]) -> list[PaymentInfo]:
    """With the names of both sides and of the login only as far as they are in scope."""
    named = ((row.from_key, row.to_key, row.actor_account_key) for row in rows)
    seen = await view.visible(key for keys in named for key in keys)
    return [
        PaymentInfo(
            id=row.id,
            at_ms=row.at_ms,
            kind=PaymentKind(row.kind),
            from_account_id=row.from_account_id if row.from_key in seen else None,
            to_account_id=row.to_account_id if row.to_key in seen else None,
            amount_micros=row.amount_micros,
            currency=row.currency,
            reason=row.reason,
            actor=row.actor if view.actor.sees_all or row.actor_account_key in seen else None,
            reverses=row.reversed_id,
            reversed_by=row.reversal_id,
        )
        for row in rows
    ]
