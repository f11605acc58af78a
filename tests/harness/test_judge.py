"""A judge that finds nothing wrong with anything proves nothing: books are spoilt here, one way at a time."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.judge import Books

_DATA = """
currency = "USD"
[[rate_table]]
id = "retail"
rates = [{ prefix = "880", connect_fee = "0", initial = 1, next = 1, rate = "0.60" }]
[[account]]
id = "agent"
rate_table = "retail"
credit_limit = "1"
[[account]]
id = "customer"
agent = "agent"
rate_table = "retail"
[[routing_gateway]]
id = "vendor"
host = "127.0.0.1"
[[payment]]
account = "customer"
amount = "1"
key = "top-up"
"""

_CALL = 7
_HASH = bytes(32)


_RECORD = {
    "call": _CALL,
    "sip_call_id": "id@host",
    "outcome": "answered",
    "source": "127.0.0.2:5060",
    "account_id": "customer",
    "mapping_gateway_id": "trunk",
    "routing_gateway_id": "vendor",
    "called_received": "8801",
    "called": "8801",
    "called_sent": "8801",
    "calling_received": "",
    "invited_ms": 0,
    "answered_ms": 0,
    "ended_ms": 10_000,
    "duration_ms": 10_000,
    "status": 200,
    "ended_by": "caller",
    "cost_micros": 0,
    "revision": 1,
    "user_agent": "",
}


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent and its customer, and one call of 10 s that cost each of them 0.10."""
    daemon = Daemon(tmp_path_factory.mktemp("books"), "127.0.0.1")
    daemon.init(_DATA)
    with closing(sqlite3.connect(daemon.database)) as books, books:
        for (name,) in books.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            books.execute(f"DROP TRIGGER {name}")
        entry = {"key": 100, "idempotency_key": f"call:{_CALL}", "kind": "call", "at_ms": 0}
        chain = {"origin": "", "memo": "", "previous_hash": _HASH, "hash": _HASH}
        _insert(books, "journal_entry", entry | chain)
        (rate,) = books.execute("SELECT key FROM rate").fetchone()
        levels = []
        for position, (account, earner) in enumerate((("customer", "agent"), ("agent", None))):
            pays, earns = _ledger(books, "balance", account), _ledger(books, "revenue", earner)
            levels.append([position, account, pays, earns, rate, 600_000, 10, 100_000, 0, 0, 0, "8801"])
            for side, (ledger, amount) in enumerate(((pays, -100_000), (earns, 100_000))):
                posting = {"entry": 100, "position": 2 * position + side, "ledger": ledger}
                _insert(books, "posting", posting | {"amount_micros": amount})
                books.execute(
                    "UPDATE ledger_account SET balance_micros = balance_micros + ? WHERE key = ?",
                    [amount, ledger],
                )
        _insert(books, "cdr", _RECORD | {"levels": json.dumps(levels)})
    return daemon.database


@pytest.fixture
def database(in_order: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    copy = tmp_path / "spoilt.db"
    shutil.copy(in_order, copy)
    return copy


def test_books_in_order(database: Path) -> None:
    assert Books(database).violations() == []


@pytest.mark.parametrize(
    ("damage", "invariant"),
    [
        ("UPDATE posting SET amount_micros = amount_micros + 1 WHERE entry = 100 AND position = 0", "L-01"),
        ("UPDATE ledger_account SET balance_micros = balance_micros + 1", "L-03"),
        ("UPDATE journal_entry SET idempotency_key = 'call:8' WHERE key = 100", "L-04"),
        ("DELETE FROM posting WHERE entry = 100 AND position > 1", "L-04"),
        ("UPDATE account SET credit_limit_micros = 0", "L-08"),
        ("UPDATE cdr SET outcome = 'failed'", "L-11"),
        ("UPDATE cdr SET duration_ms = 10001", "L-11"),
        ("UPDATE cdr SET cost_micros = 1", "L-11"),
        ("UPDATE cdr SET levels = json_remove(levels, '$[1]')", "L-12"),
        (f"INSERT INTO live_call VALUES ({_CALL}, 0, NULL, x'00', x'00')", "L-14"),
        ("INSERT INTO rejected_record VALUES (1, 0, 'cdr', 'full', '')", "L-11"),
    ],
)
def test_damage_is_found(database: Path, damage: str, invariant: str) -> None:
    with closing(sqlite3.connect(database)) as books, books:
        assert books.execute(damage).rowcount > 0
    assert any(violation.startswith(invariant) for violation in Books(database).violations())


def _insert(books: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    marks = ", ".join("?" * len(row))
    books.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def _ledger(books: sqlite3.Connection, kind: str, account: str | None) -> int:
    query = (
        "SELECT ledger_account.key FROM ledger_account LEFT JOIN account ON account.key = account_key"
        " WHERE kind = ? AND id IS ?"
    )
    (key,) = books.execute(query, [kind, account]).fetchone()
    return int(key)
