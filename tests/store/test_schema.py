"""What the database itself refuses, whoever writes to it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.store import books

ACCOUNT = (
    "INSERT INTO account (id, name, currency, credit_limit_micros, locked{}) VALUES ('x', '', 'BDT', 0, 0{})"
)
GATEWAY = (
    "INSERT INTO routing_gateway (id, host, port, transport, locked, strip_digits, add_prefix,"
    " answer_timeout_ms, ring_timeout_ms, failover_codes)"
    " VALUES ('v', '192.0.2.1', {}, {}, 0, 0, '', 1, 1, '[]')"
)
SECTION = "INSERT INTO section (key, account_key, direction, action, prefix) VALUES (1, {})"
RATE = (
    "INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds,"
    " rate_micros) VALUES (1, {}, '', {}, {}, 1, {})"
)
LEDGER = (
    "INSERT INTO ledger_account (kind, account_key, routing_gateway_key, currency, balance_micros) VALUES "
)
ENTRY = "INSERT INTO journal_entry VALUES ({}, {}, 'payment', 0, '', '', {}, zeroblob(32))"

REFUSED = [
    # statement, what SQLite says
    (ACCOUNT.format(", agent_key", ", 99"), "its agent is closed"),
    (ACCOUNT.format(", rate_table_key", ", 99"), "FOREIGN KEY"),
    (ACCOUNT.format(", call_limit", ", -1"), "CHECK"),
    (ACCOUNT.format(", max_rate_micros", ", 1.5"), "cannot store REAL"),
    (ACCOUNT.format(", valid_from, valid_till", ", 10, 10"), "CHECK"),
    (ACCOUNT.format("", "").replace("'x'", "'agent'"), "UNIQUE"),
    (ACCOUNT.format("", "").replace("'x'", "''"), "CHECK"),
    (ACCOUNT.format("", "").replace("0, 0)", "-1, 0)"), "CHECK"),
    (ACCOUNT.format("", "").replace("0, 0)", "0, 2)"), "CHECK"),
    ("UPDATE account SET id = 'other' WHERE id = 'agent'", "an id never changes"),
    ("UPDATE account SET agent_key = key", "below its own sub-account"),
    ("UPDATE account SET agent_key = 2 WHERE key = 1", "below its own sub-account"),
    ("DELETE FROM account WHERE id = 'agent'", "FOREIGN KEY"),
    (SECTION.format("99, 'called', 'allow', '1'"), "FOREIGN KEY"),
    (SECTION.format("1, 'callee', 'allow', '1'"), "CHECK"),
    (SECTION.format("1, 'called', 'deny', '1'"), "CHECK"),
    (SECTION.format("1, 'called', 'allow', '+1'"), "CHECK"),
    (SECTION.format("1, 'called', 'allow', '1234567890123456789'"), "CHECK"),
    (RATE.format("'x'", 0, 1, 0), "CHECK"),
    (RATE.format("'1'", -1, 1, 0), "CHECK"),
    (RATE.format("'1'", 0, 0, 0), "CHECK"),
    (RATE.format("'1'", 0, 1, -1), "CHECK"),
    (RATE.format("'1'", 0, 1, 0), "FOREIGN KEY"),
    (GATEWAY.format(0, "'udp'"), "CHECK"),
    (GATEWAY.format(5060, "'sctp'"), "CHECK"),
    (LEDGER + "('purse', NULL, NULL, 'BDT', 0)", "CHECK"),
    (LEDGER + "('balance', NULL, NULL, 'BDT', 0)", "CHECK"),
    (LEDGER + "('cash', 1, NULL, 'BDT', 0)", "CHECK"),
    (LEDGER + "('clearing', NULL, NULL, 'BDT', 0)", "CHECK"),
    (LEDGER + "('cash', NULL, NULL, 'BDT', 0)", "UNIQUE"),
    (LEDGER + "('revenue', 1, NULL, 'BDT', 0)", "UNIQUE"),
    (LEDGER + "('cash', NULL, NULL, 'EUR', 'much')", "cannot store TEXT"),
    ("UPDATE ledger_account SET balance_micros = 9223372036854775807 + 1", "cannot store REAL"),
    (ENTRY.format(2, "'payment:first'", "zeroblob(32)"), "UNIQUE"),
    (ENTRY.format(2, "''", "zeroblob(32)"), "CHECK"),
    (ENTRY.format(2, "'new'", "zeroblob(31)"), "CHECK"),
    (ENTRY.format(1, "'new'", "zeroblob(32)"), "UNIQUE"),
    ("INSERT INTO posting VALUES (99, 0, 1, 0)", "FOREIGN KEY"),
    ("INSERT INTO posting VALUES (1, 9, 99, 0)", "FOREIGN KEY"),
    ("INSERT INTO posting VALUES (1, 0, 1, 0)", "UNIQUE"),
    ("UPDATE cdr_retention SET kept_from_ms = 1", "CHECK"),
    ("UPDATE cdr_retention SET kept_from_ms = kept_from_ms - 86400000", "goes forward only"),
    ("UPDATE cdr_retention SET dropped_through = -1", "goes forward only"),
    (
        "UPDATE cdr_retention SET kept_from_ms = 86400000 * (unixepoch('now') / 86400 + 1)",
        "never beyond today",
    ),
    ("DELETE FROM cdr_retention", "goes forward only"),
    ("INSERT INTO mapping_gateway_source VALUES ('192.0.2.0/24', 99)", "FOREIGN KEY"),
    ("INSERT INTO mapping_gateway_route VALUES (99, 99)", "FOREIGN KEY"),
]


@pytest.fixture
def used(path: Path) -> Path:
    """With one payment and one call in it."""
    from sipguard.store import ledger
    from sipguard.store.batch import BatchWriter

    books.write(path, lambda conn: ledger.post(conn, books.payment("first", 5_000_000), "test"))
    with books.connect(path) as connection:
        BatchWriter(connection, "test").write([books.closed(1)])
    return path


@pytest.mark.parametrize(("statement", "says"), REFUSED)
def test_refused(used: Path, statement: str, says: str) -> None:
    with books.connect(used) as connection, pytest.raises(sqlite3.IntegrityError, match=says):
        connection.execute(statement)


@pytest.mark.parametrize("table", ["journal_entry", "posting", "cdr"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {0} SET {1} = {1}",
        "DELETE FROM {0}",
        "INSERT OR REPLACE INTO {0} SELECT * FROM {0}",  # deletes what it replaces
    ],
)
def test_l02_what_is_written_stays(used: Path, table: str, statement: str) -> None:
    column = {"journal_entry": "memo", "posting": "amount_micros", "cdr": "status"}[table]
    before = books.rows(used, f"SELECT * FROM {table}")
    assert before
    with books.connect(used) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")  # they would refuse it too, for another reason
        with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
            connection.execute(statement.format(table, column))
    assert books.rows(used, f"SELECT * FROM {table}") == before


@pytest.mark.parametrize("key", ["NULL", "key"])
def test_a_rate_is_never_replaced(used: Path, key: str) -> None:
    columns = "table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds, rate_micros"
    with books.connect(used) as connection:
        connection.execute("INSERT INTO rate_table (key, id, currency) VALUES (1, 'retail', 'BDT')")
        connection.execute(RATE.format("'44'", 0, 1, 5))
    before = books.rows(used, "SELECT * FROM rate")
    assert before
    with (
        books.connect(used) as connection,
        pytest.raises(sqlite3.IntegrityError, match="rate: a row stays until it is removed"),
    ):
        connection.execute(f"INSERT OR REPLACE INTO rate (key, {columns}) SELECT {key}, {columns} FROM rate")
    assert books.rows(used, "SELECT * FROM rate") == before


def test_an_account_moves_to_another_agent(used: Path) -> None:
    with books.connect(used) as connection:
        connection.execute(ACCOUNT.format("", ""))
        connection.execute("UPDATE account SET agent_key = 3 WHERE id = 'customer'")
        connection.execute("UPDATE account SET agent_key = NULL WHERE id = 'customer'")
        assert connection.execute("SELECT agent_key FROM account WHERE id = 'customer'").fetchone() == (None,)


def test_keys_are_not_used_twice(used: Path) -> None:
    """A key that was freed must not become another account's."""
    with books.connect(used) as connection:
        first = connection.execute(ACCOUNT.format("", "")).lastrowid
        connection.execute("DELETE FROM account WHERE id = 'x'")
        assert connection.execute(ACCOUNT.format("", "")).lastrowid == first + 1
