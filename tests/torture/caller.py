"""A caller that speaks SIP by hand, for what sipp would not send."""

from __future__ import annotations

import re
import socket

from tests.harness.daemon import Daemon


def final_response(caller: socket.socket, daemon: Daemon, number: str, *fields: bytes) -> bytes:
    """Call, and acknowledge the refusal. `fields`: more header lines; a From among them is the only one."""
    host, port = caller.getsockname()
    given = list(fields)
    if not any(field.startswith(b"From:") for field in fields):
        given.append(f"From: <sip:a@{host}>;tag=1".encode())

    def request(method: str, to_tag: bytes = b"") -> bytes:
        lines = [
            f"{method} sip:{number}@{daemon.host} SIP/2.0".encode(),
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKhand".encode(),
            b"Max-Forwards: 70",
            *given,
            f"To: <sip:{number}@{daemon.host}>".encode() + to_tag,
            f"Call-ID: hand-{number}@{host}".encode(),
            f"CSeq: 1 {method}".encode(),
            f"Contact: <sip:a@{host}:{port}>".encode(),
            b"Content-Length: 0",
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    caller.sendto(request("INVITE"), (daemon.host, daemon.port))
    while True:
        response = caller.recv(65535)
        if not response.startswith(b"SIP/2.0 1"):
            tag = re.search(rb"(?m)^To:.*(;tag=[^\r;]+)", response)
            caller.sendto(request("ACK", tag[1] if tag else b""), (daemon.host, daemon.port))
            return response
