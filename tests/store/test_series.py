"""Series: every record counted once, at the level that it belongs to, by the minute and by the hour."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import TextClause

from sipguard.manage.desk import Desk
from sipguard.manage.errors import InvalidError, NotFoundError
from sipguard.manage.series import Point, seen, series, window
from sipguard.model.actor import Actor, Role, Via
from sipguard.model.cdr import GatewayTry, Outcome
from sipguard.model.ledger import Entry
from sipguard.policy import destination
from sipguard.store import database, feed, ledger, series_find, series_sql
from sipguard.store import series as series_store
from sipguard.store.batch import BatchWriter, CallClosed, Record
from sipguard.store.series import HOUR, MINUTE
from sipguard.store.series_step import Bounds, Counted, Kept, Stepper, reset
from tests.store import books

EVERYTHING = Kept(0, 0)
NOON = 1_700_049_600
"""A full hour, Unix seconds."""


def write(path: Path, *records: Record) -> None:
    with books.connect(path) as connection:
        assert BatchWriter(connection, "proxy").write(records).rejected == []


def call(number: int, at: int, entry: Entry | None = None, **changed: Any) -> CallClosed:
    """A call of a minute that ends at `at`, Unix seconds; it rang after half a second."""
    ended_ms = at * 1000
    times = {
        "invited_ms": ended_ms - 61_000,
        "ringing_ms": ended_ms - 60_500,
        "answered_ms": ended_ms - 60_000,
        "ended_ms": ended_ms,
    }
    return CallClosed(books.closed(number, **{**times, **changed}).cdr, entry)


def unanswered(number: int, at: int, outcome: Outcome, **changed: Any) -> CallClosed:
    fields: dict[str, Any] = {
        "outcome": outcome,
        "answered_ms": None,
        "ringing_ms": None,
        "duration_ms": 0,
        "cost_micros": 0,
        "levels": (),
        "tries": (),
        "currency": "" if outcome is Outcome.REFUSED else "BDT",
        "status": {Outcome.REFUSED: 403, Outcome.FAILED: 503, Outcome.CANCELLED: 487}[outcome],
        "reason": "section_blocked" if outcome is Outcome.REFUSED else None,
        "routing_gateway_id": None if outcome is Outcome.REFUSED else "Vendor-B",
    }
    return call(number, at, **{**fields, **changed})


def count(path: Path, kept: Kept = EVERYTHING, limit: int = 2_000) -> list[Counted]:
    """All steps until nothing is left, by a stepper of its own, as after a restart."""
    stepper = Stepper(path, destination.fronts(["88017"]), Bounds((30_000, 60_000), (200, 500)))
    try:
        told = []
        while stepper.behind():
            told.append(stepper.step(kept, limit))
        return told
    finally:
        stepper.close()


def points(path: Path, scope: str, key: str = "", step: int = MINUTE, seconds: int = HOUR) -> list[Point]:
    return books.read(path, lambda conn: series(conn, scope, key, NOON, NOON + seconds, step))


def some_calls(path: Path) -> None:
    tries = (
        GatewayTry("Vendor-A", "8801711000001", 503, "response"),
        GatewayTry("Vendor-B", "8801711000001", 200, "response"),
    )
    cancelled = (GatewayTry("Vendor-A", "8801711000001", 487, "cancelled"),)
    write(
        path,
        call(1, NOON + 5, tries=tries),
        call(2, NOON + 59, tries=tries[1:]),
        unanswered(3, NOON + 60, Outcome.REFUSED),
        unanswered(4, NOON + 61, Outcome.FAILED, tries=tries[:1]),
        unanswered(
            5,
            NOON + 62,
            Outcome.CANCELLED,
            tries=cancelled,
            called="4420794600",
            ringing_ms=NOON * 1000 + 1_900,
        ),
        unanswered(6, NOON + 63, Outcome.REFUSED, account_id=None, mapping_gateway_id=None, called=None),
    )


def test_every_scope_has_its_figures(path: Path) -> None:
    some_calls(path)
    count(path)
    first, second = points(path, "all", seconds=120)
    assert (first.at, first.attempts, first.answered, first.asr) == (NOON, 2, 2, 1.0)
    assert (first.acd_seconds, first.minutes, first.pdd_ms) == (60.0, 2.0, 500.0)
    # What the agent, the top level, paid; and what the vendor takes.
    assert first.charge_micros == {"BDT": 1_600_000}
    cost = books.closed(1).cdr.cost_micros
    assert first.cost_micros == {"BDT": 2 * cost}
    assert (second.attempts, second.refused, second.failed, second.cancelled) == (4, 2, 1, 1)
    assert second.asr == 0, "of two seizures none was answered; what was refused is none"

    assert points(path, "account", "customer")[0].charge_micros == {"BDT": 2_600_000}
    assert [p.attempts for p in points(path, "account", "customer", seconds=120)] == [2, 3]
    assert points(path, "account", "agent")[0].attempts == 0, "the agent itself made none"
    assert points(path, "agent", "agent")[0].charge_micros == {"BDT": 1_600_000}
    assert [p.attempts for p in points(path, "agent", "agent", seconds=120)] == [2, 3]
    assert points(path, "agent", "customer")[0] == points(path, "account", "customer")[0]

    # A gateway that was tried first has failed there, whoever took the call then.
    vendor_a = points(path, "routing_gateway", "Vendor-A", seconds=120)
    assert [(p.answered, p.failed, p.cancelled) for p in vendor_a] == [(0, 1, 0), (0, 1, 1)]
    assert vendor_a[0].charge_micros == {}
    vendor_b = points(path, "routing_gateway", "Vendor-B")[0]
    assert (vendor_b.answered, vendor_b.failed, vendor_b.minutes, vendor_b.asr) == (2, 0, 2.0, 1.0)
    assert [p.attempts for p in points(path, "mapping_gateway", "trunk", seconds=120)] == [2, 3]

    assert [p.attempts for p in points(path, "destination", "880", seconds=120)] == [2, 2]
    assert [p.attempts for p in points(path, "destination", "88017", seconds=120)] == [2, 2]
    assert [p.attempts for p in points(path, "destination", "44", seconds=120)] == [0, 1]

    for scope, key in [("all", ""), ("agent", "agent"), ("routing_gateway", "Vendor-A")]:
        minutes, (hour,) = points(path, scope, key), points(path, scope, key, HOUR)
        assert hour.attempts == sum(point.attempts for point in minutes)
        assert hour.minutes == sum(point.minutes for point in minutes)
    total = books.read(path, lambda conn: window(conn, "all", "", NOON, NOON + 120))
    assert (total.attempts, total.answered, total.asr) == (6, 2, 0.5)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_each_record_counts_once_however_it_is_cut_into_steps(path: Path, limit: int) -> None:
    some_calls(path)
    count(path, limit=limit)
    write(path, call(7, NOON + 70))
    count(path, limit=limit)
    count(path)
    assert sum(point.attempts for point in points(path, "all")) == 7
    assert points(path, "account", "customer", HOUR)[0].charge_micros == {"BDT": 3_900_000}


def test_a_kill_at_the_commit_neither_loses_nor_repeats(path: Path) -> None:
    """The figures and how far they reach are one transaction; another stepper finds one of both states."""
    some_calls(path)
    stepper = Stepper(path)
    with books.connect(path) as holder:
        stepper._connection.execute("PRAGMA busy_timeout = 0")
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError):
            stepper.step(EVERYTHING)
        holder.execute("ROLLBACK")
    assert books.rows(path, "SELECT count(*) FROM series") == [(0,)]
    # Two that read the same records before either has written: one of them counts.
    other = Stepper(path)
    assert stepper.step(EVERYTHING).records == 6
    assert other.step(EVERYTHING).records == 0
    stepper.close()
    other.close()
    assert sum(point.attempts for point in points(path, "all")) == 6


def test_a_step_tells_what_it_counted(path: Path) -> None:
    some_calls(path)
    (told,) = count(path)
    assert told.records == 6
    assert sorted(told.outcomes, key=str) == [
        ("answered", 200, None, 2),
        ("cancelled", 487, None, 1),
        ("failed", 503, None, 1),
        ("refused", 403, "section_blocked", 2),
    ]
    assert told.durations == [0, 2, 0]
    assert told.duration_ms == 120_000
    assert told.pdds == [0, 2, 1]
    assert told.money == [("BDT", 1_600_000, 2 * books.closed(1).cdr.cost_micros)]
    assert told.accounts == {"customer", "agent"}
    assert ("routing_gateway", "Vendor-A", 0, 0, 2, 1, 0) in told.gateways


def test_balances_follow_calls_and_payments_and_are_carried_on(path: Path) -> None:
    async def pay(conn: Any) -> None:
        entry = books.payment("p", 5_000_000)
        await ledger.post(conn, Entry(entry.key, entry.kind, entry.at_ms, entry.postings), "web")

    write(path, call(1, NOON + 5), call(2, NOON + 130))
    count(path)
    # As the level charges of `books` say, whatever the ledger holds.
    assert [p.balance_micros for p in points(path, "account", "customer", seconds=240)] == [10_000_000] * 4
    assert [p.balance_micros for p in points(path, "agent", "agent", seconds=60)] == [20_000_000]
    books.write(path, pay)
    count(path)
    at_ms = books.rows(path, "SELECT max(at_ms) FROM change")[0][0]
    minute = at_ms // 60_000 * 60
    later = books.read(path, lambda conn: series(conn, "account", "customer", minute, minute + 120, MINUTE))
    assert [point.balance_micros for point in later] == [5_000_000] * 2
    before = books.read(
        path, lambda conn: series(conn, "account", "customer", NOON + HOUR, NOON + 3 * HOUR, HOUR)
    )
    assert [point.balance_micros for point in before] == [10_000_000] * 2


def test_sub_accounts_are_counted_where_they_changed(path: Path) -> None:
    async def added(conn: Any) -> None:
        from sipguard.store import account

        agent = await account.by_id(conn, "agent")
        customer = await account.by_id(conn, "customer")
        await account.insert(conn, id="second", name="", currency="BDT", agent_key=agent.key)
        await account.insert(conn, id="below", name="", currency="BDT", agent_key=customer.key)
        await feed.record(conn, "account", "insert", "below")

    stepper = Stepper(path)
    books.write(path, lambda conn: feed.record(conn, "configuration", "load", "x"))
    assert stepper.grow(NOON) == 1
    assert stepper.grow(NOON + 60) == 0, "nothing has changed"
    books.write(path, added)
    assert stepper.grow(NOON + 120) == 2
    stepper.close()
    assert [p.sub_accounts for p in points(path, "agent", "agent", seconds=240)] == [1, 1, 3, 3]
    assert [p.sub_accounts for p in points(path, "agent", "customer", seconds=240)] == [None, None, 1, 1]


def test_what_is_old_is_not_kept(path: Path) -> None:
    write(path, *(call(number, NOON + 60 * number) for number in range(1, 40)))
    # Counted late: by the hour only, as far as it is kept.
    kept = Kept(NOON + 60 * 20, NOON)
    count(path, kept)
    oldest = "SELECT min(at), count(DISTINCT at) FROM series WHERE step = {}"
    assert books.rows(path, oldest.format(60)) == [(NOON + 60 * 20, 20)]
    assert books.rows(path, oldest.format(3600)) == [(NOON, 1)]
    stepper = Stepper(path)
    while stepper.forget(Kept(NOON + 60 * 35, NOON + HOUR)):
        pass
    stepper.close()
    assert books.rows(path, oldest.format(60)) == [(NOON + 60 * 35, 5)]
    assert books.rows(path, oldest.format(3600)) == [(None, 0)]
    assert [p.at for p in points(path, "all")][:1] == [NOON + 60 * 35], "no zeros where nothing is known"


def test_all_can_be_counted_anew(path: Path) -> None:
    some_calls(path)
    count(path)
    before = points(path, "agent", "agent")
    reset(path)
    assert points(path, "agent", "agent") == []
    count(path)
    assert points(path, "agent", "agent") == before


@pytest.mark.parametrize(
    ("scope", "key", "step", "says"),
    [
        ("planet", "x", 60, "scope: found planet, expected one of all, account, agent"),
        ("all", "x", 60, "key: all has none"),
        ("account", "", 60, "key: account needs one"),
        ("all", "", 90, "step: found 90 s, expected minutes"),
        ("all", "", 5400, "found 5400 s"),
        ("all", "", 0, "found 0 s"),
    ],
)
def test_what_cannot_be_asked(path: Path, scope: str, key: str, step: int, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        points(path, scope, key, step)


def test_steps_between_are_sums(path: Path) -> None:
    write(path, *(call(number, NOON + 60 * number) for number in range(1, 40)))
    count(path)
    assert [p.attempts for p in points(path, "all", step=900)] == [14, 15, 10, 0]
    day = books.read(path, lambda conn: series(conn, "all", "", NOON, NOON + 1, 86_400))
    assert [(p.at, p.attempts) for p in day] == [(NOON - NOON % 86_400, 39)]


def test_country_codes() -> None:
    digits = {"8801711": "880", "442079": "44", "14155": "1", "79161": "7", "21612": "216", "97150": "971"}
    assert {number: destination.country_code(number) for number in digits} == digits
    fronts = destination.fronts(["8801"])
    assert "8801" in fronts
    assert len(fronts) < 350
    assert not any(a != b and b.startswith(a) for a in fronts for b in fronts if b != "8801")


def test_who_sees_what(path: Path) -> None:
    """A login of an account sees what is below it, and nothing that tells of others."""
    some_calls(path)
    count(path)
    key = books.rows(path, "SELECT key FROM account WHERE id = 'customer'")[0][0]
    customer = Actor("c", Role.ACCOUNT, Via.SESSION, account_key=key)
    viewer = Actor("v", Role.VIEWER, Via.SESSION)

    def told(actor: Actor, scope: str, key: str) -> int:
        async def query() -> list[Point]:
            opened = database.open(path)
            try:
                async with Desk(opened).reading(actor) as view:
                    return await seen(view, scope, key, NOON, NOON + 60, MINUTE)
            finally:
                await opened.close()

        return sum(point.attempts for point in asyncio.run(query()))

    assert told(customer, "agent", "customer") == 2
    assert told(viewer, "agent", "agent") == told(viewer, "all", "") == 2
    for scope, of in [
        ("agent", "agent"),
        ("all", ""),
        ("routing_gateway", "Vendor-B"),
        ("destination", "880"),
    ]:
        with pytest.raises(NotFoundError):
            told(customer, scope, of)
    with pytest.raises(NotFoundError):
        told(viewer, "mapping_gateway", "gone")


def test_no_question_and_no_step_reads_more_than_it_has_to(path: Path) -> None:
    """By the plans of SQLite: series are looked up by step and moment, or by an index of their own."""
    texts = {
        name: str(value)
        for module in (series_store, series_find)
        for name, value in vars(module).items()
        if isinstance(value, TextClause)
    }
    texts |= {
        name: value
        for name, value in vars(series_sql).items()
        if isinstance(value, str) and name.isupper() and "series" in value and "series_position" not in value
    }
    assert len(texts) >= 10
    stepper = Stepper(path)
    for name, statement in texts.items():
        given = dict.fromkeys(re.findall(r":(\w+)", statement), 1)
        plan = stepper._connection.execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
        for *_, step in plan:
            reads = re.match(r"(SCAN|SEARCH) (s|b|series|newest|oldest)\b(.*)", step)
            if reads is None or "step=? AND at" in reads[3] or "INDEX series_" in reads[3]:
                continue
            assert name in ("_OLDEST", "FORGET"), f"{name}: {step}"  # the first row of a step
    stepper.close()
