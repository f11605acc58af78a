"""How a batch becomes a transaction: replays, poison, the order of things (L-03, L-04)."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import msgspec
import pytest

from sipguard.model.cdr import Cdr
from sipguard.model.ledger import Entry, Posting
from sipguard.store import account, cdr, cdr_find, ledger, live_call
from sipguard.store.batch import BatchWriter, CallAnswered, CallClosed, CallUpdated, Outcome, Record
from sipguard.store.cdr_find import Wanted
from sipguard.store.live_call import LiveCall
from tests.store import books
from tests.store.books import CASH, CUSTOMER_BALANCE, EPOCH, FOREIGN_CASH


def write(path: Path, *records: Record) -> Outcome:
    with books.connect(path) as connection:
        return BatchWriter(connection, "proxy").write(records)


def newest(path: Path) -> list[Cdr]:
    return [told.cdr for told in books.read(path, lambda conn: cdr_find.newest(conn, Wanted(), limit=9))]


def answered(sequence: int) -> CallAnswered:
    return CallAnswered(EPOCH + sequence, 2_000, b"dialog", b"state")


def test_a_call_from_answer_to_end_in_one_batch(path: Path) -> None:
    told = books.closed(1)
    states = [CallUpdated(EPOCH + 1, b"second"), CallUpdated(EPOCH + 1, b"third")]
    assert write(path, answered(1), answered(2), *states, told) == Outcome()
    assert books.read(path, live_call.load_live) == [
        LiveCall(EPOCH + 1, 2_000, 62_000, b"dialog", b"third"),
        LiveCall(EPOCH + 2, 2_000, None, b"dialog", b"state"),
    ]
    assert books.read(path, lambda conn: cdr.by_call(conn, EPOCH + 1)) == told.cdr
    assert books.read(path, lambda conn: ledger.entry(conn, told.entry.key)) == told.entry
    assert books.read(path, ledger.verify).ok


def test_a_call_whose_ends_had_gone_is_kept_from_when_that_was_found(path: Path) -> None:
    """Its BYE may have to be said again after a restart, however long ago it is that it ended."""
    told = books.closed(1)
    write(path, answered(1), CallClosed(told.cdr, told.entry, 262_000))
    assert [row.ended_ms for row in books.read(path, live_call.load_live)] == [262_000]
    assert newest(path)[0].ended_ms == 62_000


def test_a_refused_call_has_a_record_and_no_charge(path: Path) -> None:
    told = books.refused(1)
    assert write(path, told) == Outcome()
    assert books.read(path, lambda conn: cdr.by_call(conn, EPOCH + 1)) == told.cdr
    assert books.rows(path, "SELECT * FROM journal_entry") == []


def test_an_update_of_an_unknown_call_does_nothing(path: Path) -> None:
    assert write(path, CallUpdated(1, b"x")) == Outcome()
    assert books.read(path, live_call.load_live) == []


def test_l04_replays_are_no_ops_among_new_records(path: Path) -> None:
    write(path, answered(1), books.closed(1), books.refused(2))
    before = books.read(path, ledger.balances)
    outcome = write(path, answered(1), books.closed(1), answered(3), books.refused(2), books.refused(4))
    assert outcome == Outcome(duplicates=3)
    assert books.read(path, ledger.balances) == before
    assert [told.call - EPOCH for told in newest(path)] == [4, 2, 1]


def test_l04_the_same_record_twice_in_one_batch(path: Path) -> None:
    told = books.closed(1)
    assert write(path, told, told, told) == Outcome(duplicates=2)
    assert books.read(path, ledger.balances)[CUSTOMER_BALANCE] == -1_300_000


def with_entry(sequence: int, *postings: tuple[int, int], key: str | None = None) -> CallClosed:
    entry = Entry(key or f"call:{EPOCH + sequence}", "call", 0, tuple(Posting(*pair) for pair in postings))
    return CallClosed(books.closed(sequence).cdr, entry)


POISON = {
    "a lone surrogate": (books.closed(2, user_agent="\ud800"), "UnicodeEncodeError"),
    "an integer beyond SQLite": (books.closed(2, duration_ms=2**63), "OverflowError"),
    "a wrong type": (books.closed(2, status="ok"), "cannot store TEXT value in INTEGER"),
    "an object": (books.closed(2, status=object()), "InterfaceError|ProgrammingError"),
    "not a record at all": (CallClosed(None, None), "AttributeError"),
    "an entry that does not balance": (with_entry(2, (CASH, -1), (CUSTOMER_BALANCE, 2)), "sum to 1"),
    "two currencies": (with_entry(2, (FOREIGN_CASH, -1), (CUSTOMER_BALANCE, 1)), "sum to -?1"),
    "no such ledger account": (with_entry(2, (99, -1), (CUSTOMER_BALANCE, 1)), "no ledger account 99"),
    "a balance beyond SQLite": (with_entry(2, (CASH, 2**63 - 1), (CUSTOMER_BALANCE, 1 - 2**63)), "REAL"),
    "a charge under the key of another": (with_entry(2, key=f"call:{EPOCH + 1}"), "UNIQUE"),
    "a call id that was used": (CallClosed(books.refused(1).cdr, None), "UNIQUE"),
    "an answer with other content": (msgspec.structs.replace(answered(0), dialog=b"other"), "UNIQUE"),
}


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_record_stands_in_nobodys_way(path: Path, poison: str) -> None:
    record, error = POISON[poison]
    write(path, answered(0), books.closed(5))  # so that a balance is there to overflow
    outcome = write(path, books.closed(1), record, books.closed(3))
    assert outcome.duplicates == 0
    assert len(outcome.rejected) == 1
    assert newest(path) == [books.closed(number).cdr for number in (3, 1, 5)]
    assert books.read(path, ledger.verify).ok

    ((kind, why, content),) = books.rows(path, "SELECT kind, error, content FROM rejected_record")
    assert kind == type(record).__name__
    assert re.search(error, why)
    assert content == ascii(record)


def test_a_ledger_account_that_is_newer_than_the_writer(path: Path) -> None:
    with books.connect(path) as connection:
        writer = BatchWriter(connection, "proxy")
        writer.write([books.closed(1)])
        new = books.write(path, lambda conn: account.insert(conn, id="new", name="", currency="BDT"))
        record = with_entry(2, (new.balance_ledger, -5), (new.revenue_ledger, 5))
        assert writer.write([record]) == Outcome()
    assert books.read(path, ledger.balances)[new.balance_ledger] == -5


def test_a_storage_failure_writes_nothing_and_says_so(path: Path) -> None:
    with books.connect(path) as connection, books.connect(path) as other:
        connection.execute("PRAGMA busy_timeout = 10")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            BatchWriter(connection, "proxy").write([books.closed(1)])
        assert not connection.in_transaction


def test_a_file_that_runs_full_in_the_middle_of_a_batch(path: Path) -> None:
    with books.connect(path) as connection:
        writer = BatchWriter(connection, "proxy")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            writer.write([books.closed(number) for number in range(100)])
        assert connection.execute("SELECT count(*) FROM cdr").fetchone() == (0,)
        connection.execute("PRAGMA max_page_count = 100000")
        assert writer.write([books.closed(number) for number in range(100)]) == Outcome()
