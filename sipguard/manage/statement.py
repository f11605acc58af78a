"""The statement of an account: what it had, every posting of a period, what it had then. Straight from the
journal, so that it is never another figure than the balance.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select

from sipguard.manage import page
from sipguard.manage.desk import View
from sipguard.manage.errors import InvalidError
from sipguard.model.ledger import LedgerKind
from sipguard.model.money import Micros, format_micros
from sipguard.store.account import account
from sipguard.store.ledger import journal_entry, ledger_account, posting
from sipguard.store.payment import payment


class Book(StrEnum):
    """Which money of the account."""

    BALANCE = LedgerKind.BALANCE.value
    REVENUE = LedgerKind.REVENUE.value
    """What its direct sub-accounts paid it for calls."""


class Counterparty(StrEnum):
    """Who is on the other side of a line."""

    CALL = "call"
    OUTSIDE = "outside"
    """Cash: a payment by the operator."""
    ACCOUNT = "account"
    """An account in the reader's scope."""
    AGENT = "agent"
    """An account above, which is not named."""


@dataclass(frozen=True, slots=True)
class Line:
    """A posting."""

    at_ms: int
    """Unix milliseconds."""
    kind: str
    """"call", "payment" or "reversal"."""
    id: str
    """Of the payment, or of the call."""
    counterparty: Counterparty
    counterparty_id: str | None
    """Of kind "account"."""
    reason: str
    amount_micros: int
    """Negative: it left the account."""
    balance_micros: int
    """After it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A period of an account, a page of its lines at a time; from..till_ms is half open."""

    account_id: str
    book: Book
    currency: str
    from_ms: int
    till_ms: int
    opening_micros: int
    """Before the first line of the period."""
    closing_micros: int
    """After its last: opening and all lines of all pages."""
    items: list[Line]
    next_cursor: str | None


async def get(
    view: View,
    account_id: str,
    *,
    book: Book = Book.BALANCE,
    from_ms: int = 0,
    till_ms: int | None = None,
    after: str | None = None,
    limit: int = page.LIMIT,
) -> Statement:
    """A page; `till_ms`: None, until now. Raises NotFoundError, InvalidError."""
    key = await view.account_key(account_id)
    till_ms = view.now_ms + 1 if till_ms is None else till_ms
    if from_ms > till_ms:
        raise InvalidError.of("till_ms", "is before from_ms")
    of = (ledger_account.c.account_key == key) & (ledger_account.c.kind == book.value)
    row = (await view.conn.execute(select(ledger_account).where(of))).one()
    opening = await _sum(view, row.key, journal_entry.c.at_ms < from_ms)
    closing = await _sum(view, row.key, journal_entry.c.at_ms < till_ms)
    query, balance = _lines(row.key, from_ms, till_ms), opening
    if after is not None:
        at_ms, entry = page.position(after, (int, int))
        later = or_(
            journal_entry.c.at_ms > at_ms,
            and_(journal_entry.c.at_ms == at_ms, journal_entry.c.key > entry),
        )
        query, balance = query.where(later), await _sum(view, row.key, ~later)
    rows = (await view.conn.execute(query.limit(page.check_limit(limit) + 1))).all()
    seen = await view.visible(each.other_key for each in rows)
    items: list[Line] = []
    for each in rows[:limit]:
        balance += each.amount_micros
        items.append(_line(each, balance, each.other_key in seen))
    last = rows[limit - 1] if len(rows) > limit else None
    cursor = None if last is None else page.cursor(last.at_ms, last.key)
    return Statement(account_id, book, row.currency, from_ms, till_ms, opening, closing, items, cursor)


async def as_csv(view: View, account_id: str, **period: Any) -> AsyncIterator[str]:
    """The whole period, a page of lines at a time. Raises as `get`, before the first is given."""
    after: str | None = None
    while True:
        told = await get(view, account_id, after=after, limit=page.LIMIT_MAX, **period)
        yield _csv(told, first=after is None)
        if (after := told.next_cursor) is None:
            return


async def _sum(view: View, ledger: int, condition: Any) -> Micros:
    query = (
        select(func.coalesce(func.sum(posting.c.amount_micros), 0))
        .join(journal_entry, journal_entry.c.key == posting.c.entry)
        .where(posting.c.ledger == ledger, condition)
    )
    return int(await view.conn.scalar(query) or 0)


_FROM = account.alias("payer")
_TO = account.alias("payee")


def _lines(ledger: int, from_ms: int, till_ms: int) -> Select[Any]:
    """In the order of their moments; one for each entry."""
    e, p = journal_entry.c, posting.c
    other = case(
        (payment.c.from_key == ledger_account.c.account_key, payment.c.to_key), else_=payment.c.from_key
    )
    other_id = case((payment.c.from_key == ledger_account.c.account_key, _TO.c.id), else_=_FROM.c.id)
    return (
        select(
            e.key,
            e.at_ms,
            e.kind,
            e.memo,
            e.idempotency_key,
            func.sum(p.amount_micros).label("amount_micros"),
            payment.c.id.label("payment_id"),
            other.label("other_key"),
            other_id.label("other_id"),
        )
        .join(posting, p.entry == e.key)
        .join(ledger_account, ledger_account.c.key == p.ledger)
        .outerjoin(payment, payment.c.entry == e.idempotency_key)
        .outerjoin(_FROM, _FROM.c.key == payment.c.from_key)
        .outerjoin(_TO, _TO.c.key == payment.c.to_key)
        .where(p.ledger == ledger, e.at_ms >= from_ms, e.at_ms < till_ms)
        .group_by(e.key)
        .order_by(e.at_ms, e.key)
    )


def _line(row: Any, balance: Micros, other_seen: bool) -> Line:
    if row.kind == "call":
        counterparty = Counterparty.CALL
    elif row.other_key is None:
        counterparty = Counterparty.OUTSIDE
    else:
        counterparty = Counterparty.ACCOUNT if other_seen else Counterparty.AGENT
    # Keys of entries say who has written them: what people see is the id of the payment, or of the call.
    id = row.payment_id or row.idempotency_key.partition(":")[2]
    return Line(
        row.at_ms,
        row.kind,
        id,
        counterparty,
        row.other_id if other_seen else None,
        row.memo,
        row.amount_micros,
        balance,
    )


_COLUMNS = ("at_ms", "kind", "id", "counterparty", "counterparty_id", "reason", "amount", "balance")


def _csv(told: Statement, *, first: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if first:
        writer.writerow((*_COLUMNS, "currency"))
        writer.writerow(
            (told.from_ms, "opening", "", "", "", "", "", format_micros(told.opening_micros), told.currency)
        )
    for line in told.items:
        writer.writerow(
            (
                line.at_ms,
                line.kind,
                line.id,
                line.counterparty.value,
                line.counterparty_id or "",
                _harmless(line.reason),
                format_micros(line.amount_micros),
                format_micros(line.balance_micros),
                told.currency,
            )
        )
    if told.next_cursor is None:
        writer.writerow(
            (told.till_ms, "closing", "", "", "", "", "", format_micros(told.closing_micros), told.currency)
        )
    return text.getvalue()


def _harmless(text: str) -> str:
    """Spreadsheets take what begins so for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
