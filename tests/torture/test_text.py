"""Text of every kind in names and phrases breaks no record, no log and no JSON."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from tests.harness.daemon import Daemon
from tests.harness.loopback import SIP_PORT, Loopback
from tests.torture.caller import final_response

pytestmark = pytest.mark.scenario

PATIENCE_SECONDS = 10.0
ODD = 'Иван 😀 \u202e" \\'.encode() + b"\xff\xfe"
QUOTED = b'"' + re.sub(rb'(["\\])', rb"\\\1", ODD) + b'\\\x00"'


def busy(gateway: socket.socket) -> None:
    """Answer one INVITE with an odd phrase and an odd reason."""
    invite, peer = gateway.recvfrom(65535)
    kept = re.findall(rb"(?m)^(?:Via|From|To|Call-ID|CSeq|Record-Route):[^\r]*\r\n", invite)
    status = b"SIP/2.0 486 " + ODD + b"\r\n"
    reason = b"Reason: Q.850;cause=17;text=" + QUOTED + b"\r\n"
    gateway.sendto(status + b"".join(kept) + reason + b"Content-Length: 0\r\n\r\n", peer)


@pytest.mark.item("M-22")
def test_a_record_survives_every_text(site: tuple[Daemon, Loopback]) -> None:
    daemon, loopback = site
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gateway,
    ):
        caller.bind((loopback.host(10), SIP_PORT))
        gateway.bind((loopback.host(100), SIP_PORT))
        caller.settimeout(PATIENCE_SECONDS)
        gateway.settimeout(PATIENCE_SECONDS)
        callee = threading.Thread(target=busy, args=(gateway,))
        callee.start()
        response = final_response(
            caller,
            daemon,
            "8802711000001",
            b"From: " + QUOTED + b" <sip:%D0%98%00@" + loopback.host(10).encode() + b">;tag=1",
            b"User-Agent: " + ODD,
            b"Subject: " + ODD,
        )
        callee.join()
        assert response.startswith(b"SIP/2.0 486 " + ODD + b"\r\n"), "passed on byte for byte"
    daemon.idle()
    (cdr,) = daemon.json("cdr", "list")
    assert (cdr["status"], cdr["called_received"]) == (486, "8802711000001")
    assert "8802711000001" in daemon.command("cdr", "list").stdout
    assert daemon.json("ledger", "verify")["ok"]
