"""Figures over time for people: points without gaps, derived rates, balances carried on.

Terms are those of ITU-T E.411 and E.425: a seizure is a call that was sent to a gateway, so what sipguard
refused itself is an attempt and no seizure; ASR is answered calls per seizure, ACD their average length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.desk import View
from sipguard.manage.errors import InvalidError, NotFoundError
from sipguard.model.ledger import LedgerKind
from sipguard.model.money import Micros
from sipguard.store import series as store
from sipguard.store.account import account
from sipguard.store.gateway import mapping_gateway
from sipguard.store.ledger import ledger_account
from sipguard.store.series import HOUR, MINUTE, Row, Scope

ScopeName = Literal["all", "account", "agent", "mapping_gateway", "routing_gateway", "destination"]
SCOPES: tuple[str, ...] = get_args(ScopeName)

STEPS = {"minute": 60, "5m": 300, "15m": 900, "hour": 3600, "day": 86_400}
"""Steps by name, in seconds; days begin at midnight UTC."""

POINTS_MAX = 10_080
"""In one answer: a week of minutes, a year of hours."""


class Point(msgspec.Struct, frozen=True):
    """One step of a series. Calls count in the step in which they ended."""

    at: int
    """Unix seconds at which the step begins."""
    attempts: int
    answered: int
    refused: int
    failed: int
    cancelled: int
    asr: float | None
    """Answered calls per seizure, 0 to 1; None where there was no seizure."""
    acd_seconds: float | None
    """Average length of answered calls; None where there was none."""
    pdd_ms: float | None
    """Average post-dial delay: from INVITE to ringing or answer; None where nothing rang."""
    minutes: float
    """Of answered calls together."""
    charge_micros: dict[str, Micros]
    """By currency."""
    cost_micros: dict[str, Micros]
    balance_micros: Micros | None
    """Of the account at the end of the step; None where it is not known, and for other scopes."""
    sub_accounts: int | None
    """Accounts below the account at the end of the step; None likewise."""


async def series(
    conn: AsyncConnection, scope: str, key: str, from_at: int, till_at: int, step: int
) -> list[Point]:
    """The points of [from_at, till_at), from where records of that step begin, one for each step.

    `scope`: one of SCOPES; an "agent" is the account and everything below it, an "account" its own calls
    alone. `key`: the id, the digits of a destination, empty for "all". `from_at`, `till_at`: Unix seconds.
    `step`: seconds, a divisor of an hour in whole minutes, or whole hours. Raises InvalidError.
    """
    kept = _kept_step(step)
    if scope not in SCOPES:
        raise InvalidError.of("scope", f"found {scope}, expected one of {', '.join(SCOPES)}")
    if bool(key) == (scope == "all"):
        raise InvalidError.of("key", f"{scope} has none" if key else f"{scope} needs one")
    oldest = await store.oldest(conn, kept)
    first = from_at - from_at % step
    if oldest is None or till_at <= first:
        return []
    first = max(first, oldest - oldest % step)
    if (points := -(-(till_at - first) // step)) > POINTS_MAX:
        raise InvalidError.of(
            "step", f"makes {points} points, at most {POINTS_MAX} are told: take a larger one"
        )
    rows = await store.rows(conn, kept, _STORED[scope], key, first, till_at)
    balance = growth = None
    if scope in ("account", "agent"):
        balance = await store.balance_before(conn, key, first)
        if balance is None and all(row.balance_micros is None for row in rows):
            balance = await _balance(conn, key)  # it has not changed since figures are kept
        growth = await store.sub_accounts_before(conn, key, first)
    return list(_points(rows, first, till_at, step, balance, growth))


async def seen(view: View, scope: str, key: str, from_at: int, till_at: int, step: int) -> list[Point]:
    """`series` for a login. An account sees itself, what is below it, and the gateways that bring its calls;
    what vendors charged for any of them is the operator's to know.

    Raises NotFoundError for what is out of scope, or is not there; InvalidError.
    """
    if scope in ("account", "agent") and key:
        await view.account_key(key)
    elif scope == "mapping_gateway" and key:
        query = select(mapping_gateway.c.account_key).where(mapping_gateway.c.id == key)
        await view.in_scope("mapping_gateway", key, query, "account_key")
    elif not view.actor.sees_all:
        raise NotFoundError(scope, key)
    points = await series(view.conn, scope, key, from_at, till_at, step)
    if view.actor.sees_all:
        return points
    return [msgspec.structs.replace(point, cost_micros={}) for point in points]


async def window(conn: AsyncConnection, scope: str, key: str, from_at: int, till_at: int) -> Point:
    """[from_at, till_at) added up, at `from_at`; scopes and keys as for `series`.

    In whole minutes, of more than six hours in whole hours.
    """
    kept = MINUTE if till_at - from_at <= 6 * HOUR else HOUR
    sums = _Sums()
    first = from_at - from_at % kept
    for row in await store.rows(conn, kept, _STORED[scope], key, first, till_at):
        sums.add(row)
    return sums.point(first, None, None)


async def windows(
    conn: AsyncConnection, scope: Scope, from_at: int, till_at: int, step: int = MINUTE
) -> dict[str, Point]:
    """Whole steps (MINUTE or HOUR) of [from_at, till_at) added up, of every key that has any."""
    first = from_at - from_at % step
    sums: dict[str, _Sums] = {}
    found: dict[str, Point] = {}
    for number, (key, row) in enumerate(await store.by_key(conn, step, scope, first, till_at), 1):
        sums.setdefault(key, _Sums()).add(row)
        found[key] = sums[key].point(first, None, None)  # again where there is one more currency: few are
        if number % store.SLICE == 0:
            await asyncio.sleep(0)
    return found


_STORED: dict[str, tuple[Scope, ...]] = {
    **{scope.value: (scope,) for scope in Scope if scope is not Scope.BELOW},
    "agent": (Scope.ACCOUNT, Scope.BELOW),
}


async def _balance(conn: AsyncConnection, account_id: str) -> Micros | None:
    of = (account.c.key == ledger_account.c.account_key) & (account.c.id == account_id)
    query = select(ledger_account.c.balance_micros).join(account, of)
    found: Micros | None = await conn.scalar(query.where(ledger_account.c.kind == LedgerKind.BALANCE.value))
    return found


def _kept_step(step: int) -> int:
    """The step of the rows that points of `step` are made of."""
    if step >= HOUR and step % HOUR == 0:
        return HOUR
    if step >= MINUTE and step % MINUTE == 0 and HOUR % step == 0:
        return MINUTE
    raise InvalidError.of("step", f"found {step} s, expected minutes that divide an hour, or whole hours")


def _points(
    rows: list[Row], first: int, till_at: int, step: int, balance: Micros | None, growth: int | None
) -> Iterable[Point]:
    position = 0
    for at in range(first, till_at, step):
        sums = _Sums()
        while position < len(rows) and rows[position].at < at + step:
            row = rows[position]
            position += 1
            sums.add(row)
            balance = balance if row.balance_micros is None else row.balance_micros
            growth = growth if row.sub_accounts is None else row.sub_accounts
        yield sums.point(at, balance, growth)


class _Sums:
    """What points are derived from."""

    def __init__(self) -> None:
        self.answered = self.refused = self.failed = self.cancelled = 0
        self.duration_ms = self.pdd_ms = self.pdd_calls = 0
        self.charges: dict[str, Micros] = {}
        self.costs: dict[str, Micros] = {}

    def add(self, row: Row) -> None:
        self.answered += row.answered
        self.refused += row.refused
        self.failed += row.failed
        self.cancelled += row.cancelled
        self.duration_ms += row.duration_ms
        self.pdd_ms += row.pdd_ms
        self.pdd_calls += row.pdd_calls
        _grow(self.charges, {row.currency: row.charge_micros})
        _grow(self.costs, {row.currency: row.cost_micros})

    def point(self, at: int, balance: Micros | None, growth: int | None) -> Point:
        seizures = self.answered + self.failed + self.cancelled
        return Point(
            at=at,
            attempts=seizures + self.refused,
            answered=self.answered,
            refused=self.refused,
            failed=self.failed,
            cancelled=self.cancelled,
            asr=self.answered / seizures if seizures else None,
            acd_seconds=self.duration_ms / 1000 / self.answered if self.answered else None,
            pdd_ms=self.pdd_ms / self.pdd_calls if self.pdd_calls else None,
            minutes=self.duration_ms / 60_000,
            charge_micros=self.charges,
            cost_micros=self.costs,
            balance_micros=balance,
            sub_accounts=growth,
        )


def _grow(sums: dict[str, Micros], more: dict[str, Micros]) -> None:
    for currency, micros in more.items():
        if micros:
            sums[currency] = sums.get(currency, 0) + micros
