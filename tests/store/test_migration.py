"""A database of the first schema, with calls in it, brought to the present one."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from sipguard.store import configuration, database, ledger
from sipguard.store.database import StoreError
from tests.store import books

HEAD = database._head()

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
INSERT INTO journal_entry VALUES (1, 'payment:1', 'payment', 0, '', '', zeroblob(32), zeroblob(32));
INSERT INTO posting VALUES (1, 0, 2, -5), (1, 1, 4, 5);
INSERT INTO cdr (call, sip_call_id, outcome, source, called_received, calling_received, invited_ms, ended_ms,
    duration_ms, status, ended_by, cost_micros, revision, user_agent)
    VALUES (9, 'c', 'answered', 's', '1', '1', 0, 0, 0, 200, 'caller', 0, 1, '');
INSERT INTO cdr_level VALUES (9, 0, 'a', 4, 2, 1, 7, 1, 5, 5);
"""


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "sipguard.db"
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        asyncio.run(database.create(path).close())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(HOUSE)
    return path


def test_what_was_there_stays_and_means_what_it_did(first: Path) -> None:
    with pytest.raises(
        StoreError, match=f"its schema is 0001, this program needs {HEAD}: bring it up to date"
    ):
        database.open(first)
    assert database.migrate(first) == ("0001", HEAD)
    told = books.read(first, configuration.load)
    assert [tuple(row)[:8] for row in told.rates] == [
        (1, 1, "880", "Bangladesh", 5, 60, 6, 1_200_000),
        (2, 1, "", "", 0, 1, 1, 7),
    ]
    assert all(row == type(row)(*row[:8]) for row in told.rates), "with no option that changes its price"
    assert [tuple(table) for table in told.rate_tables] == [(1, "retail", "BDT", "up", "half_up", 1, None)]
    (account,) = told.accounts
    assert (account.time_zone, account.tax_ppm, account.balance_ledger) == ("UTC", 0, 4)
    assert books.read(first, ledger.balances) == {1: 0, 2: -5, 3: 0, 4: 5, 5: 0, told.tax_ledger: 0}
    assert books.rows(first, "SELECT charge_micros, tax_ppm, tax_micros FROM cdr_level") == [(5, 0, 0)]
    report = books.read(first, ledger.verify)
    assert (report.residual_micros, report.drifts) == ({"BDT": 0}, [])


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
