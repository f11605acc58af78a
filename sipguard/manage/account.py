"""Accounts: shown, listed, made, modified. Moving, deleting and grants are in files of their own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update

from sipguard.manage import etag, page
from sipguard.manage.account_form import AccountChanges, NewAccount
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.page import Page
from sipguard.model.authorization import Authorization
from sipguard.model.ledger import LedgerKind
from sipguard.store import account as store
from sipguard.store import ledger, rate, tree
from sipguard.store.account import account


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account as its managers see it."""

    id: str
    name: str
    memo: str
    agent_id: str | None
    """None for a top-level account, and for the account of the login that asks."""
    category: str
    """"agent" while it has sub-accounts, else "account"; nobody sets it."""
    currency: str
    rate_table_id: str | None
    credit_limit_micros: int
    call_limit: int | None
    cps_limit: int | None
    max_call_seconds: int | None
    max_rate_micros: int | None
    locked: bool
    lock_ends_calls: bool | None
    valid_from: int | None
    valid_till: int | None
    time_zone: str
    tax_ppm: int
    balance_micros: int
    revenue_micros: int
    """Earned from its direct sub-accounts; not spendable."""

    @property
    def etag(self) -> str:
        """Version of what can be modified."""
        return etag.etag({name: value for name, value in asdict(self).items() if name not in _MOVING})


_MOVING = ("balance_micros", "revenue_micros", "category")


async def get(view: View, account_id: str) -> AccountInfo:
    """Raises NotFoundError."""
    key = await view.account_key(account_id)
    return _info(view, (await view.conn.execute(_SELECT.where(account.c.key == key))).one()._mapping)


