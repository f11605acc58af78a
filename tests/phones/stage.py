"""Parties with raw sockets, a gateway that answers as it is told, and the daemon between them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from tests.harness.daemon import Daemon
from tests.harness.digest import Challenge, answer
from tests.harness.loopback import Loopback, eventually
from tests.security import peer
from tests.security.peer import WAIT_SECONDS, Message, Peer, serial
from tests.security.stage import ack

LONDON = "442079460000"
TRUNK, GUARDED, GATEWAY = 2, 3, 100
ALICE_HOME, BOB_HOME, QUIET_HOME, SHY_HOME, STRANGER = 10, 11, 12, 70, 99
PASSWORDS = {
    "alice": "wonderland",
    "bob": "builder",
    "shy": "hidden",
    "gone": "away",
    "quiet": "listens only",
    "away": "talks only",
    "guarded": "open sesame",
    "roaming": "far away",
}
HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


@dataclass(frozen=True)
class Request:
    """A request. `text` is what goes on the wire."""

    method: str
    uri: str
    host: str
    from_: str
    to: str
    call_id: str
    cseq: int = 1
    port: int = 5060
    contact: str = ""
    extra: str = ""
    """Whole header lines."""
    via: str = ";rport"
    body: str = ""

    @property
    def text(self) -> str:
        branch = f"z9hG4bK{self.call_id}{self.cseq}{self.method}"
        contact = self.contact or f"<sip:a@{self.host}:{self.port}>"
        lines = "" if contact == "none" else f"Contact: {contact}\r\n"
        return (
            f"{self.method} {self.uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch}{self.via}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.from_}\r\nTo: {self.to}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {self.cseq} {self.method}\r\n{lines}{self.extra}"
            f"Content-Length: {len(self.body)}\r\n\r\n{self.body}"
        )


class Stage:
    """All parties."""

    def __init__(self, daemon: Daemon, loopback: Loopback) -> None:
        self.daemon = daemon
        self._loopback = loopback
        self._peers: dict[tuple[int, int], Peer] = {}
        self.gateway = self.peer(GATEWAY)

    def close(self) -> None:
        for party in self._peers.values():
            party.close()

    def peer(self, number: int, port: int = 5060) -> Peer:
        """The party at a host number; its socket is opened once."""
        if (number, port) not in self._peers:
            target = (self.daemon.host, self.daemon.port)
            self._peers[number, port] = Peer(self._loopback.host(number), target, port)
        return self._peers[number, port]

    def host(self, number: int) -> str:
        return self._loopback.host(number)

    def request(self, method: str, uri: str, source: int, user: str, **changes: Any) -> Request:
        """A request of `user` from the party at `source`; `@sg` in it is sipguard's address."""
        sg = self.daemon.host
        plain = Request(
            method,
            uri.replace("@sg", f"@{sg}"),
            self.host(source),
            f"<sip:{user}@{sg}>;tag=from{serial()}",
            f"<{uri.replace('@sg', f'@{sg}')}>",
            f"phones-{serial()}",
        )
        return replace(plain, **changes)

    def invite(self, number: str, source: int, user: str, **changes: Any) -> Request:
        return self.request("INVITE", f"sip:{number}@sg", source, user, **changes)

    def exchange(self, request: Request, *, to: Peer | None = None) -> Message:
        """Send a request and wait for its final response, which is acknowledged where it is a refusal."""
        party = to or self._party(request)
        party.send(request.text)
        response = self.final(party, request)
        if request.method == "INVITE" and (response.status or 0) >= 300:
            party.send(ack(response, self.daemon.host))
        return response

    def final(self, party: Peer, request: Request) -> Message:
        """The next final response to a request."""
        while True:
            response = party.receive(*range(200, 700), call_id=request.call_id)
            if response.get("CSeq") == f"{request.cseq} {request.method}":
                return response

    def answered(
        self,
        request: Request,
        response: Message,
        user: str,
        *,
        password: str = "",
        algorithm: str = "",
        nc: int = 1,
        uri: str = "",
    ) -> Request:
        """The request again, with credentials for the challenge that came."""
        told, header = HEADERS[response.status or 0]
        challenges = [Challenge.read(value) for value in response.all(told)]
        chosen = next(one for one in challenges if not algorithm or one.algorithm == algorithm)
        value = answer(chosen, request.method, uri or request.uri, user, password or PASSWORDS[user], nc=nc)
        extra = f"{request.extra}{header}: {value}\r\n"
        return replace(request, cseq=request.cseq + 1, extra=extra)

    def authenticated(self, request: Request, user: str, **how: Any) -> Message:
        """What comes of a request whose challenge is answered."""
        challenge = self.exchange(request)
        assert challenge.status in HEADERS, challenge.text
        return self.exchange(self.answered(request, challenge, user, **how))

    def called(
        self, request: Request, user: str | None, *, reply: str = "486 Busy Here", **how: Any
    ) -> Message:
        """Call through the gateway, which answers `reply`; the INVITE as it arrived there.

        `user`: None where no challenge is expected.
        """
        party = self._party(request)
        if user is not None:
            challenge = self.exchange(request)
            assert challenge.status == 407, challenge.text
            request = self.answered(request, challenge, user, **how)
        party.send(request.text)
        invite = self.gateway.receive("INVITE", call_id=request.call_id)
        self.gateway.send(peer.answer(invite, reply))
        party.send(ack(self.final(party, request), self.daemon.host))
        return invite

    def cdr(self, call_id: str) -> dict[str, Any]:
        """The one call record of a Call-ID."""
        eventually(f"record of {call_id}", lambda: len(self.cdrs(call_id)) == 1, WAIT_SECONDS)
        (cdr,) = self.cdrs(call_id)
        return cdr

    def cdrs(self, call_id: str) -> list[dict[str, Any]]:
        """What is recorded of a Call-ID by now."""
        with closing(sqlite3.connect(f"file:{self.daemon.database}?mode=ro", uri=True)) as books:
            books.row_factory = sqlite3.Row
            return [dict(row) for row in books.execute("SELECT * FROM cdr WHERE sip_call_id = ?", (call_id,))]

    def logins(self) -> dict[str, int]:
        """Counters of passwords."""
        logins: dict[str, int] = self.daemon.status()["logins"]
        return logins

    def _party(self, request: Request) -> Peer:
        number = int(request.host.rsplit(".", 1)[1])
        return self.peer(number, request.port)
