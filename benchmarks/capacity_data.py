"""A database of the size that capacity is measured at: a million accounts, ten million rates and sections.

Every step knows how far it got, so that a build which was interrupted goes on where it was. Rows are written
as bulk commands write them: many in a transaction, the change feed kept by the triggers.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.policy import COUNTRY_CODES
from sipguard.store import database

_BATCH = 20_000
CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is of everything."""

    levels: tuple[int, ...]
    """Accounts of every level of the tree, the roots first."""
    rate_tables: int
    rates_of_table: int
    sections_of_account: int
    mapping_gateways: int
    routing_gateways: int

    @property
    def accounts(self) -> int:
        return sum(self.levels)

    @property
    def rates(self) -> int:
        return self.rate_tables * self.rates_of_table

    @property
    def sections(self) -> int:
        return self.accounts * self.sections_of_account


def shape(scale: float) -> Shape:
    """1: a million accounts five levels deep, ten million rates and sections; 0.001: what fits a desk."""
    accounts = round(1_000_000 * scale)
    upper = [max(1, round(accounts * part)) for part in (0.00002, 0.0005, 0.01, 0.1)]
    return Shape(
        levels=(*upper, accounts - sum(upper)),
        rate_tables=max(10, round(1_000 * scale)),
        rates_of_table=8_000,
        sections_of_account=2,
        mapping_gateways=min(1_000, accounts - sum(upper)),
        routing_gateways=1_000 if accounts >= 10_000 else 50,
    )


def prefixes(count: int) -> list[str]:
    """Prefixes of a price list, in order: every country code, and what is dearer or cheaper within it."""
    chance = random.Random(7)
    found = set(COUNTRY_CODES)
    while len(found) < count:
        found.add(chance.choice(COUNTRY_CODES) + str(chance.randint(2, 99999)))
    return sorted(found)[:count]


def source(index: int) -> str:
    """The address that calls of a mapping gateway come from, counted from 0."""
    return f"127.77.{index // 250}.{index % 250 + 1}"


def build(path: Path, told: Shape) -> None:
    """Make the database at `path`, or what is missing of it."""
    if not path.exists():
        asyncio.run(database.create(path).close())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        database.configure(connection)
        connection.execute("PRAGMA synchronous = OFF")  # it can be made again
        connection.execute("PRAGMA cache_size = -200000")
        for name, step in _STEPS:
            _say(f"{name} ...")
            step(connection, told)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _house(connection: sqlite3.Connection, _: Shape) -> None:
    rows = [(kind, CURRENCY) for kind in ("cash", "revenue", "cost", "tax")]
    if not _count(connection, "ledger_account"):
        connection.executemany(
            "INSERT INTO ledger_account (kind, currency, balance_micros) VALUES (?, ?, 0)", rows
        )


def _rate_tables(connection: sqlite3.Connection, told: Shape) -> None:
    have = _count(connection, "rate_table")
    rows = [(f"table-{number}", CURRENCY) for number in range(have, told.rate_tables)]
    _put(connection, "INSERT INTO rate_table (id, currency) VALUES (?, ?)", [rows])


def _rates(connection: sqlite3.Connection, told: Shape) -> None:
    """Table by table: one is whole or not there."""
    (have,) = connection.execute("SELECT coalesce(max(table_key), 0) FROM rate").fetchone()
    listed = prefixes(told.rates_of_table)
    for table in range(have + 1, told.rate_tables + 1):
        chance = random.Random(table)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO feed_pause VALUES ('rate')")
        connection.executemany(
            "INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds,"
            " next_seconds, rate_micros) VALUES (?, ?, ?, 0, ?, ?, ?)",
            (
                (table, prefix, f"Destination {prefix[:3]}", *_INCREMENTS[len(prefix) % 3], price)
                for prefix in listed
                for price in (chance.randint(10_000, 200_000),)
            ),
        )
        connection.execute("DELETE FROM feed_pause")
        connection.execute(
            "INSERT INTO change (at_ms, noun, action, id, first, last)"
            " VALUES (0, 'rates_of', 'insert', ?1, ?1, ?1)",
            [table],
        )
        connection.execute("COMMIT")


_INCREMENTS = ((60, 60), (1, 1), (30, 6))


