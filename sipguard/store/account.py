"""Accounts: the tree of agents and their customers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Column, Connection, ForeignKey, Integer, Select, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.account import Account
from sipguard.model.ledger import LedgerKind
from sipguard.model.money import Micros
from sipguard.store import ledger
from sipguard.store.metadata import EVERY, Range, insert_row, metadata, plainly

account = Table(
    "account",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("agent_key", ForeignKey("account.key")),
    Column("currency", Text, nullable=False),
    Column("rate_table_key", ForeignKey("rate_table.key")),
    Column("credit_limit_micros", Integer, nullable=False),
    Column("call_limit", Integer),
    Column("cps_limit", Integer),
    Column("max_call_seconds", Integer),
    Column("max_rate_micros", Integer),
    Column("locked", Boolean, nullable=False),
    Column("valid_from", Integer),
    Column("valid_till", Integer),
    Column("time_zone", Text, nullable=False),
    Column("tax_ppm", Integer, nullable=False),
    Column("lock_ends_calls", Boolean),
    Column("granted", Integer, nullable=False),
    Column("memo", Text, nullable=False),
    Column("closed_ms", Integer),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """An account where it stands in the tree."""

    account: Account
    depth: int
    """0 for a top-level account."""
    balance_micros: Micros
    revenue_micros: Micros
    """Earned from its direct sub-accounts; not spendable."""


async def tree(conn: AsyncConnection) -> list[Listed]:
    """Every open account with its balances, each agent followed by its sub-accounts, siblings by id."""
    below: dict[int | None, list[Mapping[str, Any]]] = {}
    is_open = account.c.closed_ms.is_(None)
    for row in (await conn.execute(_LISTED.where(is_open).order_by(account.c.id))).mappings():
        below.setdefault(row["agent_key"], []).append(row)
    return list(_walk(below))


async def by_id(conn: AsyncConnection, account_id: str) -> Account | None:
    row = (await conn.execute(_LISTED.where(account.c.id == account_id))).mappings().one_or_none()
    return None if row is None else _account(row)


async def by_keys(conn: AsyncConnection, keys: Iterable[int]) -> dict[int, Account]:
    """Those of these that there are."""
    rows = (await conn.execute(_LISTED.where(account.c.key.in_(list(keys))))).mappings()
    return {row["key"]: _account(row) for row in rows}


async def all_accounts(conn: AsyncConnection) -> list[Account]:
    """Every account, agents and customers, in no order that means anything."""
    return [_account(row) for row in (await conn.execute(_LISTED)).mappings()]


def rows(conn: Connection, keys: Range = EVERY) -> Iterator[tuple[Any, ...]]:
    """The fields of every account with such a key, in the order of model.account.Account."""
    yield from plainly(conn, _ROWS, *keys)


def is_named(conn: Connection, key: int) -> bool:
    """Whether an account stands below this one, or a section is its own, though there is no such account."""
    (found,) = plainly(conn, _IS_NAMED, key, key).fetchone()
    return bool(found)


async def insert(
    conn: AsyncConnection,
    *,
    id: str,
    name: str,
    currency: str,
    agent_key: int | None = None,
    rate_table_key: int | None = None,
    credit_limit_micros: Micros = 0,
    call_limit: int | None = None,
    cps_limit: int | None = None,
    max_call_seconds: int | None = None,
    max_rate_micros: Micros | None = None,
    locked: bool = False,
    valid_from: int | None = None,
    valid_till: int | None = None,
    time_zone: str = "UTC",
    tax_ppm: int = 0,
    lock_ends_calls: bool | None = None,
) -> Account:
    """Add an account with empty ledger accounts; fields as in model.account.

    Raises sqlalchemy.exc.IntegrityError where the id is taken or the agent or rate table does not exist.
    """
    values: dict[str, Any] = {
        "id": id,
        "name": name,
        "agent_key": agent_key,
        "currency": currency,
        "rate_table_key": rate_table_key,
        "credit_limit_micros": credit_limit_micros,
        "call_limit": call_limit,
        "cps_limit": cps_limit,
        "max_call_seconds": max_call_seconds,
        "max_rate_micros": max_rate_micros,
        "locked": locked,
        "valid_from": valid_from,
        "valid_till": valid_till,
        "time_zone": time_zone,
        "tax_ppm": tax_ppm,
        "lock_ends_calls": lock_ends_calls,
    }
    key = await insert_row(conn, account, **values)
    return Account(
        key=key,
        balance_ledger=await ledger.insert(conn, LedgerKind.BALANCE, currency, account_key=key),
        revenue_ledger=await ledger.insert(conn, LedgerKind.REVENUE, currency, account_key=key),
        **values,
    )


async def ids_below(conn: AsyncConnection, account_id: str) -> tuple[str, ...]:
    """Ids of an account and of everything below it; empty where there is no such account."""
    top = select(account.c.key, account.c.id).where(account.c.id == account_id).cte("subtree", recursive=True)
    below = select(account.c.key, account.c.id).join(top, account.c.agent_key == top.c.key)
    return tuple(row.id for row in await conn.execute(select(top.union_all(below).c.id)))


_BALANCE = ledger.ledger_account.alias("balance")
_REVENUE = ledger.ledger_account.alias("revenue")
_LISTED: Select[Any] = (
    select(
        account,
        _BALANCE.c.key.label("balance_ledger"),
        _REVENUE.c.key.label("revenue_ledger"),
        _BALANCE.c.balance_micros,
        _REVENUE.c.balance_micros.label("revenue_micros"),
    )
    .join(_BALANCE, (_BALANCE.c.account_key == account.c.key) & (_BALANCE.c.kind == LedgerKind.BALANCE))
    .join(_REVENUE, (_REVENUE.c.account_key == account.c.key) & (_REVENUE.c.kind == LedgerKind.REVENUE))
)


# Fields in their order, in which the ledger accounts stand among the columns.
_FIELDS = ", ".join(
    f"{name[: -len('_ledger')]}.key" if name in ("balance_ledger", "revenue_ledger") else f"a.{name}"
    for name in Account.__slots__
)
_ROWS = f"""
SELECT {_FIELDS} FROM account a
JOIN ledger_account balance ON balance.account_key = a.key AND balance.kind = 'balance'
JOIN ledger_account revenue ON revenue.account_key = a.key AND revenue.kind = 'revenue'
WHERE a.key BETWEEN ? AND ? ORDER BY a.key
"""  # noqa: S608  (names of our own)
_IS_NAMED = """
SELECT EXISTS (SELECT 1 FROM account WHERE agent_key = ?)
    OR EXISTS (SELECT 1 FROM section WHERE account_key = ?)
"""


def _walk(below: dict[int | None, list[Mapping[str, Any]]]) -> Iterator[Listed]:
    """Depth first, with a stack of its own: trees may be deeper than Python recurses."""
    stack = [(row, 0) for row in reversed(below.get(None, []))]
    while stack:
        row, depth = stack.pop()
        yield Listed(_account(row), depth, row["balance_micros"], row["revenue_micros"])
        stack += [(child, depth + 1) for child in reversed(below.get(row["key"], []))]


def _account(row: Mapping[str, Any]) -> Account:
    return Account(**{name: row[name] for name in Account.__slots__})
