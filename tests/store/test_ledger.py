"""The journal: posting, balances, and the proof that it adds up (L-01 to L-04, L-07)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipguard.model.ledger import Entry, LedgerKind, Posting
from sipguard.store import database, feed, ledger
from sipguard.store.batch import BatchWriter, CallClosed
from sipguard.store.database import StoreError
from sipguard.store.ledger import Drift, KeyConflictError
from tests.store import books
from tests.store.books import AGENT_BALANCE, CASH, COST, CUSTOMER_BALANCE, FOREIGN_CASH, LEDGERS


def post(path: Path, *entries: Entry) -> list[bool]:
    async def all_in_one(conn) -> list[bool]:
        return [await ledger.post(conn, entry, "test") for entry in entries]

    return books.write(path, all_in_one)


def close(path: Path, *records: CallClosed) -> None:
    with books.connect(path) as connection:
        assert BatchWriter(connection, "proxy").write(records).rejected == []


def test_posting_moves_money_and_is_told_to_the_proxy(path: Path) -> None:
    entry = books.payment("1", 500, memo="opening")
    assert post(path, entry) == [True]
    assert books.read(path, ledger.balances) == dict.fromkeys(range(1, 10), 0) | {
        CASH: -500,
        CUSTOMER_BALANCE: 500,
    }
    assert books.read(path, lambda conn: ledger.entry(conn, "payment:1")) == entry
    change = books.read(path, lambda conn: feed.since(conn, 0))[-1]
    assert (change.noun, change.action, change.id) == ("ledger", "post", "payment:1")


def test_l04_a_replay_is_a_no_op_and_says_so(path: Path) -> None:
    entry = books.payment("1", 500)
    assert post(path, entry) == [True]
    before = books.rows(path, "SELECT * FROM journal_entry, posting, ledger_account, change")
    assert post(path, entry, entry) == [False, False]
    assert books.rows(path, "SELECT * FROM journal_entry, posting, ledger_account, change") == before


def test_a_key_is_not_used_for_something_else(path: Path) -> None:
    post(path, books.payment("1", 500))
    with pytest.raises(KeyConflictError, match="payment:1"):
        post(path, books.payment("2", 7), books.payment("1", 501))
    assert books.read(path, lambda conn: ledger.entry(conn, "payment:2")) is None


UNBALANCED = [
    # postings, what the error says
    (((CASH, -5), (CUSTOMER_BALANCE, 6)), "sum to 1 micro-units of BDT"),
    (((CASH, 5),), "sum to 5 micro-units of BDT"),
    # Zero over all, but a dollar is not a taka.
    (((FOREIGN_CASH, -5), (CUSTOMER_BALANCE, 5)), "sum to -5 micro-units of USD"),
    (((CASH, -5), (99, 5)), "no ledger account 99"),
]


@pytest.mark.parametrize(("postings", "says"), UNBALANCED)
def test_l01_what_does_not_sum_to_zero_is_not_written(path: Path, postings, says: str) -> None:
    entry = Entry("payment:1", "payment", 0, tuple(Posting(*pair) for pair in postings))
    with pytest.raises(ValueError, match=says):
        post(path, entry)
    assert books.rows(path, "SELECT * FROM journal_entry") == []


def test_the_house_has_one_ledger_of_each_kind(path: Path, tmp_path: Path) -> None:
    assert books.read(path, lambda conn: ledger.of_house(conn, LedgerKind.COST)) == COST
    asyncio.run(database.create(tmp_path / "empty.db").close())
    with pytest.raises(StoreError, match="0 cost ledger accounts"):
        books.read(tmp_path / "empty.db", lambda conn: ledger.of_house(conn, LedgerKind.COST))


def test_l02_both_writers_make_one_chain_that_anybody_can_follow(path: Path) -> None:
    post(path, books.payment("1", 10_000_000, memo="naïve ✓"), books.payment("2", 5, to=AGENT_BALANCE))
    close(path, books.closed(1), books.closed(2))
    post(path, books.payment("3", 7))
    close(path, books.closed(3))

    previous = bytes(32)
    entries = books.rows(path, "SELECT * FROM journal_entry ORDER BY key")
    assert [entry[4] for entry in entries] == ["test", "test", "proxy", "proxy", "test", "proxy"]
    for place, entry in enumerate(entries, start=1):
        key, idempotency_key, kind, at_ms, origin, memo, previous_hash, linked = entry
        pairs = books.rows(
            path, "SELECT ledger, amount_micros FROM posting WHERE entry = ? ORDER BY position", key
        )
        told = json.dumps(
            [key, idempotency_key, kind, at_ms, origin, memo, pairs],
            ensure_ascii=False,
            separators=(",", ":"),
        )
        assert (key, previous_hash) == (place, previous)
        assert linked == hashlib.sha256(previous + told.encode()).digest()
        previous = linked

    report = books.read(path, ledger.verify)
    assert report.ok
    assert (report.entries, report.postings) == (6, 18)
    assert report.residual_micros == {"BDT": 0, "USD": 0}


@pytest.fixture
def booked(path: Path) -> Path:
    """Three payments and three calls, no trigger in the way of a thief."""
    post(path, *(books.payment(str(number), 1_000_000 + number) for number in range(3)))
    close(path, *(books.closed(number) for number in range(3)))
    with books.connect(path) as connection:
        for table in ("journal_entry", "posting"):
            for action in ("update", "delete"):
                connection.execute(f"DROP TRIGGER {table}_no_{action}")
    return path


TAMPERED = [
    # statement, first broken link, entries that do not sum to zero, residual, ledgers that drift
    ("UPDATE posting SET amount_micros = amount_micros + 1 WHERE entry = 2 AND position = 1", 2, [2], 1, 1),
    ("UPDATE posting SET ledger = 4 WHERE entry = 2 AND position = 1", 2, [], 0, 2),
    ("UPDATE posting SET position = 9 WHERE entry = 4 AND position = 0", 4, [], 0, 0),
    ("DELETE FROM posting WHERE entry = 1", 1, [], 0, 2),
    ("INSERT INTO posting VALUES (3, 2, 1, -5), (3, 3, 6, 5)", 3, [], 0, 2),
    ("UPDATE journal_entry SET memo = 'x' WHERE key = 3", 3, [], 0, 0),
    ("UPDATE journal_entry SET at_ms = 5 WHERE key = 6", 6, [], 0, 0),
    ("UPDATE journal_entry SET idempotency_key = 'call:7' WHERE key = 5", 5, [], 0, 0),
    ("UPDATE journal_entry SET hash = zeroblob(32) WHERE key = 6", 6, [], 0, 0),
    ("UPDATE journal_entry SET key = 9 WHERE key = 6", 6, [], 0, 4),
    ("DELETE FROM journal_entry WHERE key = 6", 6, [], 0, 4),
    ("DELETE FROM journal_entry WHERE key = 1", 1, [], 0, 2),
    ("INSERT INTO posting VALUES (99, 0, 1, 0)", 99, [], 0, 0),
    ("UPDATE ledger_account SET balance_micros = balance_micros - 1 WHERE key = 6", None, [], 0, 1),
]


@pytest.mark.parametrize(("statement", "broken", "unbalanced", "residual", "drifts"), TAMPERED)
def test_verify_finds(booked: Path, statement, broken, unbalanced, residual, drifts) -> None:
    assert books.read(booked, ledger.verify).ok
    with books.connect(booked) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(statement)
    report = books.read(booked, ledger.verify)
    assert not report.ok
    assert report.broken_link == broken
    assert report.unbalanced == unbalanced
    assert report.residual_micros["BDT"] == residual
    assert len(report.drifts) == drifts


def test_verify_finds_that_the_end_was_cut_off(booked: Path) -> None:
    """What is left is a whole chain; but the balances are not its sums."""
    with books.connect(booked) as connection:
        connection.execute("DELETE FROM posting WHERE entry = 6")
        connection.execute("DELETE FROM journal_entry WHERE key = 6")
    report = books.read(booked, ledger.verify)
    assert report.broken_link is None
    assert len(report.drifts) == 4


def test_verify_says_what_drifted(booked: Path) -> None:
    with books.connect(booked) as connection:
        connection.execute("UPDATE ledger_account SET balance_micros = 9 WHERE key = ?", (COST,))
    assert books.read(booked, ledger.verify).drifts == [Drift(COST, stored_micros=9, summed_micros=0)]


@pytest.mark.parametrize("table", ["journal_entry", "posting"])
def test_k15_verify_finds_every_flipped_byte_of_the_journal(path: Path, table: str) -> None:
    """One bit of each byte in turn that belongs to a row of the table (all rows are on one page here)."""
    post(path, books.payment("1", 1_000_000, memo="opening"))
    close(path, books.closed(1))
    with books.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (root,) = connection.execute(sql, (table,)).fetchone()
    whole = path.read_bytes()
    start = (root - 1) * page_size
    # Offset 5 of the page's header: where its rows begin (SQLite file format, section 1.6).
    content = start + int.from_bytes(whole[start + 5 : start + 7], "big")
    unnoticed = []
    for offset in range(content, start + page_size):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 7
        path.write_bytes(damaged)
        if books.read(path, ledger.verify).ok:
            unnoticed.append(offset - start)
    assert unnoticed == []


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Balanced, over two to six ledger accounts, some of them twice; few keys, so that some come again."""
    amounts = draw(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=5))
    places = draw(st.lists(st.sampled_from(LEDGERS), min_size=len(amounts) + 1, max_size=len(amounts) + 1))
    pairs = zip(places, [*amounts, -sum(amounts)], strict=True)
    return Entry(
        key=f"key:{draw(st.integers(0, 12))}",
        kind=draw(st.sampled_from(["payment", "call"])),
        at_ms=draw(st.integers(0, 2**45)),
        postings=tuple(Posting(*pair) for pair in pairs),
        memo=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["proxy", "web"]), entries()), max_size=15))
def test_l03_balances_are_the_sums_of_the_journal_whoever_posts(template: Path, posted) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(template, folder))
        sums: Counter[int] = Counter()
        written: dict[str, Entry] = {}
        for number, (who, entry) in enumerate(posted):
            if who == "proxy":
                with books.connect(path) as connection:
                    record = CallClosed(books.closed(number).cdr, entry)
                    outcome = BatchWriter(connection, "proxy").write([record])
                new = not outcome.rejected and not outcome.duplicates
            else:
                try:
                    (new,) = post(path, entry)
                except KeyConflictError:
                    new = False
            assert new == (entry.key not in written)
            if new:
                written[entry.key] = entry
                for posting in entry.postings:
                    sums[posting.ledger] += posting.amount_micros

        balances = books.read(path, ledger.balances)
        assert {key: micros for key, micros in balances.items() if micros} == {
            key: micros for key, micros in sums.items() if micros
        }
        assert sum(balances.values()) == 0
        report = books.read(path, ledger.verify)
        assert report.ok
        assert report.entries == len(written)
