"""How far the redo log is applied: one row, changed in the transaction that applies.

The database names the one log that may be applied to it. Each run of the proxy draws a new name, so that a
log is never taken for the continuation of a copy that went another way.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from sqlalchemy import Column, Integer, LargeBinary, Table

from sipguard.store.metadata import metadata

redo_position = Table(
    "redo_position",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("database_id", LargeBinary, nullable=False),
    Column("log_id", LargeBinary, nullable=False),
    Column("sequence", Integer, nullable=False),
)


class Position(NamedTuple):
    """Up to where a database holds what a log says."""

    database_id: bytes
    log_id: bytes
    sequence: int
    """Of the last group that was applied; 0 for none."""


class Move(NamedTuple):
    """What a transaction that applies groups does to the position."""

    log_id: bytes
    before: int
    after: int


class ForeignLogError(Exception):
    """The database does not stand where this log would go on: it is another one, or another one's copy."""


def read(connection: sqlite3.Connection) -> Position:
    """Where the database stands."""
    return Position._make(connection.execute(_READ).fetchone())


def begin(connection: sqlite3.Connection, log_id: bytes) -> None:
    """Go on with a new log. The old one is applied to its end, and gone."""
    connection.execute("UPDATE redo_position SET log_id = ?, sequence = 0", (log_id,))


def move(connection: sqlite3.Connection, to: Move) -> bool:
    """In a transaction: go from `before` to `after`. False where the database stands there already, because
    the commit got through that was reported as failed; then nothing is to be written.

    Raises ForeignLogError where it stands anywhere else.
    """
    if connection.execute(_MOVE, (to.after, to.log_id, to.before)).rowcount == 1:
        return True
    found = read(connection)
    if (found.log_id, found.sequence) == (to.log_id, to.after):
        return False
    raise ForeignLogError(
        f"the database stands at group {found.sequence} of redo log {found.log_id.hex()},"
        f" to be applied is group {to.before + 1} of {to.log_id.hex()}: it was replaced or restored meanwhile"
    )


_READ = "SELECT database_id, log_id, sequence FROM redo_position"
_MOVE = "UPDATE redo_position SET sequence = ? WHERE log_id = ? AND sequence = ?"
