"""The SQLite database: how it is opened, created, brought up to date, read and written.

Every connection, of whatever room, is set up by `configure`: WAL, so that readers never wait for the writer;
synchronous FULL, so that a commit survives the power; foreign keys; a busy timeout.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

BUSY_TIMEOUT_MS = 5_000
"""How long a connection waits for another one's write: longer than any commit, shorter than a patience."""

APPLICATION_ID = 0x53495047
"""Marks the file as ours ("SIPG", PRAGMA application_id): no other program's database is ever migrated."""

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


class StoreError(Exception):
    """The store cannot do what was asked; the text says what and which file, for the operator."""


class Database:
    """An open database of the current schema. Close it when done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(path)))
        _prepare(self._engine.sync_engine)
        self._threads = create_engine(URL.create("sqlite", database=str(path)))
        _prepare(self._threads)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection in one read transaction: everything that it reads is of the same moment."""
        # Begins by itself with the first statement and is rolled back at the end: nothing to commit, and
        # the commit of a damaged file fails even where the reading of it was put up with.
        async with self._engine.connect() as conn:
            yield conn

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A connection that holds the write lock; commits at the end, or rolls back on an exception.

        The lock is taken at once (BEGIN IMMEDIATE), so that nothing read in here can be out of date when
        it is written. Raises sqlalchemy.exc.OperationalError where the lock is not free in time.
        """
        async with self._engine.connect() as conn:
            conn = await conn.execution_options(sipguard_begin="BEGIN IMMEDIATE")
            async with conn.begin():
                yield conn

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """The same for a thread, in which it stays: for what takes long to read."""
        with self._threads.connect() as conn:
            yield conn

    async def close(self) -> None:
        await self._engine.dispose()
        self._threads.dispose()


def open(path: Path) -> Database:
    """Open the database at `path`.

    Raises StoreError where there is none, or where its schema is older or newer than this program.
    """
    found, head = _existing_schema(path), _head()
    if found != head:
        raise StoreError(
            f"{path}: its schema is {found}, this program needs {head}: "
            "bring it up to date with `sipguard init`"
        )
    return Database(path)


def check(path: Path) -> str:
    """The schema of the database at `path`. Raises StoreError where there is none that this program knows."""
    return _existing_schema(path)


def newest() -> str:
    """The schema of this program."""
    return _head()


def create(path: Path) -> Database:
    """Make a new, empty database of the current schema and open it. Raises StoreError where there is one."""
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist")
    if _schema(path) is not None:
        raise StoreError(f"{path}: there is a database already, a new one is not written over it")
    _upgrade(path)
    return Database(path)


def migrate(path: Path) -> tuple[str, str]:
    """Bring an existing database to the current schema, in one transaction; its old and new schema.

    Raises StoreError where there is none, or where it belongs to a newer program.
    """
    found, head = _existing_schema(path), _head()
    if found != head:
        _upgrade(path)
    return found, head


def configure(connection: sqlite3.Connection, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
    """Set up a new connection; it must be in autocommit mode (isolation_level None)."""
    for pragma in _pragmas(busy_timeout_ms):
        connection.execute(pragma).close()


def _pragmas(busy_timeout_ms: int) -> tuple[str, ...]:
    return (
        f"PRAGMA busy_timeout = {busy_timeout_ms}",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        # INSERT OR REPLACE deletes rows; only with this do the append-only triggers see it.
        "PRAGMA recursive_triggers = ON",
    )


def _prepare(engine: Engine) -> None:
    """Take transactions into our own hands: the driver would begin none before the first write."""

    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _pragmas(BUSY_TIMEOUT_MS):
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sipguard_begin", "BEGIN"))


def _ignore_foreign_keys(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()


def _existing_schema(path: Path) -> str:
    found = _schema(path)
    if found is None:
        raise StoreError(f"{path}: there is no database; create one first")
    if found not in _revisions():
        raise StoreError(
            f"{path}: its schema {found} was made by a newer sipguard; this program knows {_head()} at most"
        )
    return found


def _schema(path: Path) -> str | None:
    """Schema of the database at `path`; None where there is nothing, or a file without any table."""
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                return None
            if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                raise StoreError(f"{path}: this is not a database of sipguard")
            found: str = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            return found
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be read as a database: {error}") from error


def _revisions() -> list[str]:
    """Every schema that this program knows, oldest first, by the names of the migrations."""
    return sorted(file.name.partition("_")[0] for file in _VERSIONS.glob("[0-9]*_*.py"))


def _head() -> str:
    return _revisions()[-1]


def _upgrade(path: Path) -> None:
    # Only here: a daemon on an up-to-date database starts without it, a fifth of its start sooner.
    from sipguard.store import migrations

    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)
    _prepare(engine)
    # A table that is made anew is for a moment missing for those that refer to it; checked at the end.
    event.listen(engine, "connect", _ignore_foreign_keys)
    try:
        with engine.connect().execution_options(sipguard_begin="BEGIN IMMEDIATE") as conn, conn.begin():
            migrations.upgrade(conn)
            conn.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            if (dangling := conn.exec_driver_sql("PRAGMA foreign_key_check").first()) is not None:
                raise StoreError(f"{path}: a row of {dangling[0]} refers to none of {dangling[2]}")
    except SQLAlchemyError as error:
        raise StoreError(f"{path}: could not be brought to schema {_head()}: {error}") from error
