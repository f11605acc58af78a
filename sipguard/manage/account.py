"""Accounts: shown, made, modified, locked. Lists, moving, deleting and grants are in files of their own."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, exists, or_, select, update

from sipguard.manage import etag, sub_agent
from sipguard.manage.account_form import AccountChanges, NewAccount
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, ForbiddenError, InvalidError
from sipguard.model.authorization import Authorization
from sipguard.model.ledger import LedgerKind
from sipguard.store import account as store
from sipguard.store import ledger, rate
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
    warnings: tuple[str, ...] = ()
    """What is unusual about what was just done; empty in lists."""

    @property
    def etag(self) -> str:
        """Version of what can be modified."""
        return etag.etag(self.version)

    @property
    def version(self) -> dict[str, object]:
        """What the etag is of: not what calls and other accounts change."""
        return {name: value for name, value in asdict(self).items() if name not in _MOVING}


_MOVING = ("balance_micros", "revenue_micros", "category", "warnings")


async def get(view: View, account_id: str) -> AccountInfo:
    """Raises NotFoundError."""
    key = await view.account_key(account_id)
    return info(view, (await view.conn.execute(SELECT.where(account.c.key == key))).one()._mapping)


async def own(view: View) -> AccountInfo | None:
    """The account of the login that asks; None: it has none, it is the operator's."""
    if view.actor.account_key is None:
        return None
    own_row = SELECT.where(account.c.key == view.actor.account_key, account.c.closed_ms.is_(None))
    row = (await view.conn.execute(own_row)).mappings().one_or_none()
    return None if row is None else info(view, row)


async def create(act: Act, form: NewAccount, *, approved: bool = False) -> AccountInfo:
    """Make an account below the actor's own, or below an agent in its scope (authorization 1).

    `approved`: by an administrator, where that is needed. Raises ForbiddenError, NotFoundError for an agent
    out of scope, InvalidError, ConflictError for an id that is taken and for a tree that would be too deep.
    """
    await act.require(Authorization.ACCOUNT)
    agent_key = act.actor.account_key if form.agent_id is None else await act.account_key(form.agent_id)
    if not approved and await sub_agent.needs_approval(act, agent_key):
        raise ForbiddenError(sub_agent.NEEDED)
    currency = await _currency(act, form, agent_key)
    _check_times(form.valid_from, form.valid_till)
    if form.credit_limit_micros:
        await act.require(Authorization.SUB_PAYMENT)  # money for calls
    if await act.conn.scalar(select(account.c.key).where(account.c.id == form.id)) is not None:
        raise ConflictError(f"the account id {form.id} is taken")
    warnings = await sub_agent.check_depth(act, agent_key)
    values = form.model_dump(exclude={"id", "agent_id", "currency", "rate_table_id", "memo"})
    values["name"] = values["name"] or form.id
    table_key = await sold_table(act, form.rate_table_id, agent_key, currency)
    added = await store.insert(
        act.conn, id=form.id, agent_key=agent_key, currency=currency, rate_table_key=table_key, **values
    )
    await act.conn.execute(update(account).where(account.c.key == added.key).values(memo=form.memo))
    await act.changed("account", form.id, added.key, after=form.model_dump())
    return replace(await get(act, form.id), warnings=warnings)


async def modify(act: Act, account_id: str, form: AccountChanges, expected: str | None = None) -> AccountInfo:
    """Change what `form` was given (authorization 1; nobody modifies its own account).

    `expected`: the etag of what the actor read. Raises ForbiddenError, NotFoundError, InvalidError and
    StaleError.
    """
    await act.require(Authorization.ACCOUNT)
    key = await managed(act, account_id)
    before = await get(act, account_id)
    etag.check("account", account_id, expected, before.version)
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
        columns["rate_table_key"] = await sold_table(act, table_id, agent_key, before.currency)
    if columns:
        await act.conn.execute(update(account).where(account.c.key == key).values(columns))
    was = {name: value for name, value in asdict(before).items() if name in values}
    await act.changed("account", account_id, key, before=was, after=values)
    return await get(act, account_id)


async def lock(act: Act, account_id: str, locked: bool) -> AccountInfo:
    """Lock an account, and with it all below at once, or unlock it (authorization 1). Done twice is done.

    Raises ForbiddenError, NotFoundError.
    """
    await act.require(Authorization.ACCOUNT)
    key = await managed(act, account_id)
    was = await act.conn.scalar(select(account.c.locked).where(account.c.key == key))
    if was != locked:
        await act.conn.execute(update(account).where(account.c.key == key).values(locked=locked))
        await act.changed("account", account_id, key, before={"locked": was}, after={"locked": locked})
    return await get(act, account_id)


async def managed(act: Act, account_id: str) -> int:
    """The key of an account below the actor. Raises NotFoundError, ForbiddenError for the actor's own.

    Nothing of its own account is an account's to change: names stand on its agent's statements, limits and
    prices are its agent's side of the bargain.
    """
    key = await act.account_key(account_id)
    if key == act.actor.account_key:
        raise ForbiddenError("an account does not manage itself: its agent does")
    return key


BALANCE = ledger.ledger_account.alias("balance")
_REVENUE = ledger.ledger_account.alias("revenue")
_AGENT = account.alias("agent")
_SUB = account.alias("sub")
SELECT: Select[Any] = (
    select(
        account,
        _AGENT.c.id.label("agent_id"),
        rate.rate_table.c.id.label("rate_table_id"),
        BALANCE.c.balance_micros,
        _REVENUE.c.balance_micros.label("revenue_micros"),
        exists(select(_SUB.c.key).where(_SUB.c.agent_key == account.c.key, _SUB.c.closed_ms.is_(None))).label(
            "is_agent"
        ),
    )
    .outerjoin(_AGENT, _AGENT.c.key == account.c.agent_key)
    .outerjoin(rate.rate_table, rate.rate_table.c.key == account.c.rate_table_key)
    .join(BALANCE, and_(BALANCE.c.account_key == account.c.key, BALANCE.c.kind == LedgerKind.BALANCE))
    .join(_REVENUE, and_(_REVENUE.c.account_key == account.c.key, _REVENUE.c.kind == LedgerKind.REVENUE))
)


def info(view: View, row: Any) -> AccountInfo:
    """A row of SELECT as its managers see it."""
    values = {name: row[name] for name in AccountInfo.__slots__ if name not in ("category", "warnings")}
    if row["key"] == view.actor.account_key:
        # Who stands above, and what is noted there, is not the account's to know.
        values |= {"agent_id": None, "memo": ""}
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


async def sold_table(act: Act, table_id: str | None, agent_key: int | None, currency: str) -> int | None:
    """The key of the table that an account below `agent_key` may buy by: of its agent or of the operator.

    Raises InvalidError. The operator's tables are for administrators to give.
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
