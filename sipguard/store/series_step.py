"""Counting call records into series: a stretch of records at a time, each record once.

How far everything is counted moves in the transaction that writes the figures, so that a kill between two
steps repeats nothing and leaves nothing out. All of it is SQL on a connection of its own: SQLite adds up
without Python's lock, beside the calls. What is read is read before the write lock is taken, which the
applier of the redo log waits for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sipguard.store import series_sql as sql
from sipguard.store.database import configure
from sipguard.store.series import HOUR, MINUTE

RECORDS_AT_ONCE = 2_000
"""In one step: some milliseconds of the write lock."""

NO_END = 2**63 - 1

FRONT_DIGITS = 7
"""Of a called number, by which destinations are told apart at most."""

DELETED_AT_ONCE = 10
"""Minutes, or hours, that one step forgets."""


class Counted(NamedTuple):
    """What one step has counted, for who keeps counters of its own."""

    records: int = 0
    outcomes: Sequence[tuple[str, int, str | None, int]] = ()
    """Outcome, SIP status, reason, how many."""
    gateways: Sequence[tuple[str, str, int, int, int, int, int]] = ()
    """Scope, id, answered, refused, failed, cancelled, milliseconds."""
    durations: Sequence[int] = ()
    """Answered calls by the first bound that they are not above, then those above all."""
    duration_ms: int = 0
    pdds: Sequence[int] = ()
    """Calls that rang or were answered, likewise."""
    pdd_ms: int = 0
    money: Sequence[tuple[str, int, int]] = ()
    """Currency, micro-units that the top-level accounts paid, and that vendors charge."""
    accounts: frozenset[str] = frozenset()
    """Whose balance may have changed: who called, those above, who was paid."""


class Bounds(NamedTuple):
    """Upper bounds of the histograms, milliseconds, ascending."""

    duration_ms: tuple[int, ...] = ()
    pdd_ms: tuple[int, ...] = ()


class Kept(NamedTuple):
    """Unix seconds before which nothing is kept, by step."""

    minutes_from: int
    hours_from: int


class Stepper:
    """Counts on a connection of its own. To be used by one thread at a time; close it when done."""

    def __init__(self, path: Path, destinations: Sequence[str] = (), bounds: Bounds = Bounds()) -> None:  # noqa: B008
        """`destinations`: fronts of numbers, at most FRONT_DIGITS; a call counts for all that fit."""
        uri = f"{path.resolve().as_uri()}?mode=rw"  # never makes a new, empty file
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        configure(self._connection)
        self._bounds = bounds
        execute = self._connection.execute
        execute("PRAGMA temp_store = MEMORY")
        for statement in sql.TEMPORARY:
            execute(statement)
        self._connection.executemany(
            "INSERT INTO temp.destination VALUES (?)", [(one,) for one in destinations]
        )

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def behind(self) -> bool:
        """Whether there is a record, or a change, that is not counted."""
        (found,) = self._connection.execute(sql.BEHIND).fetchone()
        return bool(found)

    def newest(self) -> int:
        """The sequence of the newest record; 0 for none."""
        (found,) = self._connection.execute(sql.NEWEST).fetchone()
        return int(found)

    def counted(self) -> int:
        """The sequence of the last record that is counted."""
        (found, _, _) = self._connection.execute(sql.POSITION).fetchone()
        return int(found)

    def step(self, kept: Kept, limit: int = RECORDS_AT_ONCE, until: int = NO_END) -> Counted:
        """Count the next records, at most `limit`, and what was changed beside calls. `until`: no record
        behind this one.

        Raises sqlite3.Error; then nothing is counted.
        """
        execute = self._connection.execute
        first, revision, _ = execute(sql.POSITION).fetchone()
        (through,) = execute(sql.THROUGH, (first, until, limit)).fetchone()
        (newest_revision,) = execute(sql.NEWEST_REVISION, (revision, limit)).fetchone()
        if through <= first and newest_revision <= revision:
            return Counted()
        for statement in sql.CLEAR:
            execute(statement)
        execute(sql.PART, {"first": first, "through": through, "front": FRONT_DIGITS})
        for statement in sql.AGGREGATE:
            execute(statement)
        execute(sql.PAID_FROM_OUTSIDE, (revision, newest_revision))
        told = self._told()
        execute("BEGIN IMMEDIATE")
        try:
            moved = execute(
                sql.MOVE, (max(through, first), max(newest_revision, revision), first, revision)
            ).rowcount
            if moved != 1:
                execute("ROLLBACK")  # another process has counted it meanwhile
                return Counted()
            for seconds, kept_from in ((MINUTE, kept.minutes_from), (HOUR, kept.hours_from)):
                given = {"step": seconds, "kept": kept_from}
                execute(sql.MERGE, given)
                execute(sql.MERGE_BALANCES, given)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return told

    def grow(self, now: int) -> int:
        """Note the number of accounts below each agent where it has changed; how many have.

        `now`: Unix seconds. Does nothing while no account can have changed.
        """
        execute = self._connection.execute
        *_, grown = execute(sql.POSITION).fetchone()
        (newest,) = execute(sql.NEWEST_CONFIGURATION, (grown,)).fetchone()
        if newest is None:
            return 0
        execute("DELETE FROM temp.grown")
        execute(sql.GROWN)
        execute(sql.NOT_GROWN)
        execute("BEGIN IMMEDIATE")
        try:
            changed = 0
            if execute("UPDATE series_position SET grown = ? WHERE grown = ?", (newest, grown)).rowcount:
                for seconds in (MINUTE, HOUR):
                    changed = execute(sql.MERGE_GROWN, {"step": seconds, "at": now - now % seconds}).rowcount
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return changed

    def forget(self, kept: Kept) -> bool:
        """Delete some of what is older; False where nothing is."""
        deleted = 0
        for seconds, kept_from in ((MINUTE, kept.minutes_from), (HOUR, kept.hours_from)):
            given = {"step": seconds, "kept": kept_from, "some": DELETED_AT_ONCE * seconds}
            deleted += self._connection.execute(sql.FORGET, given).rowcount
        return deleted > 0

    def _told(self) -> Counted:
        """What is in the temporary tables."""
        execute = self._connection.execute
        (records,) = execute("SELECT count(*) FROM temp.part").fetchone()
        durations, duration_ms = self._histogram(
            "SELECT duration_ms AS value FROM temp.part WHERE outcome = 'answered'", self._bounds.duration_ms
        )
        pdds, pdd_ms = self._histogram(
            "SELECT pdd_ms AS value FROM temp.part WHERE pdd_ms IS NOT NULL", self._bounds.pdd_ms
        )
        return Counted(
            records=records,
            outcomes=execute(sql.OUTCOMES).fetchall(),
            gateways=execute(sql.GATEWAYS).fetchall(),
            durations=durations,
            duration_ms=duration_ms,
            pdds=pdds,
            pdd_ms=pdd_ms,
            money=execute(sql.MONEY).fetchall(),
            accounts=frozenset(id for (id,) in execute(sql.TOUCHED)),
        )

    def _histogram(self, values: str, bounds: tuple[int, ...]) -> tuple[Sequence[int], int]:
        columns = ["coalesce(sum(value), 0)"]
        lower = -1
        for bound in bounds:
            columns.append(f"coalesce(sum(value > {lower} AND value <= {bound}), 0)")
            lower = bound
        columns.append(f"coalesce(sum(value > {lower}), 0)")
        # The bounds are numbers of the program's own, and `values` is written above.
        total, *counts = self._connection.execute(f"SELECT {', '.join(columns)} FROM ({values})").fetchone()  # noqa: S608
        return counts, total


def reset(path: Path) -> None:
    """Forget all series and count everything anew from the records that there are. Raises sqlite3.Error."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        configure(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM series")
        connection.execute("UPDATE series_position SET sequence = 0, revision = 0, grown = 0")
        connection.execute("COMMIT")
