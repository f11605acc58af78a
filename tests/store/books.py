"""A small operator for the tests of the store: three ledgers of the house, a chain of two, one vendor's."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.cdr import Cdr, GatewayTry, LevelCharge, Outcome
from sipguard.model.ledger import Entry, LedgerKind, Posting
from sipguard.store import account, database, ledger
from sipguard.store.batch import CallClosed

T = TypeVar("T")

# Ledger account keys, in the order in which open_accounts makes them in an empty database.
CASH, REVENUE, COST = 1, 2, 3
AGENT_BALANCE, AGENT_REVENUE, CUSTOMER_BALANCE, CUSTOMER_REVENUE = 4, 5, 6, 7
FOREIGN_CASH, TAX = 8, 9
LEDGERS = (CASH, REVENUE, COST, AGENT_BALANCE, AGENT_REVENUE, CUSTOMER_BALANCE, CUSTOMER_REVENUE)

EPOCH = 1 << 40


async def open_accounts(conn: AsyncConnection) -> None:
    for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST):
        await ledger.insert(conn, kind, "BDT")
    agent = await account.insert(conn, id="agent", name="Agent", currency="BDT")
    await account.insert(conn, id="customer", name="Customer", currency="BDT", agent_key=agent.key)
    assert await ledger.insert(conn, LedgerKind.CASH, "USD") == FOREIGN_CASH
    assert await ledger.insert(conn, LedgerKind.TAX, "BDT") == TAX


def payment(key: str, micros: int, to: int = CUSTOMER_BALANCE, memo: str = "") -> Entry:
    return Entry(f"payment:{key}", "payment", 1_000, (Posting(CASH, -micros), Posting(to, micros)), memo)


def charge(call: int, customer_pays: int = 1_300_000, agent_pays: int = 800_000) -> Entry:
    """The entry of a call: each level pays the one above."""
    postings = (
        Posting(CUSTOMER_BALANCE, -customer_pays),
        Posting(AGENT_REVENUE, customer_pays),
        Posting(AGENT_BALANCE, -agent_pays),
        Posting(REVENUE, agent_pays),
    )
    return Entry(f"call:{call}", "call", 62_000 + call % 1_000, postings)


def closed(sequence: int, **changed: Any) -> CallClosed:
    """An answered call with its charge; `changed`: fields of the CDR."""
    call = EPOCH + sequence
    levels = (
        LevelCharge(0, "customer", CUSTOMER_BALANCE, AGENT_REVENUE, 5, 1_300_000, 60, 1_300_000, 10_000_000),
        LevelCharge(1, "agent", AGENT_BALANCE, REVENUE, None, 800_000, 60, 800_000, 20_000_000),
    )
    fields: dict[str, Any] = {
        "call": call,
        "sip_call_id": f"{sequence}@192.0.2.1",
        "outcome": Outcome.ANSWERED,
        "source": "192.0.2.1:5060",
        "account_id": "customer",
        "mapping_gateway_id": "trunk",
        "routing_gateway_id": "Vendor-B",
        "called_received": "+8801711000001",
        "called": "8801711000001",
        "called_sent": "8801711000001",
        "calling_received": "14155550100",
        "calling": "14155550100",
        "invited_ms": 1_000,
        "ringing_ms": 1_500,
        "answered_ms": 2_000,
        "ended_ms": 62_000,
        "duration_ms": 60_000,
        "status": 200,
        "reason": None,
        "q850": 16,
        "ended_by": "caller",
        "refusal_level": None,
        "refusal_rule": None,
        "refusal_observed": None,
        "refusal_required": None,
        "cost_micros": 550_000,
        "revision": 3,
        "user_agent": "Asterisk",
        "tries": (
            GatewayTry("Vendor-A", "8801711000001", 503, "response"),
            GatewayTry("Vendor-B", "8801711000001", 200, "response"),
        ),
        "levels": levels,
    }
    return CallClosed(Cdr(**fields | changed), charge(call))


def refused(sequence: int) -> CallClosed:
    """An attempt that sipguard refused: no charge, no gateway, no levels."""
    told = closed(
        sequence,
        outcome=Outcome.REFUSED,
        answered_ms=None,
        ringing_ms=None,
        duration_ms=0,
        cost_micros=0,
        status=402,
        reason="not_enough_money",
        tries=(),
        levels=(),
    )
    return CallClosed(told.cdr, None)


def read(path: Path, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Run a query of the store in one read transaction."""

    async def run() -> T:
        opened = database.open(path)
        try:
            async with opened.reading() as conn:
                return await query(conn)
        finally:
            await opened.close()

    return asyncio.run(run())


def write(path: Path, command: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Run a command of the store in one write transaction."""

    async def run() -> T:
        opened = database.open(path)
        try:
            async with opened.writing() as conn:
                return await command(conn)
        finally:
            await opened.close()

    return asyncio.run(run())


def connect(path: Path) -> closing[sqlite3.Connection]:
    """A connection set up as all are; for looking, and for doing what the store would not."""
    connection = sqlite3.connect(path, isolation_level=None)
    database.configure(connection)
    return closing(connection)


def rows(path: Path, sql: str, *parameters: object) -> list[Any]:
    with connect(path) as connection:
        return connection.execute(sql, parameters).fetchall()