def _accounts(connection: sqlite3.Connection, told: Shape) -> None:
    """Keys from 1 on, level by level; the parents of a level take its accounts in turn."""
    have = _count(connection, "account")
    below: list[tuple[int, int | None]] = []
    first, above = 1, (0, 0)
    for level, size in enumerate(told.levels):
        below += [(level, above[0] + index % above[1] if level else None) for index in range(size)]
        above, first = (first, size), first + size
    rows = (
        (
            key,
            f"a{key:07d}",
            f"Account {key}",
            agent,
            CURRENCY,
            key % told.rate_tables + 1,
            10**12,
            10**6,
            10**6,
        )
        for key, (_, agent) in islice(enumerate(below, 1), have, None)
    )
    for some in _batches(rows):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO account (key, id, name, agent_key, currency, rate_table_key, credit_limit_micros,"
            " call_limit, cps_limit, locked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            some,
        )
        connection.executemany(
            "INSERT INTO ledger_account (kind, account_key, currency, balance_micros) VALUES (?, ?, ?, 0)",
            [(kind, row[0], CURRENCY) for row in some for kind in ("balance", "revenue")],
        )
        connection.execute("COMMIT")


def _sections(connection: sqlite3.Connection, told: Shape) -> None:
    """Every account allows all and blocks what nobody here calls (satellites, 88x)."""
    (have,) = connection.execute("SELECT coalesce(max(account_key), 0) FROM section").fetchone()
    rows = (
        (account, action, prefix)
        for account in range(have + 1, told.accounts + 1)
        for action, prefix in _rules(account, told.sections_of_account)
    )
    for some in _batches(rows):
        _put(
            connection,
            "INSERT OR IGNORE INTO section (account_key, direction, action, prefix)"
            " VALUES (?, 'called', ?, ?)",
            [some],
        )


def _rules(account: int, count: int) -> Iterator[tuple[str, str]]:
    yield "allow", ""
    for number in range(1, count):
        yield "block", f"88{(account * 7 + number) % 1000:03d}"


def _gateways(connection: sqlite3.Connection, told: Shape) -> None:
    first_customer = sum(told.levels[:-1]) + 1
    connection.execute("BEGIN IMMEDIATE")
    for index in range(_count(connection, "mapping_gateway"), told.mapping_gateways):
        account = first_customer + index * (told.levels[-1] // told.mapping_gateways)
        connection.execute(
            "INSERT INTO mapping_gateway (key, id, account_key, capacity, cps_limit, locked,"
            " international_prefixes, all_routing_gateways) VALUES (?, ?, ?, 100000, 100000, 0, '[]', 1)",
            (index + 1, f"trunk-{index}", account),
        )
        connection.execute(
            "INSERT INTO mapping_gateway_source VALUES (?, ?)", (f"{source(index)}/32", index + 1)
        )
    for index in range(_count(connection, "routing_gateway"), told.routing_gateways):
        connection.execute(
            "INSERT INTO routing_gateway (key, id, host, port, transport, capacity, locked,"
            " vendor_credit_micros, strip_digits, add_prefix, answer_timeout_ms, ring_timeout_ms,"
            " failover_codes)"
            " VALUES (?, ?, ?, 5060, 'udp', 100000, 0, NULL, 0, '', 4000, 181000, '[503]')",
            (index + 1, f"vendor-{index}", f"127.88.{index // 250}.{index % 250 + 1}"),
        )
        connection.execute(
            "INSERT INTO ledger_account (kind, routing_gateway_key, currency, balance_micros)"
            " VALUES ('clearing', ?, ?, 0)",
            (index + 1, CURRENCY),
        )
        codes = {COUNTRY_CODES[(index + step) % len(COUNTRY_CODES)] for step in (0, 61)}
        for prefix in codes if index else {""}:  # the first takes what no other does
            connection.execute(
                "INSERT INTO route (gateway_key, prefix, mode, priority, weight)"
                " VALUES (?, ?, 'terminate', ?, 1)",
                (index + 1, prefix, index % 3),
            )
    connection.execute("COMMIT")


_STEPS = (
    ("house", _house),
    ("rate tables", _rate_tables),
    ("rates", _rates),
    ("accounts", _accounts),
    ("sections", _sections),
    ("gateways", _gateways),
)


def _put(connection: sqlite3.Connection, sql: str, batches: Iterable[Sequence[tuple[object, ...]]]) -> None:
    for rows in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, rows)
        connection.execute("COMMIT")


def _batches(rows: Iterable[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    left = iter(rows)
    while some := list(islice(left, _BATCH)):
        yield some


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
