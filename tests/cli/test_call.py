"""call list, call hangup and call notices, against a daemon that answers what the test wants."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Installation

CALL: dict[str, Any] = {
    "call": (1 << 40) + 7,
    "sip_call_id": "a@b",
    "account_id": "Customer-001",
    "called": "8801711000001",
    "calling": "",
    "mapping_gateway_id": "trunk",
    "routing_gateway_id": "vendor",
    "invited_ms": 1_700_000_000_000,
    "answered_ms": None,
    "granted_seconds": 60,
}


def test_present_calls_are_listed(bare: Installation) -> None:
    asked: list[dict[str, object]] = []

    def calls(args: dict[str, object]) -> object:
        asked.append(args)
        return [CALL, {**CALL, "answered_ms": 1_700_000_001_000}]

    with bare.daemon({"calls": calls}):
        shown = bare.says("call", "list", "--account", "Customer-001", "--limit", "2")
        assert bare.json("call", "list")[0] == CALL
    assert [line.split()[:2] for line in shown.splitlines() if "8801711000001" in line] == [
        [str(CALL["call"]), "set-up"],
        [str(CALL["call"]), "up"],
    ]
    assert "anonymous" in shown
    assert "2 calls, and perhaps more" in shown
    assert asked[0] == {"limit": 2, "account": "Customer-001", "gateway": None}


def test_calls_are_ended_by_one_selector(bare: Installation) -> None:
    asked: list[dict[str, object]] = []

    def hangup(args: dict[str, object]) -> object:
        asked.append({name: value for name, value in args.items() if value is not None})
        return {"ended": 3}

    with bare.daemon({"hangup": hangup}):
        assert bare.says("call", "hangup", "--gateway", "vendor") == "ended 3 calls\n"
        assert bare.json("call", "hangup", "77") == {"ended": 3}
        code, message = bare.refuses("call", "hangup")
        assert (code, message) == (2, "name one of CALL, --account and --gateway")
        assert bare.refuses("call", "hangup", "77", "--account", "x")[0] == 2
        assert bare.refuses("call", "list", "--gateway", "y", "--account", "x")[0] == 2
    assert asked == [{"gateway": "vendor"}, {"call": "77"}]


def test_without_a_daemon_there_are_no_calls(bare: Installation) -> None:
    assert bare.refuses("call", "list")[0] == 3
    assert bare.refuses("call", "hangup", "77")[0] == 3


def test_notices_are_told(bare: Installation) -> None:
    told = {
        "number": 4,
        "at_ms": 1_700_000_000_000,
        "name": "call.warning",
        "facts": {"call": 7, "who": "\x1b[2J"},
    }
    with bare.daemon({"notices": lambda args: [told] if args["since"] == 3 else []}):
        shown = bare.says("call", "notices", "--since", "3")
        assert bare.says("call", "notices") == ""
        assert bare.json("call", "notices", "--since", "3") == [told]
    assert shown.startswith("4 ")
    assert "call.warning call=7" in shown
    assert "\x1b" not in shown
