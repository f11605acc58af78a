"""The follower at work: a database that others write to, a loop that judges, a thread between them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from sipguard.calls.exchange import Exchange
from sipguard.calls.follow import Follower
from sipguard.model.ledger import Entry, Posting
from sipguard.policy.funds import Funds
from sipguard.store import database, ledger
from sipguard.store.database import Database
from tests.calls.desk import Desk
from tests.follow import trade
from tests.policy.world import World

AGENT, CUSTOMER = 2, 3
DEADLINE_SECONDS = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "sipguard.db"
    trade.make(made)
    return made


@asynccontextmanager
async def following(path: Path) -> AsyncIterator[tuple[Exchange, Follower, Database]]:
    """A proxy on the database, and its follower while it runs."""
    store = database.open(path)
    exchange = Desk(World()).exchange
    exchange.directory = trade.whole(store)
    with store.snapshot() as conn:
        exchange.funds = Funds(ledger.read_balances(conn))
    exchange.gateways.configure(exchange.directory.routing_gateways.values())
    follower = Follower(exchange, store, trade.SETTINGS, exchange.directory.revision)
    running = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield exchange, follower, store
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.close()


def run(path: Path, act: Callable[[Exchange, Follower, Database], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with following(path) as (exchange, follower, store):
            await act(exchange, follower, store)

    asyncio.run(whole())


def commit(path: Path, *statements: str, foreign_keys: bool = True) -> None:
    """One transaction of another program."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")


def test_no_decision_sees_half_a_transaction(path: Path) -> None:
    """Each transaction moves the lock, and a section with it, from one account to the other."""

    def move(locked: int) -> None:
        commit(
            path,
            f"UPDATE account SET locked = (key = {locked}) WHERE key = {AGENT}",
            "DELETE FROM section WHERE prefix = '999'",
            "INSERT INTO section (account_key, direction, action, prefix)"
            f" VALUES ({locked}, 'called', 'block', '999')",
            f"UPDATE account SET locked = (key = {locked}) WHERE key = {CUSTOMER}",
        )

    def write() -> None:
        for number in range(40):
            move((AGENT, CUSTOMER)[number % 2])

    move(CUSTOMER)

    async def act(exchange: Exchange, follower: Follower, _: Database) -> None:
        writing = asyncio.create_task(asyncio.to_thread(write))
        seen = set()
        while not writing.done():
            directory = exchange.directory
            (locked,) = [key for key in (AGENT, CUSTOMER) if directory.accounts[key].locked]
            blocking = [
                ruling.account.key
                for ruling in directory.chain(CUSTOMER).rulings
                if not ruling.calling and ruling.sheet.value("9991") == 0
            ]
            assert blocking == [locked]
            assert directory.chain(CUSTOMER).locked == directory.accounts[locked]
            seen.add(directory.revision)
            await asyncio.sleep(0.001)
        assert await follower.refresh() == exchange.directory.revision
        assert len(seen) > 3

    run(path, act)


def test_money_and_configuration_of_one_transaction_come_together(path: Path) -> None:
    async def act(exchange: Exchange, follower: Follower, store: Database) -> None:
        account = exchange.directory.accounts[CUSTOMER]
        before = exchange.funds.balance(account.balance_ledger)
        entry = Entry("payment:1", "payment", 0, (Posting(1, -500), Posting(account.balance_ledger, 500)))
        async with store.writing() as conn:
            await ledger.post(conn, entry, "test")
            raw = await conn.get_raw_connection()
            await raw.driver_connection.execute(  # type: ignore[union-attr]
                f"UPDATE account SET credit_limit_micros = 77 WHERE key = {CUSTOMER}"
            )
        revision = await follower.refresh()
        assert exchange.directory.revision == revision
        assert exchange.directory.accounts[CUSTOMER].credit_limit_micros == 77
        assert exchange.funds.balance(account.balance_ledger) == before + 500
        assert await follower.refresh() == revision
        assert exchange.funds.balance(account.balance_ledger) == before + 500, "once"

    run(path, act)


def test_what_cannot_be_judged_by_is_not_taken_until_it_is_mended(path: Path) -> None:
    async def act(exchange: Exchange, follower: Follower, _: Database) -> None:
        good = exchange.directory
        await asyncio.to_thread(commit, path, "DELETE FROM rate_table WHERE key = 1", foreign_keys=False)
        await follower.refresh()
        assert exchange.directory is good
        await asyncio.to_thread(commit, path, f"UPDATE account SET locked = 1 WHERE key = {AGENT}")
        await follower.refresh()
        assert exchange.directory is good, "half a configuration is worse than an old one"
        await asyncio.to_thread(
            commit, path, "INSERT INTO rate_table (key, id, currency) VALUES (1, 'retail', 'USD')"
        )
        assert await follower.refresh() == exchange.directory.revision
        assert exchange.directory.accounts[AGENT].locked
        assert exchange.directory.rates.table(1) is not None

    run(path, act)


def test_a_gateway_that_did_not_change_keeps_what_is_known_of_it(path: Path) -> None:
    async def act(exchange: Exchange, follower: Follower, _: Database) -> None:
        before = dict(exchange.gateways.destinations)
        await asyncio.to_thread(commit, path, "UPDATE routing_gateway SET port = 5080 WHERE key = 2")
        await follower.refresh()
        after = exchange.gateways.destinations
        assert after[1] is before[1]
        assert after[2] is not before[2]

    run(path, act)
