"""What happens to a log between two runs of the proxy: its end is applied, it is removed, a new one begins.

The caller holds the database (`store.lock`): no proxy runs on it.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from sipguard.store.batch import BatchWriter, Outcome
from sipguard.store.database import StoreError, configure
from sipguard.store.redo import position, record, tail
from sipguard.store.redo.files import Files
from sipguard.store.redo.frame import RECORDS_VERSION, Header
from sipguard.store.redo.position import Move

log = structlog.get_logger()


@dataclass(slots=True)
class Replayed:
    """What a replay did."""

    groups: int = 0
    records: int = 0
    torn: tuple[Path, int] | None = None
    """File and offset of a write that was cut short; the file is kept, with ".torn" behind its name."""
    outcome: Outcome = field(default_factory=Outcome)


def replay(database: Path, directory: Path | None = None) -> Replayed:
    """Apply what the database lacks of its redo log, each record once, and remove the log.

    `directory`: of the log, None for that of the database. Raises RedoError, before anything is changed,
    where the log is damaged or not this database's; StoreError where the database cannot be written.
    """
    files = Files(database, directory)
    done = Replayed()
    if is_needed(database, directory):
        with _opened(database) as connection:
            _apply(connection, files, done)
            _remove(files, done)
    return done


def begin(database: Path, origin: str, directory: Path | None = None) -> Header:
    """Have the database name a new log, without any segment yet; the header of its segments.

    What was to be replayed has been. Raises StoreError where the database cannot be written.
    """
    with _opened(database) as connection:
        database_id = position.read(connection).database_id
        log_id = secrets.token_bytes(16)
        position.begin(connection, log_id)
    Files(database, directory).clear()
    return Header(database_id, log_id, 0, 1, 0, origin, RECORDS_VERSION)


def is_needed(database: Path, directory: Path | None = None) -> bool:
    """Whether there is a log: of a run that goes on, or of one that was cut short."""
    files = Files(database, directory)
    try:
        return bool(files.segments())
    except OSError as error:
        raise tail.RedoError(f"{files.directory}: the redo log cannot be read: {error.strerror}") from error


def _apply(connection: sqlite3.Connection, files: Files, done: Replayed) -> None:
    stands = position.read(connection)
    found = tail.read(files, stands)
    done.torn = found.torn
    at = stands.sequence
    for part in found.parts:
        writer = BatchWriter(connection, part.header.origin)
        for frame in part.frames:
            try:
                records = record.decode(frame.payload)
            except ValueError as error:
                raise tail.RedoError(f"{part.path}: at byte {frame.offset}: {error}") from error
            outcome = writer.write(records, Move(stands.log_id, at, frame.sequence))
            at = frame.sequence
            done.groups += 1
            done.records += len(records)
            done.outcome.duplicates += outcome.duplicates
            done.outcome.rejected += outcome.rejected


def _remove(files: Files, done: Replayed) -> None:
    """Everything that counts of it is in the database."""
    try:
        if done.torn is not None:
            path, offset = done.torn
            log.warning("redo.torn", path=str(path), offset=offset)
            shutil.copyfile(path, path.with_name(f"{path.name}.torn"))
        # The newest last: it says what of the older ones no longer counts.
        for path in files.segments():
            path.unlink()
        files.sync()
    except OSError as error:
        raise StoreError(f"{error.filename}: {error.strerror}") from error


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database that exists; sqlite3's errors are StoreErrors that name the file."""
    uri = f"{database.resolve().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            configure(connection)
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{database}: {error}") from error
