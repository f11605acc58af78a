"""Rate tables: an agent keeps those that it owns and sells by, never the one that it buys by.

It may ask what it pays itself for a number: its own price, and nothing of what its agent pays.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, delete, func, select

from sipguard.manage import page
from sipguard.manage import rate as price_lists
from sipguard.manage.desk import Act, Desk, View
from sipguard.manage.errors import ConflictError, InvalidError, Problem, UnavailableError
from sipguard.manage.page import Page
from sipguard.manage.price_list import NAMES, PriceListError, cells
from sipguard.manage.rate_table_form import NewRateTable, PriceListForm
from sipguard.model.actor import Actor
from sipguard.model.authorization import Authorization
from sipguard.model.ledger import LedgerKind
from sipguard.model.rate import Rate, RateTable
from sipguard.store import ledger
from sipguard.store import rate as store
from sipguard.store.account import account
from sipguard.store.gateway import routing_gateway
from sipguard.store.metadata import insert_row
from sipguard.store.rate import rate, rate_table

CHANGES_SHOWN = 100
"""Of each kind."""


@dataclass(frozen=True, slots=True)
class RateTableInfo:
    id: str
    owner_id: str | None
    """None: the operator."""
    currency: str
    time_rounding: str
    money_rounding: str
    money_unit_micros: int
    time_zone: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class RateInfo:
    """A row, in the columns of price lists that matter most; exports have them all."""

    prefix: str
    destination: str
    rate_micros: int
    """Price per minute."""
    connect_fee_micros: int
    initial_seconds: int
    next_seconds: int
    grace_seconds: int
    minimum_seconds: int
    minimum_micros: int
    valid_from: int
    valid_till: int | None


@dataclass(frozen=True, slots=True)
class ChangeInfo:
    """A row that changes."""

    kind: str
    """"new", "up", "down", "changed" or "gone"."""
    line: int | None
    prefix: str
    destination: str
    old_rate_micros: int | None
    new_rate_micros: int | None


@dataclass(frozen=True, slots=True)
class ImportInfo:
    """What an import did, or would do."""

    imported: bool
    lines: int
    counts: dict[str, int]
    """Rows by what becomes of them."""
    changes: list[ChangeInfo]
    """The first of each kind."""


@dataclass(frozen=True, slots=True)
class PriceInfo:
    """What an account pays for calls to a number now."""

    rate: RateInfo | None
    """None: it has no price for it, and the call is refused."""


async def get(view: View, table_id: str) -> RateTableInfo:
    """Raises NotFoundError."""
    return _info(await _row(view, table_id))


async def list_tables(
    view: View, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[RateTableInfo]:
    """All in scope by id. Raises InvalidError."""
    query = _SELECT.where(view.within(rate_table.c.owner_key))
    rows, further = await page.read(view.conn, query, rate_table.c.id, after, limit)
    items = [_info(row) for row in rows]
    return Page(items, further)


async def create(act: Act, form: NewRateTable) -> RateTableInfo:
    """Make an empty table (authorization 1): an agent's is its own, or of an agent below it.

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for an id that is taken.
    """
    await act.require(Authorization.ACCOUNT)
    owner_key = act.actor.account_key if form.owner_id is None else await act.account_key(form.owner_id)
    if owner_key is not None:
        query = select(account.c.currency).where(account.c.key == owner_key)
    else:
        book = ledger.ledger_account
        cash = await ledger.of_house(act.conn, LedgerKind.CASH)
        query = select(book.c.currency).where(book.c.key == cash)
    currency = (await act.conn.execute(query)).scalar_one()
    if owner_key is not None and form.currency not in (None, currency):
        raise InvalidError.of("currency", f"found {form.currency}, its owner is in {currency}")
    if await act.conn.scalar(select(rate_table.c.key).where(rate_table.c.id == form.id)) is not None:
        raise ConflictError(f"the rate table id {form.id} is taken")
    values = form.model_dump(mode="json", exclude={"owner_id", "currency"})
    await insert_row(act.conn, rate_table, owner_key=owner_key, currency=form.currency or currency, **values)
    await act.changed("rate_table", form.id, owner_key, after=form.model_dump(mode="json"))
    return await get(act, form.id)


async def remove(act: Act, table_id: str) -> None:
    """Remove a table that never had rows and that nobody buys by (authorization 1).

    Raises ForbiddenError, NotFoundError, ConflictError.
    """
    await act.require(Authorization.ACCOUNT)
    row = await _row(act, table_id)
    if await act.conn.scalar(select(rate.c.key).where(rate.c.table_key == row.key).limit(1)) is not None:
        raise ConflictError(f"rate table {table_id} has had rows, which call records name")
    users = select(account.c.id).where(account.c.rate_table_key == row.key).order_by(account.c.id).limit(20)
    if found := (await act.conn.scalars(users)).all():
        raise ConflictError(f"accounts buy by rate table {table_id}", found)
    vendors = select(routing_gateway.c.id).where(routing_gateway.c.cost_table_key == row.key).limit(20)
    if found := (await act.conn.scalars(vendors)).all():
        raise ConflictError(f"routing gateways cost by rate table {table_id}", found)
    await act.conn.execute(delete(rate_table).where(rate_table.c.key == row.key))
    await act.changed("rate_table", table_id, row.owner_key)


async def list_rates(
    view: View, table_id: str, prefix: str = "", *, after: str | None = None, limit: int = page.LIMIT
) -> Page[RateInfo]:
    """Rows whose prefix begins with `prefix`, by prefix. Raises NotFoundError, InvalidError."""
    row = await _row(view, table_id)
    of_table = (rate.c.table_key == row.key) & rate.c.removed_ms.is_(None)
    query = select(rate).where(of_table, rate.c.prefix >= prefix, rate.c.prefix < prefix + ":")
    if after is not None:
        last, key = page.position(after, (str, int))
        query = query.where((rate.c.prefix > last) | ((rate.c.prefix == last) & (rate.c.key > key)))
    query = query.order_by(rate.c.prefix, rate.c.key).limit(page.check_limit(limit) + 1)
    rows = (await view.conn.execute(query)).all()
    items = [RateInfo(**{name: each._mapping[name] for name in RateInfo.__slots__}) for each in rows[:limit]]
    last_row = rows[limit - 1] if len(rows) > limit else None
    return Page(items, None if last_row is None else page.cursor(last_row.prefix, last_row.key))


async def import_(desk: Desk, actor: Actor, table_id: str, form: PriceListForm) -> ImportInfo:
    """Have a table say what a price list says, all of it or nothing (authorization 1).

    Raises ForbiddenError, NotFoundError, InvalidError with every line that is wrong, ConflictError where
    somebody else changed the tables meanwhile, UnavailableError.
    """
    async with desk.writing(actor, "rate_table.import", Authorization.ACCOUNT) as act:
        row = await _row(act, table_id)
        told = {"lines": form.csv.count("\n"), "keep": form.keep, "dry_run": form.dry_run}
        await act.changed("rate_table", table_id, row.owner_key, **told)
        table = await store.table_by_id(act.conn, table_id)
        assert table is not None, "it was found just now"

    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".csv") as file:
        file.write(form.csv)
        file.flush()
        report = await _taken(desk, table, Path(file.name), dry_run=form.dry_run, keep=form.keep)
    if report.problems:
        raise InvalidError([Problem("csv", str(problem)) for problem in report.problems])
    if desk.proxy is not None:
        desk.proxy.wake()
    changes = [ChangeInfo(str(one.kind), *one[1:6]) for one in report.changes]
    counts = {str(kind): count for kind, count in report.counts.items()}
    return ImportInfo(report.imported, report.lines, counts, changes)


async def import_file(desk: Desk, actor: Actor, table: RateTable, path: Path) -> price_lists.Report:
    """The same from a file of any size: the table is what it says. Raises as `import_`."""
    async with desk.writing(actor, "rate_table.import", Authorization.ACCOUNT) as act:
        owner_key = (await _row(act, table.id)).owner_key
        await act.changed("rate_table", table.id, owner_key, file=path.name)
    report = await _taken(desk, table, path, dry_run=False, keep=False)
    if report.problems:
        raise InvalidError([Problem("", str(problem)) for problem in report.problems])
    if desk.proxy is not None:
        desk.proxy.wake()
    return report


async def _taken(
    desk: Desk, table: RateTable, path: Path, *, dry_run: bool, keep: bool
) -> price_lists.Report:
    try:
        return await asyncio.to_thread(
            price_lists.import_,
            desk.store.path,
            table,
            path,
            dry_run=dry_run,
            keep=keep,
            shown=CHANGES_SHOWN,
            progress=lambda *_: None,
        )
    except PriceListError as error:
        raise InvalidError.of("csv", str(error).partition(".csv: ")[2] or str(error)) from None
    except RuntimeError as error:
        raise ConflictError(str(error)) from None
    except sqlite3.Error as error:
        raise UnavailableError(f"the database cannot be written now: {error}") from None


async def price(view: View, account_id: str, digits: str) -> PriceInfo:
    """What an account in scope pays for calls to a number now. Raises NotFoundError, InvalidError."""
    key = await view.account_key(account_id)
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise InvalidError.of("number", "expected at most 18 digits")
    query = select(rate_table.c.id, account.c.time_zone).join(
        account, account.c.rate_table_key == rate_table.c.key
    )
    row = (await view.conn.execute(query.where(account.c.key == key))).one_or_none()
    if row is None:
        return PriceInfo(None)
    table = await store.table_by_id(view.conn, row.id)
    assert table is not None, "an account names it"
    found, _ = await price_lists.find(view.conn, table, digits, view.now_ms, row.time_zone)
    return PriceInfo(None if found is None else _rate(found))


async def export_page(view: View, table_id: str) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Names of columns and all rows of a table as cells. Raises NotFoundError."""
    row = await _row(view, table_id)
    found: list[tuple[object, ...]] = []
    async for some in store.rates_of(view.conn, row.key):
        found += map(cells, some)
    return NAMES, found


async def _row(view: View, table_id: str) -> Any:
    return await view.in_scope(
        "rate_table", table_id, _SELECT.where(rate_table.c.id == table_id), "owner_key"
    )


_SELECT: Select[Any] = select(
    rate_table,
    account.c.id.label("owner_id"),
    select(func.count())
    .where(rate.c.table_key == rate_table.c.key, rate.c.removed_ms.is_(None))
    .scalar_subquery()
    .label("rows"),
).outerjoin(account, account.c.key == rate_table.c.owner_key)


def _info(row: Any) -> RateTableInfo:
    return RateTableInfo(**{name: row._mapping[name] for name in RateTableInfo.__slots__})


def _rate(found: Rate) -> RateInfo:
    return RateInfo(
        prefix=found.prefix,
        destination=found.destination,
        rate_micros=found.rate_micros,
        connect_fee_micros=found.connect_fee_micros,
        initial_seconds=found.initial_seconds,
        next_seconds=found.next_seconds,
        grace_seconds=found.grace_seconds,
        minimum_seconds=found.minimum_seconds,
        minimum_micros=found.minimum_micros,
        valid_from=found.window.valid_from,
        valid_till=found.window.valid_till,
    )
