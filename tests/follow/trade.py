"""A database with something of every noun, and what a directory says of it all."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sipguard.manage import dataset
from sipguard.model.call import Attempt
from sipguard.model.configuration import Settings
from sipguard.policy.decide import Moment, decide
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.policy.pace import Pace
from sipguard.store import configuration, database, feed
from sipguard.store.database import Database
from tests.policy.world import Calls

SETTINGS = Settings(
    slice_seconds=30,
    free_levels=False,
    emergency_numbers=frozenset({"112"}),
    emergency_gateway_ids=(),
    leading_zero_countries=frozenset(),
)

DATA = """
currency = "USD"

[[rate_table]]
id = "retail"
rates = [
  { prefix = "44", destination = "UK", connect_fee = "0.01", initial = 60, next = 60, rate = "0.10" },
  { prefix = "447", destination = "UK mobile", connect_fee = "0", initial = 1, next = 1, rate = "0.20" },
  { prefix = "1", destination = "US", connect_fee = "0", initial = 6, next = 6, rate = "0.05" },
]

[[rate_table]]
id = "cost"
rates = [{ prefix = "", destination = "all", connect_fee = "0", initial = 1, next = 1, rate = "0.01" }]

[[account]]
id = "top"
rate_table = "retail"
credit_limit = "1000"

[[account]]
id = "agent"
agent = "top"
rate_table = "retail"
credit_limit = "1000"
sections = [{ direction = "called", action = "block", prefix = "449" }]

[[account]]
id = "customer"
agent = "agent"
rate_table = "retail"
credit_limit = "1000"
sections = [
  { direction = "called", action = "allow", prefix = "44" },
  { direction = "calling", action = "block", prefix = "33" },
]

[[routing_gateway]]
id = "vendor"
host = "192.0.2.1"
cost_table = "cost"
routes = [{ prefix = "", priority = 1 }]

[[routing_gateway]]
id = "other"
host = "192.0.2.2"
routes = [{ prefix = "44", priority = 2 }]

[[mapping_gateway]]
id = "trunk"
account = "customer"
sources = ["198.51.100.1"]

[[mapping_gateway]]
id = "second"
account = "agent"
sources = ["198.51.100.2"]
username = "second"
password = "a secret of ours"

[[phone]]
id = "desk"
account = "customer"
password = "another secret"
numbers = ["447700900001"]
"""

CALLED = ("447700900001", "447911123456", "442079460000", "449123", "12025550100", "8801711")
SOURCES = ("198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.9")
USERS = ("", "second", "desk", "nobody")
NOW = Moment(1_800_000_000_000, 10**12)


def make(path: Path) -> None:
    """A new database with the trade."""

    async def fill() -> None:
        store = database.create(path)
        async with store.writing() as conn:
            await dataset.load(conn, dataset.parse(DATA), now_ms=0)
        await store.close()

    asyncio.run(fill())


def opened(path: Path) -> sqlite3.Connection:
    """As another program opens it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def whole(store: Database) -> Directory:
    """All of it, from the beginning."""
    with store.snapshot() as conn:
        return Directory.build(configuration.read(conn), SETTINGS)


def follow(store: Database, directory: Directory) -> Directory | None:
    """The next directory out of what the feed names; None where it says that all has to be read."""
    with store.snapshot() as conn:
        rows = feed.read_since(conn, directory.revision)
        changes = configuration.changes(conn, rows) if rows else None
        if changes is None:
            return None if rows else directory
        return directory.changed(changes)


def contents(directory: Directory) -> dict[str, Any]:
    """Everything that a directory knows and says, in values that can be compared."""
    accounts = dict(directory.accounts)
    return {
        "revision": directory.revision,
        "accounts": accounts,
        "count": len(directory.accounts),
        "by id": {one.id: directory.account(one.id) for one in accounts.values()},
        "chains": {key: _chain(directory, key) for key in accounts},
        "tables": {key: directory.rates.table(key) for key in directory.rates.tables()},
        "rates": {key: list(directory.rates.rows(key)) for key in directory.rates.tables()},
        "row counts": (len(directory.rates), len(directory.sections)),
        "trunks": dict(directory.mapping_gateways),
        "gateways": dict(directory.routing_gateways),
        "phones": dict(directory.phones.by_key),
        "lines": {number: directory.phones.at(number) for number in CALLED},
        "logins": {user: directory.logins.find(user) for user in USERS},
        "guarded": directory.logins.guarded,
        "unusable": directory.logins.unusable,
        "sources": {host: _sharers(directory, host) for host in SOURCES},
        "certificates": directory.certificates.find(["sip.example"], SOURCES[0]),
        "house": (
            directory.operator_revenue_ledger,
            directory.operator_cost_ledger,
            directory.tax_ledger,
            directory.believes_assertions,
            directory.emergency_gateways,
        ),
        "verdicts": list(_verdicts(directory)),
    }


def _sharers(directory: Directory, host: str) -> object:
    sharers = directory.sources.find(host)
    return None if sharers is None else (sharers.gateways, sharers.bare, sharers.prefixes)


def _chain(directory: Directory, key: int) -> dict[str, Any]:
    chain = directory.chain(key)
    fields = {name: getattr(chain, name) for name in chain.__slots__ if name != "rulings"}
    rulings = [
        (
            ruling.account,
            ruling.calling,
            ruling.restrictive,
            list(map(ruling.sheet.row, range(len(ruling.sheet)))),
        )
        for ruling in chain.rulings
    ]
    return {**fields, "rulings": rulings}


def _verdicts(directory: Directory) -> Iterator[object]:
    funds = Funds()
    for source in SOURCES:
        for user in USERS:
            for called in CALLED:
                attempt = Attempt(source, 5060, called, "442079461111", f"{called}@{source}", user)
                yield decide(attempt, directory, funds, Calls(), Pace(), NOW)


def changes_of(path: Path) -> list[tuple[Any, ...]]:
    """Rows of the feed: noun, action, first, last."""
    with closing(opened(path)) as connection:
        return connection.execute("SELECT noun, action, first, last FROM change ORDER BY revision").fetchall()
