"""What is read back: configuration, the tree of accounts, call records, live calls, the feed, epochs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from sipguard.store import (
    account,
    cdr,
    cdr_find,
    configuration,
    database,
    feed,
    instance,
    live_call,
    rejected_record,
)
from sipguard.store.batch import BatchWriter, CallAnswered, CallClosed, Record
from sipguard.store.cdr_find import Wanted
from sipguard.store.database import StoreError
from tests.store import books
from tests.store.books import EPOCH


def written(path: Path, *records: Record) -> None:
    with books.connect(path) as connection:
        assert BatchWriter(connection, "proxy").write(records).rejected == []


def test_an_account_comes_back_as_it_was_told(path: Path) -> None:
    async def insert(conn):
        return await account.insert(
            conn,
            id="Dhaka",
            name="Dhaka retail",
            currency="BDT",
            agent_key=1,
            credit_limit_micros=5,
            call_limit=0,
            cps_limit=7,
            max_call_seconds=60,
            max_rate_micros=9,
            locked=True,
            valid_from=100,
            valid_till=200,
        )

    told = books.write(path, insert)
    assert (told.agent_key, told.call_limit, told.locked) == (1, 0, True)
    assert books.read(path, lambda conn: account.by_id(conn, "Dhaka")) == told
    assert told in books.read(path, account.all_accounts)
    assert books.read(path, lambda conn: account.by_id(conn, "dhaka")) is None
    with pytest.raises(IntegrityError, match="UNIQUE"):
        books.write(path, insert)


def test_the_tree_has_every_agent_before_its_own(path: Path) -> None:
    async def grow(conn) -> None:
        keys = {"agent": 1}
        for id, agent in [("z", None), ("c", "agent"), ("a", "z"), ("b", "c"), ("B", "c")]:
            added = await account.insert(conn, id=id, name="", currency="BDT", agent_key=keys.get(agent))
            keys[id] = added.key

    books.write(path, grow)
    written(path, books.closed(1))
    listed = books.read(path, account.tree)
    assert [("  " * one.depth + one.account.id) for one in listed] == [
        "agent",
        "  c",
        "    B",
        "    b",
        "  customer",
        "z",
        "  a",
    ]
    money = {one.account.id: (one.balance_micros, one.revenue_micros) for one in listed}
    assert money["agent"] == (-800_000, 1_300_000)
    assert money["customer"] == (-1_300_000, 0)


def test_call_records_newest_first_of_a_subtree(path: Path) -> None:
    written(
        path,
        books.closed(1),
        CallClosed(msgspec.structs.replace(books.closed(2).cdr, account_id="agent"), books.charge(EPOCH + 2)),
        CallClosed(msgspec.structs.replace(books.refused(3).cdr, account_id=None), None),
        books.refused(4),
    )

    def newest(limit: int, below: str | None = None) -> list[int]:
        async def query(conn):
            ids = None if below is None else await account.ids_below(conn, below)
            return await cdr_find.newest(conn, Wanted(account_ids=ids), limit=limit)

        return [told.cdr.call - EPOCH for told in books.read(path, query)]

    assert newest(9) == [4, 3, 2, 1]
    assert newest(2) == [4, 3]
    assert newest(9, "agent") == [4, 2, 1]
    assert newest(9, "customer") == [4, 1]
    assert newest(9, "nobody") == []


def test_many_records_at_once(path: Path) -> None:
    written(path, *(books.closed(number) for number in range(1_200)))
    found = books.read(path, lambda conn: cdr_find.newest(conn, Wanted(), limit=2_000))
    assert [told.cdr for told in found] == [books.closed(number).cdr for number in reversed(range(1_200))]


def test_call_records_by_either_id(path: Path) -> None:
    again = msgspec.structs.replace(books.refused(2).cdr, sip_call_id="1@192.0.2.1")
    written(path, books.closed(1), CallClosed(again, None))
    assert books.read(path, lambda conn: cdr.by_call(conn, EPOCH + 1)) == books.closed(1).cdr
    assert books.read(path, lambda conn: cdr.by_call(conn, 1)) is None
    assert books.read(path, lambda conn: cdr_find.by_sip_call_id(conn, "1@192.0.2.1")) == [
        again,
        books.closed(1).cdr,
    ]


def test_ended_calls_are_forgotten_and_live_ones_never(path: Path) -> None:
    written(path, *(CallAnswered(EPOCH + number, 2_000, b"d", b"s") for number in (1, 2, 3)))
    written(path, books.closed(1), books.closed(2, ended_ms=90_000))
    assert books.write(path, lambda conn: live_call.prune(conn, 62_000)) == 0  # strictly before
    assert books.write(path, lambda conn: live_call.prune(conn, 62_001)) == 1
    assert [one.call - EPOCH for one in books.read(path, live_call.load_live)] == [2, 3]
    assert books.write(path, lambda conn: live_call.prune(conn, 10**15)) == 1
    assert [one.call - EPOCH for one in books.read(path, live_call.load_live)] == [3]


def test_the_feed_tells_what_came_after_a_revision(path: Path) -> None:
    before = books.read(path, feed.revision)
    first = books.write(path, lambda conn: feed.record(conn, "account", "insert", "a"))
    second = books.write(path, lambda conn: feed.record(conn, "section", "delete", "7"))
    assert second > first > before
    assert books.read(path, feed.revision) == second
    changes = books.read(path, lambda conn: feed.since(conn, first))
    assert [(one.revision, one.noun, one.action, one.id) for one in changes] == [
        (second, "section", "delete", "7")
    ]
    assert [one.revision for one in books.read(path, lambda conn: feed.since(conn, before))] == [
        first,
        second,
    ]
    assert books.read(path, lambda conn: feed.since(conn, second)) == []


def test_a_change_is_told_only_when_it_is_made(path: Path) -> None:
    async def fail(conn) -> None:
        await feed.record(conn, "account", "insert", "a")
        raise KeyError

    before = books.read(path, feed.revision)
    with pytest.raises(KeyError):
        books.write(path, fail)
    assert books.read(path, feed.revision) == before


def test_epochs_are_never_used_twice(path: Path) -> None:
    first = books.write(path, instance.next_epoch)
    with books.connect(path) as connection:
        connection.execute("DELETE FROM instance")
    assert books.write(path, instance.next_epoch) == first + 1


def test_configuration_needs_a_house(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    asyncio.run(database.create(path).close())
    with pytest.raises(StoreError, match="load a data set first"):
        books.read(path, configuration.load)


def test_rejected_records_are_counted(path: Path) -> None:
    assert books.read(path, rejected_record.count) == 0
    with books.connect(path) as connection:
        BatchWriter(connection, "proxy").write([books.closed(1, user_agent="\ud800")])
    assert books.read(path, rejected_record.count) == 1
