"""A copy of the database while everything runs, and a copy put back in the database's place.

The copy is of one moment (SQLite's online backup). It names a redo log of its own: the log of the database
that it was made from goes another way from here, and must never be applied to it.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sipguard.store import database
from sipguard.store.database import StoreError, configure
from sipguard.store.redo import position, replay

PAGES_AT_ONCE = 2_000
"""Between two steps others write; 8 MB is done before anybody notices."""


def copy(source: Path, target: Path) -> None:
    """Copy the database `source` to a new file. The redo log was applied by whoever runs on it, or replayed.

    Raises StoreError, with nothing left behind, where that cannot be done or there is such a file already.
    """
    if target.exists():
        raise StoreError(f"{target}: there is a file already, a backup is not written over it")
    part = target.with_name(f"{target.name}.part")
    try:
        _copy(source, part)
        os.link(part, target)  # unlike a rename, never over another file
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{target}: {error}") from error
    finally:
        for left in (part, *(part.with_name(part.name + ending) for ending in _ENDINGS)):
            with suppress(FileNotFoundError):
                left.unlink()


def put_back(copied: Path, path: Path, redo_directory: Path | None = None) -> Path | None:
    """Have a copy take the place of the database. The old one is kept beside it: returns its new name.

    The caller holds the database (`store.lock`): nobody runs on it. Raises StoreError, RedoError.
    """
    fresh = path.with_name(f"{path.name}.restored")
    kept = None
    try:
        with suppress(FileNotFoundError):
            fresh.unlink()
        _copy(copied, fresh)
        if path.exists():
            kept = _aside(path, redo_directory)
        os.rename(fresh, path)
        _sync(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: {error}") from error
    return kept


def check(copied: Path) -> str:
    """The schema of a copy. Raises StoreError where it is no whole database that this program knows."""
    schema = database.check(copied)
    try:
        with closing(sqlite3.connect(f"{copied.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{copied}: {error}") from error
    if found != "ok":
        raise StoreError(f"{copied}: is damaged: {found}")
    return schema


_ENDINGS = ("-wal", "-shm", "-journal")


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    uri = f"{source.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True)) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        reading.backup(writing, pages=PAGES_AT_ONCE)
        configure(writing)
        position.begin(writing, secrets.token_bytes(16))
        # One file, without a log beside it.
        writing.execute("PRAGMA journal_mode = DELETE").fetchall()
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _aside(path: Path, redo_directory: Path | None) -> Path:
    """Make the present database whole, and keep it under another name."""
    replay.replay(path, redo_directory)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    number = 1
    while (kept := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    os.rename(path, kept)
    # Calls in set-up belong to the database that is gone.
    with suppress(FileNotFoundError):
        path.with_name(f"{path.name}-attempts").unlink()
    return kept


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
