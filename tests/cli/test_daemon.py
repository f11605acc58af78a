"""status, and run as far as it goes without a daemon (tests/scenarios run the real one)."""

from __future__ import annotations

from sipguard.control import ControlError
from tests.cli.conftest import Installation

STATUS = {"live_calls": 2, "counts": {"account:Customer-001": 2}, "listen": ["127.0.0.1:5060"], "since": None}


def test_nobody_runs(bare: Installation) -> None:
    expected = f"the daemon is not running: nobody answers at {bare.socket}"
    assert bare.refuses("status") == (3, expected)


def test_the_daemon_says_how_it_is(bare: Installation) -> None:
    with bare.daemon({"status": lambda _: STATUS}):
        assert bare.json("status") == STATUS
        printed = [line.split() for line in bare.says("status").splitlines()]
    assert printed == [
        ["live_calls", "2"],
        ["counts.account:Customer-001", "2"],
        ["listen", "127.0.0.1:5060"],
        ["since", "-"],
    ]


def test_the_daemon_says_no(bare: Installation) -> None:
    def refuse(_: dict[str, object]) -> object:
        raise ControlError("not before the calls are restored")

    with bare.daemon({"status": refuse}):
        assert bare.refuses("status") == (1, "not before the calls are restored")
