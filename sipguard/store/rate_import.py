"""A whole price list into a rate table: staged, compared, and taken over in one transaction or not at all.

The list is staged in temporary tables of the connection, which lock nobody out and need no memory to speak
of; SQL compares it with what the table holds. Only `take_over` writes to the database, and is short: the
proxy cannot commit a call meanwhile.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import insert
from sqlalchemy.dialects import sqlite

from sipguard.model.money import Micros
from sipguard.model.rate import Rate
from sipguard.store import lock
from sipguard.store.database import configure
from sipguard.store.feed import change
from sipguard.store.rate import COLUMNS, values

NOUN = "rate_table"

NAMED_MAX = 1_000
"""Rows that the change feed names one by one; where there are more, it names the table. It is written while
nobody else can write."""


class Kind(StrEnum):
    """What a price list does to a row."""

    NEW = "new"
    UP = "up"
    """Dearer: by the minute, or where that is the same by its connect fee."""
    DOWN = "down"
    CHANGED = "changed"
    """Something else than the price."""
    GONE = "gone"
    UNCHANGED = "unchanged"


class Change(NamedTuple):
    """One row that changes; None where there is none before or after."""

    kind: Kind
    line: int | None
    prefix: str
    destination: str
    old_rate_micros: Micros | None
    new_rate_micros: Micros | None
    old_connect_fee_micros: Micros | None
    new_connect_fee_micros: Micros | None


class Twice(NamedTuple):
    """A line that says what an earlier line says already."""

    line: int
    first_line: int
    prefix: str


class RateImport:
    """One import under way, on a connection of its own. Raises sqlite3.Error as that does."""

    def __init__(self, database: Path, table_key: int) -> None:
        self._table_key = table_key
        self._compared = -1
        self._database = database
        self._connection = sqlite3.connect(database, isolation_level=None)
        configure(self._connection)
        for statement in _STAGE:
            self._connection.execute(statement)

    def __enter__(self) -> RateImport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is left of what was staged and not taken over."""
        self._connection.close()

    def stage(self, rows: Sequence[tuple[int, Rate]]) -> None:
        """Take lines of the list in: line number and row."""
        self._connection.execute("BEGIN")  # of the temporary database alone
        self._connection.executemany(_PUT, [(line, *values(rate)[1:]) for line, rate in rows])
        self._connection.execute("COMMIT")

    def twice(self, limit: int) -> list[Twice]:
        """Lines whose prefix, days, hours and valid_from an earlier line has, too."""
        return [Twice(*row) for row in self._connection.execute(_TWICE, [limit])]

    def compare(self, *, keep: bool) -> dict[Kind, int]:
        """How many rows of each kind; `keep`: what is not listed stays, and is not gone."""
        execute = self._connection.execute
        execute("BEGIN")
        try:
            return self._compare(keep)
        finally:
            execute("COMMIT")

    def changes(self, kind: Kind, limit: int) -> Iterator[Change]:
        """The first rows of a kind as compared last, by prefix."""
        for row in self._connection.execute(_CHANGES, [kind.value, limit]):
            yield Change(kind, *row)

    def take_over(self, table_id: str) -> float:
        """Make the table what `compare` said, in one transaction with its row in the change feed.

        Returns for how many seconds nobody else could write. Raises RuntimeError where the tables were
        changed by somebody else since the comparison; then nothing was done.
        """
        with lock.long_write(self._database):
            return self._take_over(table_id)

    def _take_over(self, table_id: str) -> float:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        began = time.perf_counter()
        try:
            if self._revision() != self._compared:
                raise RuntimeError("the rate tables were changed by somebody else in the meantime, try again")
            now_ms = time.time_ns() // 1_000_000
            (many,) = execute("SELECT count(*) > ? FROM temp.compared", [NAMED_MAX]).fetchone()
            if many:
                execute("INSERT INTO main.feed_pause VALUES ('rate')")
            removed = execute(_REMOVE, {"now": now_ms}).rowcount
            if execute(_ADD, {"table": self._table_key}).rowcount + removed:
                if many:
                    execute(_NAME, (now_ms, "rates_of", "import", table_id, self._table_key, self._table_key))
                execute(_RECORD, (now_ms, NOUN, "import", table_id))
            execute("DELETE FROM main.feed_pause")
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return time.perf_counter() - began

    def _compare(self, keep: bool) -> dict[Kind, int]:
        execute = self._connection.execute
        self._compared = self._revision()
        execute("DELETE FROM temp.compared")
        execute(_COMPARE, {"table": self._table_key})
        if not keep:
            execute(_GONE, {"table": self._table_key})
        counts = dict(execute("SELECT kind, count(*) FROM temp.compared GROUP BY kind").fetchall())
        return {kind: counts.get(kind.value, 0) for kind in Kind}

    def _revision(self) -> int:
        """The last change of any rate table; payments and calls do not count."""
        found: int = self._connection.execute(_REVISION).fetchone()[0]
        return found


