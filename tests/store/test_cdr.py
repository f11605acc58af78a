"""Call records: found in any block, read on in the order of writing, dropped by whole days and not else."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from sipguard.model.cdr import Cdr, GatewayTry, Outcome
from sipguard.store import cdr_block, cdr_find, ledger
from sipguard.store.batch import BatchWriter, CallClosed
from sipguard.store.cdr_block import BLOCK_BITS, DAY_MS
from sipguard.store.cdr_find import Wanted
from tests.store import books
from tests.store.books import EPOCH

BLOCK = 1 << BLOCK_BITS
CALLS = 2 * BLOCK + 500
CALLS_PER_DAY = 5_000


def told(number: int, chance: random.Random) -> Cdr:
    """An attempt; a few thousand in a day."""
    at_ms = number * (DAY_MS // CALLS_PER_DAY)
    return msgspec.structs.replace(
        books.refused(number).cdr,
        sip_call_id=f"{number // 2}@192.0.2.1",  # every second one is tried again
        account_id=chance.choice(["customer", "agent", "other", None]) if number > 100 else "early",
        called=chance.choice(["8801711", "8802", "44", None]),
        called_received="+8801711",
        calling=chance.choice(["1415", ""]),
        mapping_gateway_id=chance.choice(["trunk", "100%_trunk"]),
        routing_gateway_id=chance.choice(["Vendor-A", None]),
        tries=(GatewayTry("Vendor-C", "1", 503, "response"),) if number % 7 == 0 else (),
        outcome=chance.choice([Outcome.REFUSED, Outcome.FAILED]),
        status=chance.choice([402, 403, 486, 503]),
        reason=chance.choice(["not_enough_money", None]),
        invited_ms=at_ms - chance.randrange(3_600_000),
        ended_ms=at_ms,
    )


@pytest.fixture(scope="module")
def calls() -> list[Cdr]:
    chance = random.Random(20261123)
    return [told(number, chance) for number in range(1, CALLS + 1)]


@pytest.fixture(scope="module")
def filled(template: Path, tmp_path_factory: pytest.TempPathFactory, calls: list[Cdr]) -> Path:
    """Two full blocks, which are listed, and one that is not full. Nobody writes to it."""
    path = Path(shutil.copy(template, tmp_path_factory.mktemp("filled")))
    write(path, *calls)
    assert cdr_block.tidy(path, None, lambda: True) == 0
    assert [block for (block,) in books.rows(path, "SELECT block FROM cdr_block")] == [0, 1]
    return path


def write(path: Path, *records: Cdr) -> None:
    with books.connect(path) as connection:
        outcome = BatchWriter(connection, "proxy").write([CallClosed(record, None) for record in records])
        assert (outcome.rejected, outcome.duplicates) == ([], 0)


def newest(path: Path, wanted: Wanted, limit: int = CALLS) -> list[Cdr]:
    return [one.cdr for one in books.read(path, lambda conn: cdr_find.newest(conn, wanted, limit=limit))]


def all_after(path: Path, wanted: Wanted, sequence: int = 0) -> list[int]:
    """Every record behind a sequence, page by page, as an export reads them."""
    found: list[int] = []
    while page := books.read(path, lambda conn, at=sequence: cdr_find.after(conn, wanted, at)):
        assert page.through > sequence
        assert len(page.records) <= BLOCK
        found += [stored.sequence for stored in page.records]
        sequence = page.through
    return found


WANTED: dict[str, tuple[Wanted, Callable[[Cdr], bool]]] = {
    "all": (Wanted(), lambda told: True),
    "one account": (Wanted(account_ids=("agent",)), lambda told: told.account_id == "agent"),
    "an account of long ago": (Wanted(account_ids=("early",)), lambda told: told.account_id == "early"),
    "an account without calls": (Wanted(account_ids=("nobody",)), lambda told: False),
    "many accounts": (
        Wanted(account_ids=("early", *(f"none-{number}" for number in range(2_000)))),
        lambda told: told.account_id == "early",
    ),
    "called": (Wanted(called="880"), lambda told: (told.called or "8801711").startswith("880")),
    "calling": (Wanted(calling="1415"), lambda told: told.calling == "1415"),
    "no pattern": (Wanted(called="88_"), lambda told: False),
    "mapping gateway": (Wanted(gateway_id="trunk"), lambda told: told.mapping_gateway_id == "trunk"),
    "routing gateway": (Wanted(gateway_id="Vendor-A"), lambda told: told.routing_gateway_id == "Vendor-A"),
    "gateway tried": (Wanted(gateway_id="Vendor-C"), lambda told: bool(told.tries)),
    "outcome": (Wanted(outcome=Outcome.FAILED), lambda told: told.outcome is Outcome.FAILED),
    "status": (Wanted(status=(403, 403)), lambda told: told.status == 403),
    "class of status": (Wanted(status=(400, 499)), lambda told: 400 <= told.status < 500),
    "reason": (Wanted(reason="not_enough_money"), lambda told: told.reason == "not_enough_money"),
    "Call-ID in a full block": (
        Wanted(sip_call_id="700@192.0.2.1"),
        lambda told: told.sip_call_id == "700@192.0.2.1",
    ),
    "Call-ID in two blocks": (
        Wanted(sip_call_id=f"{BLOCK // 2}@192.0.2.1"),
        lambda told: told.sip_call_id == f"{BLOCK // 2}@192.0.2.1",
    ),
    "Call-ID in the block that fills": (
        Wanted(sip_call_id=f"{CALLS // 2}@192.0.2.1"),
        lambda told: told.sip_call_id == f"{CALLS // 2}@192.0.2.1",
    ),
    "no such Call-ID": (Wanted(sip_call_id="x"), lambda told: False),
    "Call-ID and more": (Wanted(sip_call_id="1@192.0.2.1", status=(100, 199)), lambda told: False),
    "a day by INVITE": (
        Wanted(from_ms=DAY_MS, till_ms=2 * DAY_MS),
        lambda told: DAY_MS <= told.invited_ms < 2 * DAY_MS,
    ),
    "a day by end": (
        Wanted(from_ms=2 * DAY_MS, till_ms=3 * DAY_MS, by="ended"),
        lambda told: 2 * DAY_MS <= told.ended_ms < 3 * DAY_MS,
    ),
    "since": (Wanted(from_ms=3 * DAY_MS), lambda told: told.invited_ms >= 3 * DAY_MS),
    "before all": (Wanted(till_ms=-DAY_MS), lambda told: False),
    "all of it": (
        Wanted(("agent",), "880", "", "trunk", Outcome.FAILED, (402, 486), None, None, DAY_MS, 3 * DAY_MS),
        lambda told: (
            (told.account_id, told.mapping_gateway_id, told.outcome) == ("agent", "trunk", Outcome.FAILED)
            and (told.called or "8801711").startswith("880")
            and 402 <= told.status <= 486
            and DAY_MS <= told.invited_ms < 3 * DAY_MS
        ),
    ),
}


@pytest.mark.parametrize("name", WANTED)
def test_what_is_found_is_what_was_asked_for(filled: Path, calls: list[Cdr], name: str) -> None:
    wanted, holds = WANTED[name]
    expected = [record for record in calls if holds(record)]
    assert newest(filled, wanted) == expected[::-1]
    assert newest(filled, wanted, limit=3) == expected[::-1][:3]
    assert all_after(filled, wanted) == [record.call - EPOCH for record in expected]


def test_reading_on_gets_every_record_once(filled: Path, calls: list[Cdr]) -> None:
    for start in (BLOCK - 2, BLOCK - 1, BLOCK, CALLS - 1, CALLS, 10 * CALLS):
        assert all_after(filled, Wanted(), start) == list(range(start + 1, CALLS + 1))


def test_a_long_call_that_ends_late_is_read_last(path: Path) -> None:
    write(path, books.refused(5).cdr)
    assert all_after(path, Wanted()) == [1]
    write(path, books.refused(4).cdr)
    assert all_after(path, Wanted(), 1) == [2]
    assert [told.call - EPOCH for told in newest(path, Wanted())] == [4, 5]


def test_whole_days_are_dropped_and_the_books_stay(
    filled: Path, tmp_path: Path, calls: list[Cdr], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(filled, tmp_path))
    with books.connect(path) as connection:
        BatchWriter(connection, "proxy").write([books.closed(CALLS + 1, ended_ms=4 * DAY_MS)])
    kept = [record for record in calls if record.ended_ms >= 2 * DAY_MS]
    asked = []

    def go_on() -> bool:
        asked.append(len(books.rows(path, "SELECT 1 FROM cdr")))
        return len(asked) < 3

    assert cdr_block.tidy(path, 2 * DAY_MS, go_on) == 3_000, "a thousand at once, until it is told to stop"
    assert asked == [CALLS + 1 - 1_000 * step for step in (1, 2, 3)]
    assert cdr_block.tidy(path, 2 * DAY_MS, lambda: True) == CALLS - len(kept) - 3_000
    assert cdr_block.tidy(path, 2 * DAY_MS, lambda: True) == 0

    assert newest(path, Wanted())[1:] == kept[::-1]
    assert newest(path, Wanted(sip_call_id=calls[0].sip_call_id)) == []
    assert [block for (block,) in books.rows(path, "SELECT DISTINCT block FROM cdr_block_call_id")] == [1]
    assert all_after(path, Wanted()) == list(range(CALLS - len(kept) + 1, CALLS + 2))
    assert books.read(path, ledger.verify).ok
    assert books.read(path, ledger.verify).entries == 1


def test_numbers_are_not_given_again(path: Path) -> None:
    write(path, *(books.refused(number).cdr for number in (1, 2, 3)))
    assert cdr_block.tidy(path, DAY_MS, lambda: True) == 3
    write(path, books.refused(4).cdr)
    assert books.rows(path, "SELECT sequence FROM cdr") == [(4,)]
    assert all_after(path, Wanted(), 3) == [4]


def test_blocks_are_listed_after_everything_was_dropped(
    filled: Path, tmp_path: Path, calls: list[Cdr]
) -> None:
    path = Path(shutil.copy(filled, tmp_path))
    assert cdr_block.tidy(path, 100 * DAY_MS, lambda: True) == CALLS
    assert all_after(path, Wanted()) == []
    assert newest(path, Wanted()) == newest(path, Wanted(sip_call_id="1@192.0.2.1")) == []
    again = [msgspec.structs.replace(told, call=told.call + CALLS) for told in calls[: BLOCK + 9]]
    write(path, *again)
    assert newest(path, Wanted(account_ids=("early",)))[::-1] == again[:100]
    assert cdr_block.tidy(path, None, lambda: True) == 0
    assert [block for (block,) in books.rows(path, "SELECT block FROM cdr_block")] == [2]
    assert newest(path, Wanted(account_ids=("early",)))[::-1] == again[:100]


@pytest.mark.parametrize("days", [0, 1, 30])
def test_what_is_kept_begins_at_a_midnight(days: int) -> None:
    noon_ms = 1_795_392_000_000 + DAY_MS // 2
    assert cdr_block.kept_from_ms(noon_ms, days) == 1_795_392_000_000 - days * DAY_MS


def test_nothing_else_is_ever_deleted(path: Path) -> None:
    """Only what ended before the midnight that the store was told, whoever asks."""
    write(path, books.refused(1).cdr, msgspec.structs.replace(books.refused(2).cdr, ended_ms=DAY_MS))
    with books.connect(path) as connection:
        delete: Callable[..., Any] = connection.execute
        for sql in ("DELETE FROM cdr", "DELETE FROM cdr WHERE sequence = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="cdr is append-only"):
                delete(sql)
        delete("UPDATE cdr_retention SET kept_from_ms = ?", (DAY_MS,))
        with pytest.raises(sqlite3.IntegrityError, match="cdr is append-only"):
            delete("DELETE FROM cdr")
        assert delete("DELETE FROM cdr WHERE sequence = 1").rowcount == 1
        with pytest.raises(sqlite3.IntegrityError, match="goes forward only"):
            delete("UPDATE cdr_retention SET kept_from_ms = 0")


def test_a_record_whose_levels_would_differ_is_no_duplicate(path: Path) -> None:
    one = books.closed(1)
    level = msgspec.structs.replace(one.cdr.levels[0], balance_micros=1)
    other = msgspec.structs.replace(one.cdr, levels=(level, *one.cdr.levels[1:]))
    with books.connect(path) as connection:
        writer = BatchWriter(connection, "proxy")
        assert writer.write([one, one]).duplicates == 1
        assert len(writer.write([CallClosed(other, one.entry)]).rejected) == 1


PLANS = {
    "a Call-ID": (
        Wanted(sip_call_id="7@192.0.2.1"),
        "cdr_block_call_id USING PRIMARY KEY (block=? AND sip_hash=?)",
    ),
    "an account": (
        Wanted(account_ids=("agent",)),
        "cdr_block_account USING PRIMARY KEY (block=? AND account_id=?)",
    ),
    "anything": (Wanted(called="1"), "cdr USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
}


@pytest.mark.parametrize("name", PLANS)
def test_no_list_is_read_from_its_beginning(filled: Path, name: str) -> None:
    """What makes finding fast is that it goes by keys; the plans of SQLite say whether it does."""
    wanted, expected = PLANS[name]

    async def plans(conn) -> list[str]:
        asked: list[tuple[str, Any]] = []
        event.listen(conn.sync_connection, "before_cursor_execute", lambda *sent: asked.append(sent[2:4]))
        await cdr_find.newest(conn, wanted, limit=3)
        told = [(sql, parameters) for sql, parameters in asked if "FROM cdr" in sql]
        rows = [await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in told]
        return [row[3] for plan in rows for row in plan]

    found = books.read(filled, plans)
    assert f"SEARCH {expected}" in found, found
    assert not [step for step in found if step.startswith(("SCAN cdr_block_", "SCAN cdr "))], found


def test_older_records_are_read_on_from_any_sequence(filled: Path) -> None:
    def page(before: int | None) -> list[int]:
        found = books.read(
            filled,
            lambda conn: cdr_find.newest(conn, Wanted(outcome=Outcome.ANSWERED), limit=7, before=before),
        )
        return [one.sequence for one in found]

    seen: list[int] = []
    while some := page(seen[-1] if seen else None):
        seen += some
    every = books.read(
        filled, lambda conn: cdr_find.newest(conn, Wanted(outcome=Outcome.ANSWERED), limit=CALLS)
    )
    assert seen == [one.sequence for one in every]
