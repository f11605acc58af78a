"""Call records in blocks of 8192: what a full block holds, and which blocks are dropped.

A block is full for good, because records are numbered in the order of writing. Only then are its Call-IDs
and accounts written down, sorted and at once; the block that is being filled is small enough to be read
whole. That keeps these lists out of the commits that calls wait for, and makes them a stack of small sorted
runs instead of one large tree. Every transaction here is short, because the writer waits for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

from sipguard.store.database import configure
from sipguard.store.metadata import metadata

BLOCK_BITS = 13
"""A block is the records whose sequence is the same without this many bits."""

DAY_MS = 86_400_000
DROPPED_AT_ONCE = 1_000
"""Records in one transaction of `drop`: some milliseconds."""

cdr_block = Table(
    "cdr_block",
    metadata,
    Column("block", Integer, primary_key=True),
    Column("first_invited_ms", Integer, nullable=False),
    Column("last_invited_ms", Integer, nullable=False),
    Column("first_ended_ms", Integer, nullable=False),
    Column("last_ended_ms", Integer, nullable=False),
)

cdr_block_account = Table(
    "cdr_block_account",
    metadata,
    Column("block", ForeignKey("cdr_block.block"), primary_key=True),
    Column("account_id", Text, primary_key=True),
)

cdr_block_call_id = Table(
    "cdr_block_call_id",
    metadata,
    Column("block", ForeignKey("cdr_block.block"), primary_key=True),
    Column("sip_hash", Integer, primary_key=True),
    Column("sequence", Integer, primary_key=True),
)

cdr_retention = Table(
    "cdr_retention",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("kept_from_ms", Integer, nullable=False),
    Column("dropped_through", Integer, nullable=False),
)


def kept_from_ms(now_ms: int, keep_days: int) -> int:
    """Midnight, UTC, before which nothing is kept: today and `keep_days` whole days before it are."""
    return (now_ms // DAY_MS - keep_days) * DAY_MS


def tidy(path: Path, from_ms: int | None, go_on: Callable[[], bool]) -> int:
    """List every full block, then drop the records that ended before `from_ms` (None: none); how many.

    For a thread of its own. `go_on` is asked between transactions: it lets the writer in, and says when to
    stop. Raises sqlite3.Error.
    """
    dropped = 0
    uri = f"{path.resolve().as_uri()}?mode=rw"  # never makes a new, empty file
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        configure(connection)
        while list_next(connection) and go_on():
            pass
        while from_ms is not None and (some := drop(connection, from_ms)):
            dropped += some
            if not go_on():
                break
    return dropped


def list_next(connection: sqlite3.Connection) -> bool:
    """List what the next full block holds; False where none is full."""
    block, newest = connection.execute(_NEXT, (BLOCK_BITS,)).fetchone()
    first, last = block << BLOCK_BITS, ((block + 1) << BLOCK_BITS) - 1
    if newest < last:
        return False
    # Read before the lock is taken: a full block does not change, but by being dropped.
    connection.execute("DROP TABLE IF EXISTS temp.listed")
    connection.execute(_READ, (first, last))
    with _transaction(connection):
        for statement in _LIST:
            connection.execute(statement, (block,))
    return True


def drop(connection: sqlite3.Connection, from_ms: int, limit: int = DROPPED_AT_ONCE) -> int:
    """Drop the oldest records that ended before `from_ms`, a midnight in UTC, at most `limit`; how many."""
    oldest = connection.execute("SELECT ended_ms FROM cdr ORDER BY sequence LIMIT 1").fetchone()
    if oldest is None or oldest[0] >= from_ms:
        return 0
    with _transaction(connection):
        (through,) = connection.execute(_DROPPED_THROUGH, (limit, from_ms)).fetchone()
        connection.execute(_RETAIN, (from_ms, through))
        dropped = connection.execute("DELETE FROM cdr WHERE sequence <= ?", (through,)).rowcount
        for statement in _UNLIST:
            connection.execute(statement, ((through + 1) >> BLOCK_BITS,))
    return dropped


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


# The block after those that are listed or dropped, and the newest record.
_NEXT = """
SELECT max(coalesce((SELECT max(block) + 1 FROM cdr_block), 0), (dropped_through + 1) >> ?),
    coalesce((SELECT max(sequence) FROM cdr), 0)
FROM cdr_retention
"""
_READ = """
CREATE TEMP TABLE listed AS SELECT sequence, sip_hash, account_id, invited_ms, ended_ms
FROM cdr WHERE sequence BETWEEN ? AND ?
"""
_LIST = (
    "INSERT INTO cdr_block SELECT ?, coalesce(min(invited_ms), 0), coalesce(max(invited_ms), 0),"
    " coalesce(min(ended_ms), 0), coalesce(max(ended_ms), 0) FROM temp.listed",
    "INSERT INTO cdr_block_account SELECT DISTINCT ?, account_id FROM temp.listed"
    " WHERE account_id IS NOT NULL ORDER BY account_id",
    "INSERT INTO cdr_block_call_id SELECT ?, sip_hash, sequence FROM temp.listed ORDER BY sip_hash, sequence",
)
_UNLIST = (
    "DELETE FROM cdr_block_call_id WHERE block < ?",
    "DELETE FROM cdr_block_account WHERE block < ?",
    "DELETE FROM cdr_block WHERE block < ?",
)
# Up to before the first that is kept; where none of these is, all of them.
_DROPPED_THROUGH = """
WITH oldest AS (SELECT sequence, ended_ms FROM cdr ORDER BY sequence LIMIT ?)
SELECT coalesce(min(sequence) FILTER (WHERE ended_ms >= ?) - 1, max(sequence)) FROM oldest
"""
_RETAIN = """
UPDATE cdr_retention
SET kept_from_ms = max(kept_from_ms, ?), dropped_through = max(dropped_through, ?)
"""
