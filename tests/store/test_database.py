"""Opening, creating and migrating; what every connection is set to; transactions."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.exc import OperationalError

from sipguard import store
from sipguard.store import database, instance, migrations
from sipguard.store.database import StoreError
from sipguard.store.metadata import metadata
from tests.store import books


def created(path: Path) -> Path:
    asyncio.run(database.create(path).close())
    return path


@pytest.mark.parametrize("name", ["plain.db", "with space.db", "100%.db", "a?mode=ro#b.db"])
def test_a_created_database_can_be_opened(tmp_path: Path, name: str) -> None:
    path = created(tmp_path / name)
    asyncio.run(database.open(path).close())
    found, head = database.migrate(path)
    assert found == head


def test_create_does_not_write_over_a_database(path: Path) -> None:
    with pytest.raises(StoreError, match="there is a database already"):
        database.create(path)


def test_create_names_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder .*nowhere does not exist"):
        database.create(tmp_path / "nowhere" / "sipguard.db")


def test_create_goes_on_where_an_earlier_one_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "half.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # makes the file, before any table
    created(path)


@pytest.mark.parametrize("command", [database.open, database.migrate])
def test_no_database(tmp_path: Path, command) -> None:
    with pytest.raises(StoreError, match=r"none\.db: there is no database"):
        command(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("command", [database.open, database.migrate, database.create])
def test_a_foreign_database_is_left_alone(tmp_path: Path, command) -> None:
    path = tmp_path / "foreign.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE account (id)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database of sipguard"):
        command(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", [database.open, database.migrate, database.create])
def test_a_file_that_is_no_database(tmp_path: Path, command) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear operator, " * 500)
    with pytest.raises(StoreError, match=r"letter\.db: cannot be read as a database"):
        command(path)


@pytest.mark.parametrize("command", [database.open, database.migrate])
def test_a_newer_schema_is_refused(path: Path, command) -> None:
    with books.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="schema 9999 was made by a newer sipguard; this program knows 0"):
        command(path)


def test_migrations_are_named_after_the_schema_that_they_lead_to() -> None:
    """The daemon knows by the names alone whether it can use a database."""
    files = sorted((Path(migrations.__file__).parent / "versions").glob("[!_]*.py"))
    assert [file.name[:4] for file in files] == migrations.revisions()


def test_a_daemon_on_a_current_database_starts_without_the_tools_for_migrating() -> None:
    script = "import sys, sipguard.daemon; sys.exit(any(name.startswith('alembic') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_a_failed_migration_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All migrations are one transaction, DDL included."""
    path = tmp_path / "sipguard.db"
    monkeypatch.setattr(database, "APPLICATION_ID", "no number; DROP")  # the last statement fails
    with pytest.raises(StoreError, match="could not be brought to schema 0"):
        database.create(path)
    assert books.rows(path, "SELECT * FROM sqlite_schema") == []


def test_every_connection_is_durable_and_checks_keys(path: Path) -> None:
    settings = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}

    async def of_engine(conn):
        return {name: (await conn.scalar(text(f"PRAGMA {name}"))) for name in settings}

    assert books.read(path, of_engine) == settings
    with books.connect(path) as connection:
        of_thread = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in settings}
    assert of_thread == settings


def test_every_table_is_strict(path: Path) -> None:
    loose = books.rows(
        path,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict"
        " AND name NOT IN ('sqlite_schema', 'sqlite_sequence', 'alembic_version')",
    )
    assert loose == []


def test_the_tables_of_the_code_are_those_of_the_migrations(path: Path) -> None:
    migrated = MetaData()
    engine = create_engine(f"sqlite:///{path}")
    migrated.reflect(engine)
    engine.dispose()

    stored_as = {"BOOLEAN": "INTEGER", "JSON": "TEXT"}

    def shape(of: MetaData) -> dict[str, list[tuple[object, ...]]]:
        return {
            table.name: [
                (
                    column.name,
                    stored_as.get(str(column.type), str(column.type)),
                    column.primary_key,
                    column.nullable and not column.primary_key,
                    sorted(key.target_fullname for key in column.foreign_keys),
                )
                for column in table.c
            ]
            for table in of.tables.values()  # accounts and rate tables refer to each other
            if table.name != "alembic_version"
        }

    # importing them defines every table
    for module in pkgutil.iter_modules(store.__path__):
        importlib.import_module(f"{store.__name__}.{module.name}")
    assert shape(metadata) == shape(migrated)


def test_a_read_transaction_sees_one_moment(path: Path) -> None:
    async def run() -> tuple[object, object]:
        opened = database.open(path)
        count = text("SELECT count(*) FROM instance")
        try:
            async with opened.reading() as conn:
                before = await conn.scalar(count)
                async with opened.writing() as other:
                    await instance.next_epoch(other)
                return before, await conn.scalar(count)
        finally:
            await opened.close()

    assert asyncio.run(run()) == (0, 0)


def test_a_write_transaction_is_whole_or_not(path: Path) -> None:
    async def fail(conn) -> None:
        await instance.next_epoch(conn)
        raise KeyError("after the write")

    with pytest.raises(KeyError):
        books.write(path, fail)
    assert books.rows(path, "SELECT * FROM instance") == []


def test_writers_exclude_each_other_from_the_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 10)

    async def write(conn) -> None:
        raise AssertionError("the lock was not taken before the first statement")

    with books.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"):
            books.write(path, write)
