"""Gateways by name and by probes: a real daemon, a real name server on loopback, real sipp."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually
from tests.harness.names import NameServer
from tests.harness.sipp import Sipp
from tests.scenarios.conftest import Stage
from tests.scenarios.test_calls import tries

pytestmark = pytest.mark.scenario

CUSTOMER = 10
CLOSED, SERVER, PROBED, LATER = 100, 103, 101, 102
PATIENCE_SECONDS = 20.0

MORE = """
[dns]
nameservers = ["{}:{}"]

[gateways]
down_after = 1
up_after = 1
"""


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


@pytest.fixture
def stage(tmp_path: Path, names: NameServer) -> Iterator[Stage]:
    loopback = Loopback()
    more = MORE.format(names.host, names.port)
    with Daemon(tmp_path / "site", loopback.host(1), more=more) as daemon, ExitStack() as cleanup:
        daemon.init(Path(__file__).with_name("names.toml").read_text(), loopback)
        yield Stage(daemon, loopback, tmp_path, cleanup)
        daemon.idle()
    loopback.close()


def state(stage: Stage, gateway: str) -> tuple[str, str | None]:
    (row,) = [row for row in stage.daemon.ask("gateways") if row["id"] == gateway]
    return row["state"], row["why"]


@pytest.mark.item("F-10", "T-06")
def test_a_call_finds_its_gateway_by_srv_and_goes_on_to_the_next_host(
    stage: Stage, names: NameServer, tmp_path: Path
) -> None:
    names.set("_sip._udp.carrier.test", "SRV", "1 0 5060 a.carrier.test.", "2 0 5090 b.carrier.test.")
    names.set("a.carrier.test", "A", stage.host(CLOSED))
    names.set("b.carrier.test", "A", stage.host(SERVER))
    stage.daemon.start()
    with Sipp("gateway/answers", tmp_path, stage.host(SERVER), calls=None, port=5090) as gateway:
        cdr = stage.cdr(stage.call("call/completed", CUSTOMER, "8801711000001"))
        assert tries(cdr) == [("by-srv", 503, "transport"), ("by-srv", 200, "response")]
        # The one that did not answer now comes last.
        cdr = stage.cdr(stage.call("call/completed", CUSTOMER, "8801711000002"))
        assert tries(cdr) == [("by-srv", 200, "response")]
        result = gateway.stop()
    assert {message.start_line for message in result.messages if message.method == "INVITE"} >= {
        "INVITE sip:8801711000001@carrier.test SIP/2.0"
    }


def test_a_gateway_is_back_when_its_name_and_its_probes_are(
    stage: Stage, names: NameServer, tmp_path: Path
) -> None:
    names.broken = True
    names.set("later.test", "A", stage.host(LATER))
    stage.daemon.start()
    assert state(stage, "later") == ("out of service", "A of later.test: no name server can say")
    refused = stage.cdr(stage.call("refused/out_of_service", CUSTOMER, "8803711000001"))
    assert refused["reason"] == "gateways_down"
    eventually("the probe fails", lambda: state(stage, "probed")[0] == "out of service", PATIENCE_SECONDS)
    assert state(stage, "probed")[1] == "answer to OPTIONS: not to be delivered"
    assert set(stage.daemon.status()["gateways_out"]) == {"later", "probed", "by-srv"}
    names.broken = False
    with (
        Sipp("gateway/options", tmp_path, stage.host(PROBED), calls=None) as probed,
        Sipp("gateway/answers", tmp_path, stage.host(LATER), calls=None, tcp=True),
    ):
        for gateway in ("probed", "later"):
            eventually(
                f"{gateway} is back",
                lambda gateway=gateway: state(stage, gateway)[0] == "in service",
                PATIENCE_SECONDS,
            )
        cdr = stage.cdr(stage.call("call/completed", CUSTOMER, "8803711000001"))
        assert tries(cdr) == [("later", 200, "response")]
        result = probed.stop()
    assert result.received("OPTIONS") >= 1
