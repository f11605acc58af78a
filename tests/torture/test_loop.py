"""A gateway that leads back to sipguard: the call ends with 482, and no slot and no money stays held."""

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


class Mirror(threading.Thread):
    """A proxy that sends every request back where it came from, and every response back along its Vias."""

    def __init__(self, host: str, sipguard: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self.invites = 0
        self._sipguard = sipguard
        self._via = f"Via: SIP/2.0/UDP {host}:{SIP_PORT};branch=z9hG4bKmirror"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, SIP_PORT))

    def __enter__(self) -> Mirror:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self.join()
        self._socket.close()

    def run(self) -> None:
        """Until an empty datagram comes."""
        while message := self._socket.recv(65535).decode():
            if message.startswith("SIP/2.0"):
                message = re.sub(r"Via: [^\r]*branch=z9hG4bKmirror[^\r]*\r\n", "", message, count=1)
            elif message.startswith("INVITE"):
                self.invites += 1
                message = message.replace("Via:", f"{self._via}{self.invites}\r\nVia:", 1)
            else:
                continue
            self._socket.sendto(message.encode(), self._sipguard)


@pytest.mark.item("L-04", "L-01")
@pytest.mark.parametrize(("number", "passes"), [("8801711000001", 0), ("8802711000001", 2)])
def test_a_gateway_that_leads_back(site: tuple[Daemon, Loopback], number: str, passes: int) -> None:
    daemon, loopback = site
    with (
        Mirror(loopback.host(100), (daemon.host, daemon.port)) as mirror,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
    ):
        caller.bind((loopback.host(10), SIP_PORT))
        caller.settimeout(PATIENCE_SECONDS)
        assert final_response(caller, daemon, number).startswith(b"SIP/2.0 482 ")
        status = daemon.idle()
        assert (status["held_micros"], mirror.invites) == (0, passes)
