"""Number ranges: which numbers an agent may give to the phones below it.

A number has to lie in a range of every level of the chain that has ranges, so what a parent loses its
descendants lose; and of at least one level, unless an administrator gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, select

from sipguard.manage import page
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, ForbiddenError, InvalidError
from sipguard.manage.number_range_form import NewNumberRange
from sipguard.manage.page import Page
from sipguard.model.authorization import Authorization
from sipguard.store import tree
from sipguard.store.account import account
from sipguard.store.metadata import insert_row
from sipguard.store.number_range import number_range
from sipguard.store.phone import phone, phone_number

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class NumberRangeInfo:
    id: str
    account_id: str
    first: str
    last: str
    memo: str


async def get(view: View, range_id: str) -> NumberRangeInfo:
    """Raises NotFoundError."""
    return _info(await _row(view, range_id))


async def list_ranges(
    view: View, account_id: str | None = None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[NumberRangeInfo]:
    """By id: of one account, or of all in scope. Raises NotFoundError, InvalidError."""
    query = _SELECT.where(await view.of_account(number_range.c.account_key, account_id))
    rows, further = await page.read(view.conn, query, number_range.c.id, after, limit)
    items = [_info(row) for row in rows]
    return Page(items, further)


async def create(act: Act, form: NewNumberRange) -> NumberRangeInfo:
    """Give a range to an account below the actor, out of the actor's own (authorization 2).

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for an id that is taken.
    """
    await act.require(Authorization.PHONE)
    key = await act.account_key(form.account_id)
    if key == act.actor.account_key:
        raise ForbiddenError("no account gives itself numbers: its agent or an administrator does")
    if len(form.first) != len(form.last) or form.first > form.last:
        raise InvalidError.of(
            "last", f"found {form.last}, expected as many digits as {form.first}, and no less"
        )
    await _check(act, await _above(act, key), form.first, form.last, "last")
    taken = select(number_range.c.key).where(number_range.c.id == form.id)
    if await act.conn.scalar(taken) is not None:
        raise ConflictError(f"the number range id {form.id} is taken")
    values = form.model_dump(exclude={"account_id"})
    await insert_row(act.conn, number_range, account_key=key, **values)
    await act.changed("number_range", form.id, key, after=form.model_dump())
    return await get(act, form.id)


async def remove(act: Act, range_id: str) -> None:
    """Take a range away (authorization 2). Refused while phones of the account or below have its numbers.

    Raises ForbiddenError, NotFoundError, ConflictError.
    """
    await act.require(Authorization.PHONE)
    row = await _row(act, range_id)
    if row.account_key == act.actor.account_key:
        raise ForbiddenError("no account takes its own numbers away: its agent or an administrator does")
    used = (
        select(phone_number.c.number)
        .join(phone, phone.c.key == phone_number.c.phone_key)
        .where(
            phone_number.c.number.between(row.first, row.last),
            func.length(phone_number.c.number) == len(row.first),
            (phone.c.account_key == row.account_key)
            | phone.c.account_key.in_(select(tree.below(row.account_key).c.key)),
        )
        .order_by(phone_number.c.number)
        .limit(_SHOWN)
    )
    numbers: Sequence[str] = (await act.conn.scalars(used)).all()
    if numbers:
        raise ConflictError(f"phones have numbers of range {range_id}", numbers)
    await act.conn.execute(delete(number_range).where(number_range.c.key == row.key))
    await act.changed("number_range", range_id, row.account_key, first=row.first, last=row.last)


async def check_numbers(act: Act, account_key: int, numbers: Sequence[str]) -> None:
    """Whether the actor may give these numbers to phones of the account. Raises InvalidError."""
    chain = [level.key for level in await tree.chain(act.conn, account_key)]
    for at, number in enumerate(numbers):
        await _check(act, chain, number, number, f"numbers[{at}]")


async def _check(act: Act, chain: Sequence[int], first: str, last: str, field: str) -> None:
    holding = select(number_range.c.account_key).where(number_range.c.account_key.in_(chain))
    narrowed = set((await act.conn.scalars(holding)).all())
    inside = holding.where(
        number_range.c.first <= first,
        number_range.c.last >= last,
        func.length(number_range.c.first) == len(first),
    )
    if narrowed != set((await act.conn.scalars(inside)).all()) or not (narrowed or act.actor.sees_all):
        raise InvalidError.of(field, f"{last} is in no number range that this account may use")


async def _above(act: Act, account_key: int) -> list[int]:
    return [level.key for level in await tree.chain(act.conn, account_key)][1:]


async def _row(view: View, range_id: str) -> Any:
    return await view.in_scope(
        "number_range", range_id, _SELECT.where(number_range.c.id == range_id), "account_key"
    )


_SELECT: Select[Any] = select(number_range, account.c.id.label("account_id")).join(
    account, account.c.key == number_range.c.account_key
)


def _info(row: Any) -> NumberRangeInfo:
    return NumberRangeInfo(row.id, row.account_id, row.first, row.last, row.memo)
