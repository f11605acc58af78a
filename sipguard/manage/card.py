"""Phone cards in batches. A PIN is random, told once when its batch is made, and kept as a keyed hash.

The hash has to be found again by the PIN alone, so it is not salted; its key is a secret of the installation,
without which a copy of the table is of no use to somebody who tries all PINs.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, insert, select, update

from sipguard.manage import page
from sipguard.manage.card_form import Blocking, NewCardBatch
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.page import Page
from sipguard.model.authorization import Authorization
from sipguard.store import secret
from sipguard.store.account import account
from sipguard.store.card import card, card_batch
from sipguard.store.metadata import insert_row

PIN_KEY = "card_pin_key"


@dataclass(frozen=True, slots=True)
class CardBatchInfo:
    id: str
    account_id: str
    currency: str
    face_value_micros: int
    cards: int
    cards_blocked: int
    """One by one; `blocked` blocks them all."""
    blocked: bool
    valid_till: int | None
    valid_days: int | None
    memo: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class CardInfo:
    serial: str
    blocked: bool
    first_used_ms: int | None


@dataclass(frozen=True, slots=True)
class Printed:
    """A card as it goes to the printer, once."""

    serial: str
    pin: str


async def get(view: View, batch_id: str) -> CardBatchInfo:
    """Raises NotFoundError."""
    return _info(await _row(view, batch_id))


async def list_batches(
    view: View, account_id: str | None = None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[CardBatchInfo]:
    """By id: of one account, or of all in scope. Raises NotFoundError, InvalidError."""
    query = _SELECT.where(await view.of_account(card_batch.c.account_key, account_id))
    rows, further = await page.read(view.conn, query, card_batch.c.id, after, limit)
    items = [_info(row) for row in rows]
    return Page(items, further)


async def list_cards(
    view: View, batch_id: str, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[CardInfo]:
    """The cards of a batch by serial number, without their PINs. Raises NotFoundError, InvalidError."""
    row = await _row(view, batch_id)
    query = select(card).where(card.c.batch_key == row.key)
    rows, further = await page.read(view.conn, query, card.c.serial, after, limit)
    items = [CardInfo(each.serial, each.blocked, each.first_used_ms) for each in rows]
    return Page(items, further)


async def create(act: Act, form: NewCardBatch) -> tuple[CardBatchInfo, list[Printed]]:
    """Make a batch for an account in scope, and its PINs (authorization 3).

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for an id that is taken.
    """
    await act.require(Authorization.CARD)
    account_key = await act.account_key(form.account_id)
    if form.valid_till is not None and form.valid_till * 1000 <= act.now_ms:
        raise InvalidError.of("valid_till", "is over already")
    if await act.conn.scalar(select(card_batch.c.key).where(card_batch.c.id == form.id)) is not None:
        raise ConflictError(f"the card batch id {form.id} is taken")
    currency = await act.conn.scalar(select(account.c.currency).where(account.c.key == account_key))
    values = form.model_dump(exclude={"account_id", "pin_digits"})
    key = await insert_row(
        act.conn,
        card_batch,
        account_key=account_key,
        currency=currency,
        blocked=False,
        created_ms=act.now_ms,
        **values,
    )
    pin_key = await secret.of(act.conn, PIN_KEY)
    printed = await _print(act, form, pin_key)
    rows = [
        {"batch_key": key, "serial": one.serial, "pin_hash": pin_hash(pin_key, one.pin), "blocked": False}
        for one in printed
    ]
    await act.conn.execute(insert(card), rows)
    await act.changed("card_batch", form.id, account_key, after=form.model_dump())
    return await get(act, form.id), printed


async def block(act: Act, batch_id: str, form: Blocking) -> CardBatchInfo:
    """Block or unblock a batch, or some of its cards (authorization 3): all that are named, or none.

    Raises ForbiddenError, NotFoundError, InvalidError that names a card that is not of the batch.
    """
    await act.require(Authorization.CARD)
    row = await _row(act, batch_id)
    if form.serials is None:
        await act.conn.execute(
            update(card_batch).where(card_batch.c.key == row.key).values(blocked=form.blocked)
        )
    else:
        wanted = sorted(set(form.serials))
        found: set[str] = set()
        for start in range(0, len(wanted), 500):
            some = card.c.serial.in_(wanted[start : start + 500])
            found.update(
                await act.conn.scalars(select(card.c.serial).where(card.c.batch_key == row.key, some))
            )
            await act.conn.execute(
                update(card).where(card.c.batch_key == row.key, some).values(blocked=form.blocked)
            )
        if missing := [serial for serial in wanted if serial not in found]:
            raise InvalidError.of("serials", f"there is no card {missing[0]} in batch {batch_id}")
    await act.changed("card_batch", batch_id, row.account_key, **form.model_dump())
    return await get(act, batch_id)


def pin_hash(key: bytes, pin: str) -> bytes:
    """By which a card is found again."""
    return hmac.digest(key, pin.encode(), hashlib.sha256)


async def _print(act: Act, form: NewCardBatch, pin_key: bytes) -> list[Printed]:
    """Serial numbers in order, PINs at random; none that another card has."""
    pins: dict[bytes, str] = {}
    while len(pins) < form.cards:
        made: dict[bytes, str] = {}
        for _ in range(min(500, form.cards - len(pins))):
            pin = f"{secrets.randbelow(10**form.pin_digits):0{form.pin_digits}}"
            made[pin_hash(pin_key, pin)] = pin
        taken = set(await act.conn.scalars(select(card.c.pin_hash).where(card.c.pin_hash.in_(list(made)))))
        pins.update({hashed: pin for hashed, pin in made.items() if hashed not in taken})
    width = len(str(form.cards))
    return [Printed(f"{form.id}-{at:0{width}}", pin) for at, pin in enumerate(pins.values(), 1)]


async def _row(view: View, batch_id: str) -> Any:
    return await view.in_scope(
        "card_batch", batch_id, _SELECT.where(card_batch.c.id == batch_id), "account_key"
    )


_SELECT: Select[Any] = select(
    card_batch,
    account.c.id.label("account_id"),
    select(func.count())
    .where(card.c.batch_key == card_batch.c.key, card.c.blocked)
    .scalar_subquery()
    .label("cards_blocked"),
).join(account, account.c.key == card_batch.c.account_key)


def _info(row: Any) -> CardBatchInfo:
    return CardBatchInfo(**{name: row._mapping[name] for name in CardBatchInfo.__slots__})


def as_csv(printed: Sequence[Printed]) -> str:
    """For a printer."""
    return "serial,pin\r\n" + "".join(f"{one.serial},{one.pin}\r\n" for one in printed)