async def list_direct(
    view: View, agent_id: str | None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[AccountInfo]:
    """The first level below an agent, by id; None: below the login's own account, or the top level.

    Raises NotFoundError, InvalidError for a cursor that is none.
    """
    above = view.actor.account_key if agent_id is None else await view.account_key(agent_id)
    return await _page(
        view, account.c.agent_key.is_(None) if above is None else account.c.agent_key == above, after, limit
    )


async def list_all(
    view: View, agent_id: str | None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[AccountInfo]:
    """Everything below an agent, by id. Raises as `list_direct`."""
    above = view.actor.account_key if agent_id is None else await view.account_key(agent_id)
    if above is None:
        return await _page(view, None, after, limit)
    return await _page(view, account.c.key.in_(select(tree.below(above).c.key)), after, limit)


async def create(act: Act, form: NewAccount) -> AccountInfo:
    """Make an account below the actor's own, or below an agent in its scope (authorization 1).

    Raises ForbiddenError, NotFoundError for an agent out of scope, InvalidError, ConflictError for an id that
    is taken.
    """
    await act.require(Authorization.ACCOUNT)
    agent_key = act.actor.account_key if form.agent_id is None else await act.account_key(form.agent_id)
    currency = await _currency(act, form, agent_key)
    _check_times(form.valid_from, form.valid_till)
    if form.credit_limit_micros:
        await act.require(Authorization.SUB_PAYMENT)  # money for calls
    if await act.conn.scalar(select(account.c.key).where(account.c.id == form.id)) is not None:
        raise ConflictError(f"the account id {form.id} is taken")
    values = form.model_dump(exclude={"id", "agent_id", "currency", "rate_table_id", "memo"})
    values["name"] = values["name"] or form.id
    table_key = await _rate_table(act, form.rate_table_id, agent_key, currency)
    added = await store.insert(
        act.conn, id=form.id, agent_key=agent_key, currency=currency, rate_table_key=table_key, **values
    )
    await act.conn.execute(update(account).where(account.c.key == added.key).values(memo=form.memo))
    await act.changed("account", form.id, added.key, after=form.model_dump())
    return await get(act, form.id)


async def modify(act: Act, account_id: str, form: AccountChanges, expected: str | None = None) -> AccountInfo:
    """Change what `form` was given (authorization 1; nobody modifies its own account).

    `expected`: the etag of what the actor read. Raises ForbiddenError, NotFoundError, InvalidError and
    StaleError.
    """
    await act.require(Authorization.ACCOUNT)
    key = await act.account_key(account_id)
    if key == act.actor.account_key:
        raise InvalidError.of("", "an account does not modify itself: its agent does")
    before = await get(act, account_id)
    etag_of = {name: value for name, value in asdict(before).items() if name not in _MOVING}
    etag.check("account", account_id, expected, etag_of)
    values: dict[str, Any] = form.model_dump(exclude_unset=True)
    if values.get("credit_limit_micros", before.credit_limit_micros) != before.credit_limit_micros:
        await act.require(Authorization.SUB_PAYMENT)  # money for calls
    told = {"valid_from": before.valid_from, "valid_till": before.valid_till} | values
    _check_times(told["valid_from"], told["valid_till"])
    if "name" in values and not values["name"]:
        raise InvalidError.of("name", "an account has a name")
    columns = dict(values)
    if "rate_table_id" in columns:
        agent_key = await act.conn.scalar(select(account.c.agent_key).where(account.c.key == key))
        table_id = columns.pop("rate_table_id")
        columns["rate_table_key"] = await _rate_table(act, table_id, agent_key, before.currency)
    if columns:
        await act.conn.execute(update(account).where(account.c.key == key).values(columns))
    was = {name: value for name, value in asdict(before).items() if name in values}
    await act.changed("account", account_id, key, before=was, after=values)
    return await get(act, account_id)


_BALANCE = ledger.ledger_account.alias("balance")
_REVENUE = ledger.ledger_account.alias("revenue")
_AGENT = account.alias("agent")
_SUB = account.alias("sub")
_SELECT: Select[Any] = (
    select(
        account,
        _AGENT.c.id.label("agent_id"),
        rate.rate_table.c.id.label("rate_table_id"),
        _BALANCE.c.balance_micros,
        _REVENUE.c.balance_micros.label("revenue_micros"),
        exists(select(_SUB.c.key).where(_SUB.c.agent_key == account.c.key)).label("is_agent"),
    )
    .outerjoin(_AGENT, _AGENT.c.key == account.c.agent_key)
    .outerjoin(rate.rate_table, rate.rate_table.c.key == account.c.rate_table_key)
    .join(_BALANCE, and_(_BALANCE.c.account_key == account.c.key, _BALANCE.c.kind == LedgerKind.BALANCE))
    .join(_REVENUE, and_(_REVENUE.c.account_key == account.c.key, _REVENUE.c.kind == LedgerKind.REVENUE))
)


async def _page(
    view: View, condition: ColumnElement[bool] | None, after: str | None, limit: int
) -> Page[AccountInfo]:
    query = _SELECT if condition is None else _SELECT.where(condition)
    if after is not None:
        (last,) = page.position(after, (str,))
        query = query.where(account.c.id > last)
    rows = (
        (await view.conn.execute(query.order_by(account.c.id).limit(page.check_limit(limit) + 1)))
        .mappings()
        .all()
    )
    items = [_info(view, row) for row in rows[:limit]]
    return Page(items, page.cursor(items[-1].id) if len(rows) > limit else None)


def _info(view: View, row: Any) -> AccountInfo:
    values = {name: row[name] for name in AccountInfo.__slots__ if name != "category"}
    if row["key"] == view.actor.account_key:
        values["agent_id"] = None  # who stands above is not the account's to know
    return AccountInfo(category="agent" if row["is_agent"] else "account", **values)


async def _currency(act: Act, form: NewAccount, agent_key: int | None) -> str:
    """One currency per tree: that of the agent."""
    if agent_key is None:
        if form.currency is None:
            raise InvalidError.of("currency", "a top-level account needs one")
        return form.currency
    above: str = (
        await act.conn.execute(select(account.c.currency).where(account.c.key == agent_key))
    ).scalar_one()
    if form.currency not in (None, above):
        raise InvalidError.of("currency", f"found {form.currency}, the tree of its agent is in {above}")
    return above


async def _rate_table(act: Act, table_id: str | None, agent_key: int | None, currency: str) -> int | None:
    """The table that an account below `agent_key` may buy by: of its agent or of the operator.

    The operator's are for administrators to give: to an agent's customers it gives the agent's own.
    """
    if table_id is None:
        return None
    table = rate.rate_table
    mine = table.c.owner_key == agent_key
    if act.actor.sees_all:
        mine = or_(mine, table.c.owner_key.is_(None))
    found = (
        await act.conn.execute(select(table.c.key, table.c.currency).where(table.c.id == table_id, mine))
    ).one_or_none()
    if found is None:
        raise InvalidError.of("rate_table_id", f"there is no rate table {table_id} that its agent sells by")
    if found.currency != currency:
        raise InvalidError.of(
            "rate_table_id", f"{table_id} is in {found.currency}, the account in {currency}"
        )
    return int(found.key)


def _check_times(valid_from: int | None, valid_till: int | None) -> None:
    if valid_from is not None and valid_till is not None and valid_till <= valid_from:
        raise InvalidError.of("valid_till", "is not after valid_from")
