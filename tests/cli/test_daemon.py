"""status, and run as far as it goes without a daemon (tests/scenarios run the real one)."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from sipguard.cli import daemon
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


def test_what_is_hidden_is_not_to_be_had_until_it_is_shown_again() -> None:
    """The daemon starts without rich, which structlog takes where it finds it."""
    sys.modules.pop("this", None)
    with daemon._hidden("this"), pytest.raises(ImportError):
        importlib.import_module("this")
    assert "this" not in sys.modules
    with daemon._hidden("json"):
        assert importlib.import_module("json") is json, "what is loaded stays"
