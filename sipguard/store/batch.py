"""The records of the hot path, and how a batch of them becomes one transaction.

The records lie in the redo log by the names of their fields: a field that is added needs a default, and none
is ever renamed or given another meaning (redo/frame.py, RECORDS_VERSION).

All of it runs on one plain sqlite3 connection: SQL text compiled once from the tables, rows as tuples through
executemany (docs/decisions/0002-group-commit-writer.md). Who calls it, when, and what follows a failure is
the matter of redo/applier.py.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql import ClauseElement

from sipguard.model.cdr import Cdr
from sipguard.model.ledger import Entry
from sipguard.store import journal
from sipguard.store.cdr import cdr, to_row
from sipguard.store.ledger import journal_entry, ledger_account, posting
from sipguard.store.live_call import live_call
from sipguard.store.redo import position
from sipguard.store.redo.position import Move
from sipguard.store.rejected_record import rejected_record


class CallAnswered(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A 2xx came: from here on the call must survive a restart."""

    call: int
    answered_ms: int
    dialog: bytes
    state: bytes


class CallUpdated(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What the proxy keeps of a live call has changed; the newest counts."""

    call: int
    state: bytes


class CallMoved(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The dialog of a live call has changed: another fork has answered, an end is reached elsewhere."""

    call: int
    dialog: bytes


class CallClosed(msgspec.Struct, frozen=True, tag=True):
    """An attempt is over: its CDR, and its charge where it has one. The live call, if any, ends with it."""

    cdr: Cdr
    entry: Entry | None
    closed_ms: int | None = None
    """When that was found, Unix time in ms: a call whose ends have gone ended before. None: at `ended_ms`."""


class Unwritable(msgspec.Struct, frozen=True, tag=True):
    """A record that could not be put into the redo log, or not be read from it: kept for a human."""

    at_ms: int
    kind: str
    error: str
    content: str


Record: TypeAlias = CallAnswered | CallUpdated | CallMoved | CallClosed | Unwritable


@dataclass(slots=True)
class Outcome:
    """What became of a batch that was committed."""

    duplicates: int = 0
    """Records that were there already, with the same content: nothing was done."""
    rejected: list[str] = field(default_factory=list)
    """One error for each record that cannot be written; it is kept in rejected_record."""


class BatchWriter:
    """Writes batches on a connection in autocommit mode of its own; `origin` goes into the journal."""

    def __init__(self, connection: sqlite3.Connection, origin: str) -> None:
        self._connection = connection
        self._origin = origin
        self._currencies: dict[int, str] = {}

    def write(self, records: Sequence[Record], move: Move | None = None) -> Outcome:
        """Commit all records in their order; a record that can never be written is set aside.

        `move`: of the position in the redo log that the records come from; where the database has made it
        already, nothing is written. Raises what the storage raises (locked, full, damaged), ForeignLogError
        where the move cannot be made; then nothing of the batch is written.
        """
        try:
            return self._transaction(self._together, records, move)
        except Exception as error:
            if _is_storage_failure(error):
                raise
        # Some record is a duplicate or cannot be written. Which one is found by trying each by itself.
        return self._transaction(self._one_by_one, records, move)

    def _transaction(
        self, write: Callable[[Sequence[Record]], Outcome], records: Sequence[Record], move: Move | None
    ) -> Outcome:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            new = move is None or position.move(self._connection, move)
            outcome = write(records) if new else Outcome()
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return outcome

    def _together(self, records: Sequence[Record]) -> Outcome:
        self._put(records)
        return Outcome(rejected=[f"{r.kind}: {r.error}" for r in records if type(r) is Unwritable])

    def _one_by_one(self, records: Sequence[Record]) -> Outcome:
        execute = self._connection.execute
        self._currencies = dict(execute(_CURRENCIES))  # a ledger account may be newer than our copy
        outcome = Outcome()
        for record in records:
            execute("SAVEPOINT record")
            try:
                self._put((record,))
            except Exception as error:
                if _is_storage_failure(error):
                    raise
                execute("ROLLBACK TO record")
                if self._is_there(record):
                    outcome.duplicates += 1
                else:
                    outcome.rejected.append(self._reject(record, error))
            else:
                if type(record) is Unwritable:
                    outcome.rejected.append(f"{record.kind}: {record.error}")
            execute("RELEASE record")
        return outcome

    def _put(self, records: Sequence[Record]) -> None:
        """All checks and rows first, then the writes."""
        closed = [r for r in records if type(r) is CallClosed]
        cdrs = [r.cdr for r in closed]
        records_of_calls = self._cdr_rows(cdrs)
        entries, postings, deltas = self._journal_rows([r.entry for r in closed if r.entry is not None])
        answered, updated, moved, ended = _live_call_rows(records)
        unwritable = [(r.at_ms, r.kind, r.error, r.content) for r in records if type(r) is Unwritable]

        many = self._connection.executemany
        many(_UPDATE_LIVE_CALL, updated)
        many(_MOVE_LIVE_CALL, moved)
        many(_END_LIVE_CALL, ended)
        many(_INSERT_LIVE_CALL, answered)
        many(_INSERT_CDR, records_of_calls)
        many(_INSERT_JOURNAL_ENTRY, entries)
        many(_INSERT_POSTING, postings)
        many(_ADD_TO_BALANCE, [(micros, ledger) for ledger, micros in deltas.items()])
        many(_INSERT_REJECTED_RECORD, unwritable)

    def _cdr_rows(self, cdrs: Sequence[Cdr]) -> list[tuple[Any, ...]]:
        """Rows of the call records, numbered on from the newest, dropped ones counted."""
        if not cdrs:
            return []
        (newest,) = self._connection.execute(_NEWEST_SEQUENCE).fetchone()
        return [(sequence, *to_row(told)) for sequence, told in enumerate(cdrs, newest + 1)]

    def _journal_rows(self, entries: Sequence[Entry]) -> tuple[list[Any], list[Any], dict[int, int]]:
        """Rows of the journal, linked to its present end, and what they add to each balance."""
        entry_rows: list[Any] = []
        posting_rows: list[Any] = []
        deltas: dict[int, int] = {}
        if not entries:
            return entry_rows, posting_rows, deltas
        key, previous = self._connection.execute(_NEWEST_ENTRY).fetchone() or (0, journal.GENESIS)
        origin = self._origin
        for entry in entries:
            journal.check(entry, self._currencies)
            key += 1
            pairs = [(posted.ledger, posted.amount_micros) for posted in entry.postings]
            linked = journal.link(
                previous, key, entry.key, entry.kind, entry.at_ms, origin, entry.memo, pairs
            )
            entry_rows.append((key, entry.key, entry.kind, entry.at_ms, origin, entry.memo, previous, linked))
            for place, (ledger, micros) in enumerate(pairs):
                posting_rows.append((key, place, ledger, micros))
                deltas[ledger] = deltas.get(ledger, 0) + micros
            previous = linked
        return entry_rows, posting_rows, deltas

    def _is_there(self, record: Record) -> bool:
        """The store holds exactly this record. A record like it with other content is no duplicate."""

        def rows(sql: str, *of: object) -> list[Any]:
            return self._connection.execute(sql, of).fetchall()

        try:
            match record:
                case CallAnswered(call, answered_ms, dialog):
                    return rows(_LIVE_CALL, call) == [(answered_ms, dialog)]
                case CallClosed(cdr=told, entry=entry):
                    return rows(_CDR, told.call) == [to_row(told)] and (
                        entry is None
                        or rows(_POSTINGS, entry.key) == [(p.ledger, p.amount_micros) for p in entry.postings]
                    )
        except Exception as error:
            if _is_storage_failure(error):
                raise
        return False

    def _reject(self, record: Record, error: Exception) -> str:
        """Keep what cannot be written for a human. ascii(): lone surrogates may be what is wrong with it."""
        kind, text, content = type(record).__name__, ascii(f"{type(error).__name__}: {error}"), ascii(record)
        now_ms = time.time_ns() // 1_000_000
        self._connection.execute(_INSERT_REJECTED_RECORD, (now_ms, kind, text, content))
        return f"{kind}: {text}"


def _live_call_rows(records: Sequence[Record]) -> tuple[list[Any], ...]:
    """Rows of calls that begin, as the batch leaves them; new states, dialogs and ends of others."""
    begun: list[Any] = []
    rows: dict[int, Any] = {}
    states: dict[int, bytes] = {}
    dialogs: dict[int, bytes] = {}
    ends: dict[int, int] = {}
    for record in records:
        if type(record) is CallAnswered:
            row = [record.call, record.answered_ms, None, record.dialog, record.state]
            rows[record.call] = row
            begun.append(row)
        elif type(record) is CallUpdated:
            if record.call in rows:
                rows[record.call][4] = record.state
            else:
                states[record.call] = record.state
        elif type(record) is CallMoved:
            if record.call in rows:
                rows[record.call][3] = record.dialog
            else:
                dialogs[record.call] = record.dialog
        elif type(record) is CallClosed and record.cdr.answered_ms is not None:
            closed_ms = record.cdr.ended_ms if record.closed_ms is None else record.closed_ms
            if record.cdr.call in rows:
                rows[record.cdr.call][2] = closed_ms
            else:
                ends[record.cdr.call] = closed_ms
    return begun, *([(new, call) for call, new in news.items()] for news in (states, dialogs, ends))


def _is_storage_failure(error: Exception) -> bool:
    """It lies with the storage (locked, full, damaged, no memory) and not with the record."""
    refused = (sqlite3.OperationalError, sqlite3.InternalError, MemoryError, position.ForeignLogError)
    return isinstance(error, refused) or (
        type(error) is sqlite3.DatabaseError  # "malformed", "not a database": no class of their own
    )


def _sql(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="qmark")))