_LISTED = [name for name in COLUMNS if name != "table_key"]
_IDENTITY = ("prefix", "days", "from_minute", "till_minute", "valid_from")
_SAME_ROW = " AND ".join(f"r.{name} = l.{name}" for name in _IDENTITY)
_PRESENT = "r.table_key = :table AND r.removed_ms IS NULL"
_SAME_ALL = " AND ".join(f"r.{name} IS l.{name}" for name in _LISTED)

_STAGE = (
    "PRAGMA temp_store = FILE",
    f"CREATE TEMP TABLE listed (line INTEGER PRIMARY KEY, {', '.join(_LISTED)})",
    "CREATE TEMP TABLE compared (kind TEXT NOT NULL, line INTEGER, old INTEGER)",
)
_PUT = f"INSERT INTO temp.listed VALUES ({', '.join('?' * (len(_LISTED) + 1))})"  # noqa: S608
_TWICE = f"""
SELECT line, first, prefix FROM (
    SELECT line, prefix, min(line) OVER (PARTITION BY {", ".join(_IDENTITY)}) AS first FROM temp.listed)
WHERE line <> first ORDER BY line LIMIT ?
"""  # noqa: S608
_COMPARE = f"""
INSERT INTO temp.compared SELECT CASE
    WHEN r.key IS NULL THEN 'new'
    WHEN {_SAME_ALL} THEN 'unchanged'
    WHEN (l.rate_micros, l.connect_fee_micros) > (r.rate_micros, r.connect_fee_micros) THEN 'up'
    WHEN (l.rate_micros, l.connect_fee_micros) < (r.rate_micros, r.connect_fee_micros) THEN 'down'
    ELSE 'changed' END, l.line, r.key
FROM temp.listed l LEFT JOIN main.rate r ON {_PRESENT} AND {_SAME_ROW}
"""  # noqa: S608
_GONE = f"""
INSERT INTO temp.compared SELECT 'gone', NULL, r.key FROM main.rate r
WHERE {_PRESENT} AND r.key NOT IN (SELECT old FROM temp.compared WHERE old IS NOT NULL)
"""  # noqa: S608
_CHANGES = """
SELECT c.line, ifnull(l.prefix, r.prefix) AS shown, ifnull(l.destination, r.destination),
    r.rate_micros, l.rate_micros, r.connect_fee_micros, l.connect_fee_micros
FROM temp.compared c LEFT JOIN temp.listed l ON l.line = c.line LEFT JOIN main.rate r ON r.key = c.old
WHERE c.kind = ? ORDER BY shown, c.line LIMIT ?
"""
_REVISION = (
    "SELECT ifnull(max(revision), 0) FROM change WHERE noun IN ('rate_table', 'rate', 'configuration')"
)
_REMOVE = """
UPDATE main.rate SET removed_ms = :now
WHERE key IN (SELECT old FROM temp.compared WHERE kind IN ('up', 'down', 'changed', 'gone'))
"""
_ADD = f"""
INSERT INTO main.rate (table_key, {", ".join(_LISTED)})
SELECT :table, {", ".join(f"l.{name}" for name in _LISTED)}
FROM temp.compared c JOIN temp.listed l USING (line)
WHERE c.kind IN ('new', 'up', 'down', 'changed') ORDER BY l.prefix
"""  # noqa: S608
_NAME = "INSERT INTO main.change (at_ms, noun, action, id, first, last) VALUES (?, ?, ?, ?, ?, ?)"
_RECORD = str(
    insert(change)
    .values(dict.fromkeys(("at_ms", "noun", "action", "id")))
    .compile(dialect=sqlite.dialect(paramstyle="qmark"))
)
