"""Nothing that calls are judged by is left out of the feed: asked of the database itself."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sipguard.policy.directory import Directory
from sipguard.store import configuration, database
from tests.follow import test_changes, trade

ACTIONS = ("insert", "update", "delete")
UNCHANGED = {("rate", "delete")}
"""What the database refuses: a rate that goes is marked."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("followed") / "sipguard.db"
    trade.make(made)
    return made


@pytest.fixture(scope="module")
def judged_by(path: Path) -> set[str]:
    """The tables that a directory is made of, as SQLite names them to whoever allows it to read them."""
    tables: set[str] = set()

    def seen(action: int, table: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table:
            tables.add(table)
        return sqlite3.SQLITE_OK

    store = database.Database(path)
    with store.snapshot() as conn:
        raw = conn.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.set_authorizer(seen)
        Directory.build(configuration.read(conn), trade.SETTINGS)
        raw.set_authorizer(None)
    store._threads.dispose()
    with closing(trade.opened(path)) as connection:
        real = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return (tables & real) - {"change"}


def test_whatever_a_directory_is_made_of_is_followed(path: Path, judged_by: set[str]) -> None:
    assert {"account", "rate", "section", "phone", "routing_gateway"} <= judged_by
    with closing(trade.opened(path)) as connection:
        triggers = connection.execute("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
        fed = {
            (table, found[1].lower())
            for table, sql in triggers
            if "INTO change" in sql and (found := re.search(r"\bAFTER (INSERT|UPDATE|DELETE)\b", sql))
        }
    assert {(table, action) for table in judged_by for action in ACTIONS} - fed == set()


def test_all_of_it_is_changed_at_random(judged_by: set[str]) -> None:
    """`test_changes` says how a table is followed; one that it leaves alone is followed by luck."""
    verbs = {
        "insert": r"INSERT (?:OR REPLACE )?INTO",
        "update": r"UPDATE(?: OR REPLACE)?",
        "delete": r"DELETE FROM",
    }
    done = {
        (table, action)
        for table in judged_by
        for action, verb in verbs.items()
        for statement in test_changes.STATEMENTS
        if re.match(rf"{verb} {table}\b", statement)
    }
    assert {(table, action) for table in judged_by for action in ACTIONS} - done - UNCHANGED == set()