def _insert(table: Table, *columns: str) -> str:
    """INSERT of one row; all columns in the order of the table unless named."""
    return _sql(insert(table).values(dict.fromkeys(columns or table.c.keys())))


_INSERT_CDR = _insert(cdr)
_INSERT_JOURNAL_ENTRY = _insert(journal_entry)
_INSERT_POSTING = _insert(posting)
_INSERT_LIVE_CALL = _insert(live_call)
_INSERT_REJECTED_RECORD = _insert(rejected_record, "at_ms", "kind", "error", "content")
_UPDATE_LIVE_CALL = _sql(
    update(live_call).values(state=bindparam("new")).where(live_call.c.call == bindparam("of"))
)
_MOVE_LIVE_CALL = _sql(
    update(live_call).values(dialog=bindparam("new")).where(live_call.c.call == bindparam("of"))
)
_END_LIVE_CALL = _sql(
    update(live_call).values(ended_ms=bindparam("new")).where(live_call.c.call == bindparam("of"))
)
_ADD_TO_BALANCE = _sql(
    update(ledger_account)
    .values(balance_micros=ledger_account.c.balance_micros + bindparam("delta"))
    .where(ledger_account.c.key == bindparam("of"))
)
_NEWEST_ENTRY = f"{_sql(select(journal_entry.c.key, journal_entry.c.hash))} ORDER BY key DESC LIMIT 1"
_CURRENCIES = _sql(select(ledger_account.c.key, ledger_account.c.currency))
_LIVE_CALL = _sql(
    select(live_call.c.answered_ms, live_call.c.dialog).where(live_call.c.call == bindparam("of"))
)
_CDR = _sql(select(*cdr.c[1:]).where(cdr.c.call == bindparam("of")))
# The number of a record that was dropped is not given again.
_NEWEST_SEQUENCE = (
    "SELECT max(coalesce((SELECT max(sequence) FROM cdr), 0), (SELECT dropped_through FROM cdr_retention))"
)
_POSTINGS = _sql(
    select(posting.c.ledger, posting.c.amount_micros)
    .join(journal_entry)
    .where(journal_entry.c.idempotency_key == bindparam("of"))
    .order_by(posting.c.position)
)
