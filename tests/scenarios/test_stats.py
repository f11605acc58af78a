"""What the daemon tells of real calls over HTTP, while they are up and afterwards."""

from __future__ import annotations

import json
import re
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.harness.loopback import eventually
from tests.scenarios.conftest import STATS_PORT, Stage

pytestmark = pytest.mark.scenario

CUSTOMER, USUAL = 10, 100
NUMBER = "8801711000001"


def get(stage: Stage, target: str) -> tuple[int, str]:
    connection = HTTPConnection(stage.host(1), STATS_PORT, timeout=10)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def told(stage: Stage, target: str) -> Any:
    status, body = get(stage, target)
    assert status == 200, body
    return json.loads(body)


def samples(stage: Stage) -> dict[str, float]:
    """/metrics as a scraper reads it: name with labels, value."""
    status, body = get(stage, "/metrics")
    assert status == 200
    return {
        name: float(value)
        for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", body, re.MULTILINE)
    }


ANSWERED = 'sipguard_call_records_total{outcome="answered"}'
SEIZED = 'sipguard_gateway_seizures_total{gateway="usual",kind="routing_gateway",outcome="answered"}'


def test_a_call_is_seen_while_it_is_up_and_counted_once_when_it_has_ended(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    before = samples(stage)
    caller = stage.caller("call/ended_by_callee", CUSTOMER, NUMBER)
    eventually("a live call", lambda: told(stage, "/stats")["calls"]["live"] == 1, 10.0)
    page = told(stage, "/calls?account=retail")
    assert [(one["account_id"], one["called"]) for one in page["calls"]] == [("customer", NUMBER)]
    assert (page["total"], page["next"]) == (1, None)
    assert told(stage, f"/calls?after={page['calls'][0]['call']}")["calls"] == []
    eventually("shown", lambda: samples(stage)['sipguard_calls{state="live"}'] == 1, 10.0)
    assert told(stage, "/stats?account=customer")["account"]["calls"] == 1
    stage.daemon.command("call", "hangup", "--account", "customer")
    caller.wait().proved()
    eventually("counted", lambda: samples(stage)[ANSWERED] == before[ANSWERED] + 1, 10.0)
    after = samples(stage)
    assert after[SEIZED] == before.get(SEIZED, 0) + 1
    assert after['sipguard_cuts_total{reason="operator"}'] >= 1
    assert after["sipguard_call_duration_seconds_count"] == before["sipguard_call_duration_seconds_count"] + 1
    stats = told(stage, "/stats?account=customer")
    assert stats["ready"] is True
    assert stats["account"]["last"]["5m"]["answered"] >= 1
    assert stats["last"]["1h"]["asr"] > 0
    (usual,) = [one for one in stats["gateways"] if one["id"] == "usual"]
    assert (usual["kind"], usual["up"], usual["calls"]) == ("routing_gateway", True, 0)
    assert usual["5m"]["answered"] >= 1


def test_what_a_scraper_and_a_supervisor_ask(stage: Stage) -> None:
    assert get(stage, "/healthz") == (200, '{"status":"ok"}')
    assert get(stage, "/readyz") == (200, '{"ready":true,"reasons":[]}')
    assert get(stage, "/stats?account=nobody")[0] == 404
    assert get(stage, "/calls?account=nobody")[0] == 404
    for query in ("limit=0", "limit=1001", "limit=x", "after=-1", "account=a&gateway=b"):
        assert get(stage, f"/calls?{query}")[0] == 400
    status, body = get(stage, "/")
    assert status == 404
    assert "/metrics" in json.loads(body)["detail"]
