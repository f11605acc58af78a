"""Calls over TCP, and from one transport to the other: the same decision, charge and record."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.harness.loopback import eventually
from tests.scenarios.conftest import RECORD_SECONDS, Stage
from tests.scenarios.test_calls import CUSTOMER, NUMBER, USUAL, tries

pytestmark = pytest.mark.scenario

OVER_TCP, OVER_TCP_NUMBER = 106, "8807711000001"


@pytest.mark.item("T-01", "F-06")
@pytest.mark.parametrize(
    ("caller_tcp", "gateway_tcp"),
    [(True, False), (False, True), (True, True)],
    ids=["tcp-to-udp", "udp-to-tcp", "tcp-to-tcp"],
)
def test_allowed_call(stage: Stage, *, caller_tcp: bool, gateway_tcp: bool) -> None:
    host, number = (OVER_TCP, OVER_TCP_NUMBER) if gateway_tcp else (USUAL, NUMBER)
    gateway = stage.gateway("gateway/answers", host, tcp=gateway_tcp)
    cdr = stage.cdr(stage.call("call/completed", CUSTOMER, number, tcp=caller_tcp))
    gateway.stop().proved()
    assert (cdr["outcome"], cdr["called_sent"]) == ("answered", number)
    assert tries(cdr) == [("over-tcp" if gateway_tcp else "usual", 200, "response")]


def test_callee_hangs_up_over_the_callers_connection(stage: Stage) -> None:
    gateway = stage.gateway("gateway/hangs_up", USUAL)
    cdr = stage.cdr(stage.call("call/ended_by_callee", CUSTOMER, NUMBER, tcp=True))
    gateway.stop().proved()
    assert (cdr["outcome"], cdr["ended_by"]) == ("answered", "callee")


def test_cancel_over_tcp(stage: Stage) -> None:
    gateway = stage.gateway("gateway/rings", OVER_TCP, tcp=True)
    cdr = stage.cdr(stage.call("call/cancelled", CUSTOMER, OVER_TCP_NUMBER, tcp=True))
    gateway.stop().proved()
    assert (cdr["outcome"], cdr["status"]) == ("cancelled", 487)


@pytest.mark.item("C-02")
def test_port_closed(stage: Stage) -> None:
    stage.gateway("gateway/answers", 110)
    cdr = stage.cdr(stage.call("call/completed", CUSTOMER, "8808711000001"))
    assert tries(cdr) == [("tcp-closed", 503, "transport"), ("next", 200, "response")]


def _invite(stage: Stage, number: str, call_id: str, body: str, length: str) -> bytes:
    host = stage.host(CUSTOMER)
    head = (
        f"INVITE sip:{number}@{stage.daemon.host} SIP/2.0",
        f"Via: SIP/2.0/TCP {host}:5060;branch=z9hG4bK{call_id}",
        "Max-Forwards: 70",
        f"From: <sip:8801700000001@{host}>;tag={call_id}",
        f"To: <sip:{number}@{stage.daemon.host}>",
        f"Call-ID: {call_id}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:a@{host};transport=tcp>",
        f"Content-Length: {length}",
        "",
        body,
    )
    return "\r\n".join(head).encode()


def _connected(stage: Stage) -> socket.socket:
    return socket.create_connection(
        (stage.daemon.host, stage.daemon.port), timeout=10.0, source_address=(stage.host(CUSTOMER), 0)
    )


def test_bypass_c01_a_request_behind_the_content_length_is_judged_on_its_own(
    stage: Stage, tmp_path: Path
) -> None:
    gateway = stage.gateway("gateway/answers", USUAL)
    smuggled = _invite(stage, "8809711000001", f"inner-{tmp_path.name}", "", "0")
    # The outer one is refused too, so that nothing is up afterwards: 8809 is blocked for this customer.
    outer = _invite(stage, "8809711000002", f"outer-{tmp_path.name}", "", "0")
    with _connected(stage) as connection:
        connection.sendall(outer + smuggled)
        seen = b""
        while seen.count(b"SIP/2.0 403") < 2:
            piece = connection.recv(65536)
            assert piece, seen
            seen += piece
    for name, number in (("inner", "8809711000001"), ("outer", "8809711000002")):
        call_id = f"{name}-{tmp_path.name}"
        eventually(call_id, lambda call_id=call_id: bool(stage.books().cdrs(call_id)), RECORD_SECONDS)  # type: ignore[misc]
        (cdr,) = stage.books().cdrs(call_id)
        assert (cdr["outcome"], cdr["called"]) == ("refused", number)
    assert gateway.stop().received("INVITE") == 0


@pytest.mark.item("M-10")
@pytest.mark.parametrize(
    "length", ["-1", "+5", "0x10", "5 5", "1e3", "4294967328", "18446744073709551617", ""]
)
def test_bypass_c04_a_content_length_in_doubt(stage: Stage, tmp_path: Path, length: str) -> None:
    with _connected(stage) as connection:
        connection.sendall(_invite(stage, NUMBER, tmp_path.name, "v=0\r\n", length))
        seen = b""
        while piece := connection.recv(65536):
            seen += piece
    assert seen.startswith(b"SIP/2.0 400 "), "answered, and the connection closed"
    assert stage.books().cdrs(tmp_path.name) == []
