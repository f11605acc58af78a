"""A database of the first schema, with calls in it, brought to the present one."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from sipguard.store import cdr_find, configuration, database, gateway, ledger
from sipguard.store.database import StoreError
from tests.store import books

HOUSE = """
INSERT INTO ledger_account (kind, currency, balance_micros) VALUES
    ('cash', 'BDT', 0), ('revenue', 'BDT', -5), ('cost', 'BDT', 0);
INSERT INTO rate_table (id, currency) VALUES ('retail', 'BDT');
INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds,
    rate_micros) VALUES (1, '880', 'Bangladesh', 5, 60, 6, 1200000), (1, '', '', 0, 1, 1, 7);
INSERT INTO account (id, name, currency, rate_table_key, credit_limit_micros, locked)
    VALUES ('a', 'A', 'BDT', 1, 0, 0);
INSERT INTO ledger_account (kind, account_key, currency, balance_micros) VALUES
    ('balance', 1, 'BDT', 5), ('revenue', 1, 'BDT', 0);
INSERT INTO routing_gateway (id, host, port, transport, locked, strip_digits, add_prefix, answer_timeout_ms,
    ring_timeout_ms, failover_codes) VALUES ('v', '192.0.2.1', 5080, 'tcp', 0, 0, '', 4000, 181000, '[503]');
INSERT INTO ledger_account (kind, routing_gateway_key, currency, balance_micros)
    VALUES ('clearing', 1, 'BDT', 0);
INSERT INTO journal_entry VALUES (1, 'payment:1', 'payment', 0, '', '', zeroblob(32), zeroblob(32));
INSERT INTO posting VALUES (1, 0, 2, -5), (1, 1, 4, 5);
INSERT INTO cdr (call, sip_call_id, outcome, source, called_received, calling_received, invited_ms, ended_ms,
    duration_ms, status, ended_by, cost_micros, revision, user_agent)
    VALUES (9, 'c', 'answered', 's', '1', '1', 0, 0, 0, 200, 'caller', 0, 1, '');
INSERT INTO cdr (call, sip_call_id, outcome, source, called_received, calling_received, invited_ms, ended_ms,
    duration_ms, status, ended_by, cost_micros, revision, user_agent)
    VALUES (8, 'c', 'answered', 's', '1', '1', 0, 7, 0, 200, 'caller', 0, 1, '');
INSERT INTO cdr_level VALUES (9, 0, 'a', 4, 2, 1, 7, 1, 5, 5), (8, 1, 'b', 4, 2, 1, 7, 1, 4, 5),
    (8, 0, 'a', 4, 2, NULL, 7, 1, 3, 5);
INSERT INTO cdr_try VALUES (8, 0, 'v', '1', 200, 'response');
"""


def made(path: Path, schema: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database as the program of that schema made it."""
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, schema))
        asyncio.run(database.create(path).close())
    return path


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = made(tmp_path / "sipguard.db", "0001", monkeypatch)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(HOUSE)
    return path


def test_what_was_there_stays_and_means_what_it_did(first: Path) -> None:
    with pytest.raises(StoreError, match=r"its schema is 0001, this program needs \d+: bring it up"):
        database.open(first)
    assert database.migrate(first)[0] == "0001"
    told = books.read(first, configuration.load)
    assert [tuple(row)[:8] for row in told.rates] == [
        (1, 1, "880", "Bangladesh", 5, 60, 6, 1_200_000),
        (2, 1, "", "", 0, 1, 1, 7),
    ]
    assert all(row == type(row)(*row[:8]) for row in told.rates), "with no option that changes its price"
    assert [tuple(table) for table in told.rate_tables] == [(1, "retail", "BDT", "up", "half_up", 1, None)]
    (account,) = told.accounts
    assert (account.time_zone, account.tax_ppm, account.balance_ledger) == ("UTC", 0, 4)
    assert books.read(first, ledger.balances) == {1: 0, 2: -5, 3: 0, 4: 5, 5: 0, 6: 0, told.tax_ledger: 0}
    levels = "SELECT call, charge_micros, tax_ppm, tax_micros, prefix FROM cdr_level ORDER BY call, position"
    assert books.rows(first, levels) == [(8, 3, 0, 0, ""), (8, 4, 0, 0, "880"), (9, 5, 0, 0, "880")]
    assert books.rows(first, "SELECT call, position, gateway_id, status FROM cdr_try") == [(8, 0, "v", 200)]
    # Numbered in the order in which they ended, found by either id, and still for good.
    assert books.rows(first, "SELECT sequence, call FROM cdr ORDER BY sequence") == [(1, 9), (2, 8)]
    found = books.read(first, lambda conn: cdr_find.by_sip_call_id(conn, "c"))
    assert [told.call for told in found] == [8, 9]
    assert [level.account_id for level in found[0].levels] == ["a", "b"]
    (vendor,) = told.routing_gateways
    assert (vendor.host, vendor.port, vendor.transport) == ("192.0.2.1", 5080, "tcp")
    assert (vendor.probe_seconds, vendor.redirects, vendor.failover_codes) == (None, "refuse", {503})
    report = books.read(first, ledger.verify)
    assert (report.residual_micros, report.drifts) == ({"BDT": 0}, [])


def test_a_database_from_before_trust_trusts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "sipguard.db", "0002", monkeypatch)
    books.rows(
        path,
        "INSERT INTO account (id, name, currency, credit_limit_micros, locked) VALUES ('a', '', 'BDT', 0, 0)",
    )
    books.rows(
        path,
        "INSERT INTO mapping_gateway (id, account_key, locked, international_prefixes, all_routing_gateways)"
        " VALUES ('m', 1, 0, '[]', 1)",
    )
    database.migrate(path)
    assert [one.trusted for one in books.read(path, gateway.all_mapping_gateways)] == [False]


def test_what_refers_to_nothing_is_found_and_nothing_is_changed(first: Path) -> None:
    with closing(sqlite3.connect(first, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO posting VALUES (1, 2, 99, 0)")
    with pytest.raises(StoreError, match="a row of posting refers to none of ledger_account"):
        database.migrate(first)
    assert books.rows(first, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_keys_are_not_used_twice_after_it(first: Path) -> None:
    with closing(sqlite3.connect(first, isolation_level=None)) as connection:
        connection.execute("INSERT INTO rate VALUES (50, 1, '1', '', 0, 1, 1, 1)")
        connection.execute("DELETE FROM rate WHERE key = 50")
    database.migrate(first)
    books.rows(
        first,
        "INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds,"
        " rate_micros) VALUES (1, '2', '', 0, 1, 1, 1)",
    )
    assert books.rows(first, "SELECT max(key) FROM rate") == [(51,)]
