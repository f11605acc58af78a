"""Calls that sipguard watches, on the wire: ends that vanish, session timers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import Loopback
from tests.scenarios.conftest import Stage

pytestmark = pytest.mark.scenario

LIMITED, USUAL = 11, 100
NUMBER = "8801711000001"

_MORE = """
[calls.ping]
interval_seconds = 1

[sip.session_timer]
expires_seconds = 1800
min_se_seconds = 120
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Loopback]]:
    """Calls are asked every second, and to keep session timers."""
    loopback = Loopback()
    data = Path(__file__).with_name("cut.toml").read_text().replace("max_call_seconds = 3", "")
    with Daemon(tmp_path_factory.mktemp("watched"), loopback.host(1), more=_MORE) as daemon:
        daemon.init(data, loopback)
        daemon.start()
        yield daemon, loopback
    loopback.close()


@pytest.fixture
def stage(site: tuple[Daemon, Loopback], tmp_path: Path) -> Iterator[Stage]:
    daemon, loopback = site
    with ExitStack() as cleanup:
        yield Stage(daemon, loopback, tmp_path, cleanup)
    daemon.idle()
    assert Books(daemon.database).violations() == []


def test_ends_that_are_there_go_on_with_numbers_that_nobody_has_seen(stage: Stage) -> None:
    gateway = stage.gateway("gateway/answers_options", USUAL)
    caller = stage.call("call/asked", LIMITED, NUMBER)
    far_end = gateway.stop()
    far_end.proved()
    cdr = stage.cdr(caller)
    assert (cdr["ended_by"], cdr["reason"]) == ("caller", None)
    numbers = [(one.method, one.cseq) for one in far_end.messages if one.status is None and not one.sent]
    assert list(dict.fromkeys(numbers)) == [("INVITE", 1), ("ACK", 1), ("OPTIONS", 2), ("BYE", 3)]
    assert ("BYE", 2) in [(one.method, one.cseq) for one in caller.messages if one.status == 200]


def test_an_end_that_forgot_the_call_ends_it_on_both_sides(stage: Stage) -> None:
    """D18: a call without a BYE is ended from here, and charged until its ends were last there."""
    gateway = stage.gateway("gateway/forgets", USUAL)
    caller = stage.call("call/asked_and_ended", LIMITED, NUMBER)
    far_end = gateway.stop()
    far_end.proved()
    cdr = stage.cdr(caller)
    assert (cdr["outcome"], cdr["ended_by"], cdr["reason"]) == ("answered", "sipguard", "callee_over")
    assert cdr["duration_ms"] < 700, "until the ACK: neither end has shown itself since"
    assert stage.daemon.status()["totals"]["lost"] == 1


def test_i05_session_timers_on_the_wire(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    stage.call("call/session_timer", LIMITED, NUMBER)
    stage.call("refused/session_interval_too_small", LIMITED, NUMBER)
