"""Calls that are allowed: what the wire shows is what is charged."""

from __future__ import annotations

import pytest

from tests.harness.judge import Row
from tests.harness.loopback import eventually
from tests.harness.rater import Price, billed_seconds, charge_micros
from tests.harness.sipp import SippResult
from tests.scenarios.conftest import OVER_TLS, Stage

pytestmark = pytest.mark.scenario

CUSTOMER, USUAL = 10, 100
NUMBER = "8801711000001"

# The chain of data.toml and what each level buys at, typed again: the oracle reads no file of sipguard's.
PRICES = {
    "customer": Price(100_000, 60, 60, 1_200_000),
    "retail": Price(50_000, 30, 6, 900_000),
    "wholesale": Price(10_000, 1, 1, 700_000),
    "operator": Price(0, 1, 1, 500_000),
}
COST = Price(0, 1, 1, 333_333)

# sipp stamps a message after it has sent it, and its clock is read apart from ours.
CLOCK_MS = 50


def test_completed_call_is_charged_at_every_level(stage: Stage) -> None:
    before = {account: stage.books().balance_micros(account) for account in PRICES}
    gateway = stage.gateway("gateway/answers", USUAL)
    caller = stage.call("call/completed", CUSTOMER, NUMBER, talk_ms=1200)
    cdr = stage.cdr(caller)
    far_end = gateway.stop()
    far_end.proved()

    assert (cdr["outcome"], cdr["status"], cdr["reason"], cdr["ended_by"]) == (
        "answered",
        200,
        None,
        "caller",
    )
    assert (cdr["account_id"], cdr["mapping_gateway_id"]) == ("customer", "customer-trunk")
    assert (cdr["called_received"], cdr["called"], cdr["called_sent"]) == (NUMBER, NUMBER, NUMBER)
    assert cdr["invited_ms"] <= cdr["ringing_ms"] <= cdr["answered_ms"] <= cdr["ended_ms"]
    assert tries(cdr) == [("usual", 200, "response")]
    assert (cdr["codecs_offered"], cdr["codecs_answered"]) == ("PCMA,PCMU", "PCMA,PCMU")
    assert (cdr["user_agent"], cdr["callee_user_agent"]) == ("sipguard-scenario", "far end 1.0")
    assert (cdr["currency"], cdr["levels"][0]["prefix"]) == ("BDT", "880")
    _spans(cdr, caller, far_end)

    duration = cdr["duration_ms"]
    charges = {account: charge_micros(duration, price) for account, price in PRICES.items()}
    assert [(row["account_id"], row["billed_seconds"], row["charge_micros"]) for row in cdr["levels"]] == [
        (account, billed_seconds(duration, price), charges[account]) for account, price in PRICES.items()
    ]
    assert cdr["cost_micros"] == charge_micros(duration, COST)
    books = stage.books()
    assert {account: before[account] - books.balance_micros(account) for account in PRICES} == charges
    assert [row["balance_micros"] for row in cdr["levels"]] == [
        books.balance_micros(account) for account in PRICES
    ]


def test_call_under_way_is_held_at_every_level(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    caller = stage.caller("call/completed", CUSTOMER, NUMBER, talk_ms=4000)
    eventually("a live call", lambda: bool(stage.books().live()), 5.0)
    status = stage.daemon.json("status")
    assert (status["live_calls"], status["holds"]) == (1, len(PRICES))
    # The first slice is 60 s, and no increment in this chain is longer.
    assert status["held_micros"] == sum(charge_micros(60_000, price) for price in PRICES.values())
    caller.wait().proved()


def test_command_line_shows_the_record_of_the_call(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    cdr = stage.cdr(stage.call("call/completed", CUSTOMER, NUMBER))
    (shown,) = stage.daemon.json("cdr", "list", "--limit", "1")
    for field, value in cdr.items():
        if field not in ("sequence", "sip_hash", "levels", "tries"):
            assert shown[field] == value, field
    for part in ("levels", "tries"):
        assert len(shown[part]) == len(cdr[part])
        for row, recorded in zip(shown[part], cdr[part], strict=True):
            assert {**recorded, **row} == recorded


def test_callee_ends_the_call(stage: Stage) -> None:
    gateway = stage.gateway("gateway/hangs_up", USUAL, talk_ms=300)
    caller = stage.call("call/ended_by_callee", CUSTOMER, NUMBER)
    cdr = stage.cdr(caller)
    far_end = gateway.stop()
    far_end.proved()
    assert far_end.statuses("BYE") == [200]
    assert (cdr["outcome"], cdr["ended_by"]) == ("answered", "callee")


def test_reinvite_passes_and_is_not_a_second_call(stage: Stage) -> None:
    gateway = stage.gateway("gateway/answers_reinvite", USUAL)
    cdr = stage.cdr(stage.call("call/reinvite", CUSTOMER, NUMBER))
    far_end = gateway.stop()
    far_end.proved()
    assert far_end.received("INVITE") == 2
    assert (cdr["outcome"], cdr["ended_by"]) == ("answered", "caller")


@pytest.mark.skipif(OVER_TLS, reason="over a stream nothing is sent twice")
def test_retransmissions_end_at_the_proxy(stage: Stage) -> None:
    gateway = stage.gateway("gateway/answers_later", USUAL)
    cdr = stage.cdr(stage.call("call/retransmitted", CUSTOMER, NUMBER, options=("-nr",)))
    far_end = gateway.stop()
    far_end.proved()
    assert (far_end.received("INVITE"), far_end.received("BYE")) == (1, 1)
    assert cdr["outcome"] == "answered"


def test_cancel_while_ringing(stage: Stage) -> None:
    gateway = stage.gateway("gateway/rings", USUAL)
    caller = stage.call("call/cancelled", CUSTOMER, NUMBER, talk_ms=300)
    cdr = stage.cdr(caller)
    far_end = gateway.stop()
    far_end.proved()
    assert far_end.received("CANCEL") == 1
    assert caller.statuses("INVITE")[-1] == 487
    assert (cdr["outcome"], cdr["status"], cdr["ended_by"]) == ("cancelled", 487, "caller")
    assert (cdr["answered_ms"], cdr["duration_ms"]) == (None, 0)


def tries(cdr: Row) -> list[tuple[str, int, str]]:
    """The gateways that were asked, in order."""
    return [(row["gateway_id"], row["status"], row["cause"]) for row in cdr["tries"]]


def _spans(cdr: Row, caller: SippResult, far_end: SippResult) -> None:
    """The billed time lies between what the caller and what the gateway saw, whatever the machine's speed."""
    caller_ms = 1000 * (_at(caller, "BYE", sent=True) - _at(caller, "INVITE", sent=False, status=200))
    gateway_ms = 1000 * (_at(far_end, "BYE", sent=False) - _at(far_end, "INVITE", sent=True, status=200))
    assert caller_ms - CLOCK_MS <= cdr["duration_ms"] <= gateway_ms + CLOCK_MS


def _at(sipp: SippResult, method: str, *, sent: bool, status: int | None = None) -> float:
    return next(
        message.at
        for message in sipp.messages
        if (message.method, message.sent, message.status) == (method, sent, status)
    )
