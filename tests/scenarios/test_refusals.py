"""Calls that are refused: the status on the wire, the reason in the record, nothing sent, nothing charged."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.harness.judge import Row
from tests.harness.loopback import eventually
from tests.scenarios.conftest import Stage
from tests.scenarios.test_calls import CUSTOMER, NUMBER, USUAL

pytestmark = pytest.mark.scenario

ONE_CALL_TRUNK, SOLVENT, TENANT, STRANGER, ONE_LINE = 11, 12, 13, 99, 101


class Case(NamedTuple):
    """A call and the refusal that it meets."""

    scenario: str
    caller: int
    number: str
    status: int
    q850: int
    reason: str
    level: str | None
    account: str | None
    """Whose call it is; None where nobody can tell."""


CASES = {
    "own section": Case(
        "refused/forbidden", CUSTOMER, "8809711000001", 403, 21, "section_blocked", "customer", "customer"
    ),
    "allowed by no own section": Case(
        "refused/forbidden", CUSTOMER, "442071000001", 403, 21, "section_blocked", "customer", "customer"
    ),
    "section of the agent two levels up": Case(
        "refused/forbidden", CUSTOMER, "870711000001", 403, 21, "section_blocked", "wholesale", "customer"
    ),
    "agent without money": Case(
        "refused/payment_required", SOLVENT, NUMBER, 402, 21, "not_enough_money", "broke", "solvent"
    ),
    "locked agent": Case("refused/forbidden", TENANT, NUMBER, 403, 21, "account_locked", "closed", "tenant"),
    "unknown source": Case("refused/forbidden", STRANGER, NUMBER, 403, 21, "unknown_source", None, None),
    "bad number": Case(
        "refused/address_incomplete", CUSTOMER, "88017x1000001", 484, 28, "bad_number", None, "customer"
    ),
}


@pytest.mark.item("V-11", "R-07")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_refused(stage: Stage, case: Case) -> None:
    gateway = stage.gateway("gateway/answers", USUAL)
    caller = stage.call(case.scenario, case.caller, case.number)
    cdr = stage.cdr(caller)
    assert caller.statuses("INVITE")[-1] == case.status
    assert cdr["called_received"] == case.number
    _refused(cdr, case.status, case.q850, case.reason, case.level)
    assert cdr["account_id"] == case.account
    assert gateway.stop().received("INVITE") == 0


@pytest.mark.parametrize(
    ("name", "prefix"), [("own section", "8809"), ("section of the agent two levels up", "870")]
)
def test_blocked_names_the_section(stage: Stage, name: str, prefix: str) -> None:
    case = CASES[name]
    cdr = stage.cdr(stage.call(case.scenario, case.caller, case.number))
    section = stage.books().section(cdr["refusal_rule"])
    assert (section["account_id"], section["action"], section["prefix"]) == (case.level, "block", prefix)
    assert cdr["refusal_observed"] == case.number


def test_money_names_what_is_there_and_what_is_needed(stage: Stage) -> None:
    case = CASES["agent without money"]
    cdr = stage.cdr(stage.call(case.scenario, case.caller, case.number))
    # The agent buys at 0.90 a minute with 0.05 to connect; a slice of 60 s is 0.95, and it has 0.10.
    assert "0.10" in cdr["refusal_observed"]
    assert "0.95" in cdr["refusal_required"]


def test_routing_gateway_full(stage: Stage) -> None:
    gateway = stage.gateway("gateway/answers", ONE_LINE)
    first = stage.caller("call/completed", CUSTOMER, "8802711000001", talk_ms=2500)
    _up(stage)
    second = stage.call("refused/temporarily_unavailable", ONE_CALL_TRUNK, "8802711000002")
    cdr = stage.cdr(second)
    _refused(cdr, 480, 34, "gateways_full", cdr["refusal_level"])
    first_result = first.wait()
    first_result.proved()
    assert stage.cdr(first_result)["outcome"] == "answered"
    assert gateway.stop().received("INVITE") == 1

    # The line is free again (L-14).
    stage.gateway("gateway/answers", ONE_LINE)
    assert stage.cdr(stage.call("call/completed", CUSTOMER, "8802711000001"))["outcome"] == "answered"


def test_mapping_gateway_full(stage: Stage) -> None:
    gateway = stage.gateway("gateway/answers", USUAL)
    first = stage.caller("call/completed", ONE_CALL_TRUNK, NUMBER, talk_ms=2500)
    _up(stage)
    # The same trunk from another port: it is the address that tells whose call it is.
    second = stage.call("refused/temporarily_unavailable", ONE_CALL_TRUNK, NUMBER, port=5062)
    _refused(stage.cdr(second), 480, 34, "concurrent_limit", "customer-line")
    first_result = first.wait()
    first_result.proved()
    assert stage.cdr(first_result)["outcome"] == "answered"
    assert gateway.stop().received("INVITE") == 1

    stage.gateway("gateway/answers", USUAL)
    assert stage.cdr(stage.call("call/completed", ONE_CALL_TRUNK, NUMBER))["outcome"] == "answered"


def _up(stage: Stage) -> None:
    eventually("a live call", lambda: bool(stage.books().live()), 5.0)


def _refused(cdr: Row, status: int, q850: int, reason: str, level: str | None) -> None:
    assert (cdr["outcome"], cdr["ended_by"]) == ("refused", "sipguard")
    assert (cdr["status"], cdr["q850"], cdr["reason"], cdr["refusal_level"]) == (status, q850, reason, level)
    assert cdr["refusal_observed"]
    assert (cdr["answered_ms"], cdr["duration_ms"], cdr["cost_micros"]) == (None, 0, 0)
    assert cdr["tries"] == []
