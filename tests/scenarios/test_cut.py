"""Calls that sipguard ends: at the second that the money is granted for, and only those."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sipguard.model.ledger import Entry, Posting
from sipguard.store import database, ledger
from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import Loopback, eventually
from tests.scenarios.conftest import Stage

pytestmark = pytest.mark.scenario

SHORT, LIMITED, USUAL = 10, 11, 100
NUMBER = "8801711000001"
SECOND_MICROS = 10_000


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A daemon of its own for each test: these empty their accounts. Slices of two seconds."""
    loopback = Loopback()
    data = Path(__file__).with_name("cut.toml").read_text()
    with Daemon(tmp_path / "site", loopback.host(1), slice_seconds=2) as daemon, ExitStack() as cleanup:
        daemon.init(data, loopback)
        daemon.start()
        yield Stage(daemon, loopback, tmp_path, cleanup)
        daemon.idle()
        assert Books(daemon.database).violations() == []
    loopback.close()


@pytest.mark.bypass("D28")
def test_the_call_ends_at_the_second_that_the_money_pays_for(stage: Stage) -> None:
    gateway = stage.gateway("gateway/answers", USUAL)
    caller = stage.call("call/ended_by_callee", SHORT, NUMBER)
    cdr = stage.cdr(caller)
    far_end = gateway.stop()
    far_end.proved()
    assert (cdr["outcome"], cdr["ended_by"], cdr["reason"]) == ("answered", "sipguard", "not_enough_money")
    assert cdr["duration_ms"] == 5000, "L-10: the granted end, to the millisecond in the books"
    assert [level["charge_micros"] for level in cdr["levels"]] == [5 * SECOND_MICROS] * 2
    assert stage.books().balance_micros("short") == 0, "L-08: all of it, and not a micro-unit more"
    (answered,) = [message for message in caller.messages if message.status == 200 and not message.sent]
    (bye,) = [message for message in caller.messages if message.method == "BYE" and not message.sent]
    # The 2xx reaches the caller a commit later than it reached us, which is when the clock starts.
    assert 4.9 <= bye.at - answered.at < 6.0, "D28: within a second of the granted end"
    assert far_end.received("BYE") == 1, "both sides hear of it"


@pytest.mark.bypass("D28")
def test_money_that_comes_in_the_last_second_lengthens_the_call(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    caller = stage.caller("call/ended_by_callee", SHORT, NUMBER)
    eventually("a live call", lambda: bool(stage.books().live()), 5.0)
    time.sleep(4.0)  # of the five that are paid for: the wire has no clock to be passed in
    _pay(stage.daemon.database, "short", 3 * SECOND_MICROS)
    result = caller.wait()
    result.proved()
    cdr = stage.cdr(result)
    assert (cdr["reason"], cdr["duration_ms"]) == ("not_enough_money", 8000)
    assert stage.books().balance_micros("short") == 0


def test_the_maximum_length_ends_a_call_that_has_money(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    result = stage.call("call/ended_by_callee", LIMITED, NUMBER)
    cdr = stage.cdr(result)
    assert (cdr["reason"], cdr["duration_ms"], cdr["ended_by"]) == ("max_call_seconds", 3000, "sipguard")


def _pay(path: Path, account: str, amount: int) -> None:
    """A payment by another process than the daemon, which hears of it by the change feed."""

    with closing(sqlite3.connect(path)) as books:
        (cash,) = books.execute("SELECT key FROM ledger_account WHERE kind = 'cash'").fetchone()
        (balance,) = books.execute(
            "SELECT l.key FROM ledger_account l JOIN account a ON a.key = l.account_key"
            " WHERE l.kind = 'balance' AND a.id = ?",
            (account,),
        ).fetchone()

    async def pay() -> None:
        store = database.open(path)
        async with store.writing() as conn:
            postings = (Posting(cash, -amount), Posting(balance, amount))
            assert await ledger.post(conn, Entry("test-payment", "payment", 0, postings), "test")
        await store.close()

    asyncio.run(pay())
