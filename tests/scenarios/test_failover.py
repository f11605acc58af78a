"""The next gateway is tried where the first cannot take the call, and only there."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Stage
from tests.scenarios.test_calls import CUSTOMER, tries

pytestmark = pytest.mark.scenario

NEXT = 110


def test_port_closed(stage: Stage) -> None:
    stage.gateway("gateway/answers", NEXT)
    cdr = stage.cdr(stage.call("call/completed", CUSTOMER, "8803711000001"))
    assert tries(cdr) == [("port-closed", 503, "transport"), ("next", 200, "response")]
    assert (cdr["outcome"], cdr["routing_gateway_id"]) == ("answered", "next")


def test_silent(stage: Stage) -> None:
    silent = stage.gateway("gateway/silent", 103, talk_ms=1500)
    stage.gateway("gateway/answers", NEXT)
    cdr = stage.cdr(stage.call("call/completed", CUSTOMER, "8804711000001"))
    assert tries(cdr) == [("silent", 408, "timeout"), ("next", 200, "response")]
    assert (cdr["outcome"], cdr["routing_gateway_id"]) == ("answered", "next")
    assert silent.stop().received("INVITE") >= 1


@pytest.mark.item("O-06")
def test_unavailable(stage: Stage) -> None:
    unavailable = stage.gateway("gateway/unavailable", 104)
    stage.gateway("gateway/answers", NEXT)
    cdr = stage.cdr(stage.call("call/completed", CUSTOMER, "8805711000001"))
    assert tries(cdr) == [("unavailable", 503, "response"), ("next", 200, "response")]
    assert (cdr["outcome"], cdr["routing_gateway_id"]) == ("answered", "next")
    unavailable.stop().proved()


def test_busy_is_the_callee_and_not_the_gateway(stage: Stage) -> None:
    busy = stage.gateway("gateway/busy", 105)
    bystander = stage.gateway("gateway/answers", NEXT)
    cdr = stage.cdr(stage.call("refused/busy", CUSTOMER, "8806711000001"))
    assert tries(cdr) == [("busy", 486, "response")]
    assert (cdr["outcome"], cdr["status"], cdr["ended_by"]) == ("failed", 486, "gateway")
    busy.stop().proved()
    assert bystander.stop().received("INVITE") == 0
