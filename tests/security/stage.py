"""Attackers, gateways that record, and the daemon between them."""

from __future__ import annotations

import select
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually
from tests.security.peer import WAIT_SECONDS, Message, Peer, answer, serial

LONDON = "442079460000"
BLOCKED = "5355550100"

# Host numbers of data.toml.
ACME, OPEN, BOB, ACME_011, ACME_BARE, POOR, TRUSTED, SHUT, NOBODY = 2, 3, 4, 5, 6, 7, 8, 9, 99
NUMBERED, REWRITTEN, SHARED = 13, 14, 15
GW1, BY_TO, REFERRED, NEXT = 100, 101, 102, 103
HIDES, TRUSTS, REWRITES = 105, 106, 107
THIRD = 200

REFUSED = {400, 402, 403, 404, 416, 420, 480, 481, 482, 483, 484, 500, 505, 513}
BAD = {400, 404, 416, 484}


@dataclass(frozen=True)
class Request:
    """A request of a caller. Everything has an ordinary value, and is written as it is given."""

    uri: str
    method: str = "INVITE"
    host: str = ""
    """Of the caller; the stage fills it in."""
    sg: str = ""
    call_id: str = field(default_factory=lambda: f"attack-{serial()}")
    cseq: int = 1
    branch: str = ""
    via: str = ""
    """sent-by and parameters before the branch."""
    from_: str = "<sip:+442079461111@sg>;tag=a"
    to: str = "<sip:someone@sg>"
    contact: str = ""
    extra: str = ""
    """Whole header lines."""
    body: str = ""
    length: str = ""
    """Value of Content-Length; empty: the true one."""

    @property
    def text(self) -> str:
        branch = self.branch or f"z9hG4bK{self.call_id}-{self.cseq}-{self.method}"
        return (
            f"{self.method} {self.uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.via or f'{self.host}:5060'};branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.from_}\r\nTo: {self.to}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} {self.method}\r\n"
            f"Contact: {self.contact or f'<sip:a@{self.host}:5060>'}\r\n{self.extra}"
            f"Content-Length: {self.length or len(self.body.encode())}\r\n\r\n{self.body}"
        ).replace("@sg", f"@{self.sg}")


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt."""

    status: int | None
    """Final response; None: none came."""
    forwarded: tuple[Message, ...]
    """INVITEs that reached gateways."""
    response: Message | None = None
    gateways: tuple[str, ...] = ()
    """Where each of them arrived."""


class Dialog:
    """A call that a caller has up through a gateway; requests of either end inside it."""

    def __init__(self, stage: Stage, caller: Peer, gateway: Peer, request: Request, invite: Message) -> None:
        self.stage, self.caller, self.gateway = stage, caller, gateway
        self.request, self.invite = request, invite
        self.cseq = 1

    def ask(self, method: str, *, uri: str = "", extra: str = "", **changes: Any) -> Request:
        """A request of the caller, ready to be sent."""
        self.cseq += method not in ("ACK", "CANCEL")
        return replace(
            self.request,
            uri=uri or f"sip:gw@{self.gateway.host}:5060",
            method=method,
            cseq=self.cseq,
            branch="",
            to=f"{self.request.to};tag=gw",
            extra=extra,
            **changes,
        )

    def tell(self, method: str, cseq: int = 1, extra: str = "") -> str:
        """A request of the gateway."""
        _, _, tag = self.invite.get("From").partition(";tag=")
        return (
            f"{method} sip:a@{self.caller.host}:5060 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.gateway.host}:5060;branch=z9hG4bKgw{serial()}\r\nMax-Forwards: 70\r\n"
            f"From: {self.invite.get('To')};tag=gw\r\n"
            f"To: {self.invite.get('From').partition(';')[0]};tag={tag}\r\n"
            f"Call-ID: {self.request.call_id}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:gw@{self.gateway.host}:5060>\r\n{extra}Content-Length: 0\r\n\r\n"
        )

    def end(self) -> None:
        """BYE of the caller, answered by the gateway."""
        self.caller.send(self.ask("BYE").text)
        bye = self.gateway.receive("BYE", call_id=self.request.call_id)
        self.gateway.send(answer(bye, "200 OK"))
        self.caller.receive(200, call_id=self.request.call_id)


class Stage:
    """All parties of data.toml."""

    def __init__(self, daemon: Daemon, loopback: Loopback) -> None:
        self.daemon = daemon
        self._loopback = loopback
        self._peers: dict[int, Peer] = {}
        self._invited: set[bytes] = set()
        self.gateways = [
            self.peer(number) for number in (GW1, BY_TO, REFERRED, NEXT, HIDES, TRUSTS, REWRITES)
        ]

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()

    def peer(self, number: int) -> Peer:
        """The party at a host number; its socket is opened once."""
        if number not in self._peers:
            target = (self.daemon.host, self.daemon.port)
            self._peers[number] = Peer(self._loopback.host(number), target, settle=self.daemon.status)
        return self._peers[number]

    def request(self, uri: str, source: int = ACME, **changes: Any) -> Request:
        """An INVITE; `@sg` in it is sipguard's address."""
        return Request(uri=uri, host=self.peer(source).host, sg=self.daemon.host, **changes)

    def invite(
        self, uri: str, source: int = ACME, *, reply: str = "486 Busy Here", **changes: Any
    ) -> Outcome:
        """Send an INVITE and play it to its end."""
        request = self.request(uri, source, **changes)
        return self.play(self.peer(source), request.text, request.call_id, reply=reply)

    def play(self, caller: Peer, text: str | bytes, call_id: str, *, reply: str = "486 Busy Here") -> Outcome:
        """Send a message and wait for its final response; whichever gateway is asked answers `reply`.

        Datagrams of one socket are worked off in their order, so what is answered behind it shows that it was
        worked off: no gateway was asked by then and no response has come means that it was dropped.
        """
        for peer in (caller, *self.gateways):
            peer.pending()
        seen = len(caller.log)
        caller.send(text)
        caller.barrier()
        asked: list[tuple[Peer, Message]] = []
        while (final := _final(caller.log[seen:], call_id)) is None:
            asked += (now := self._asked(reply))
            if not asked:
                return Outcome(None, ())
            if not now and not select.select([caller, *self.gateways], [], [], WAIT_SECONDS)[0]:
                raise TimeoutError(f"no final response to {call_id}")
            caller.pending()
        caller.send(ack(final, self.daemon.host))
        caller.barrier()
        late = self._asked(reply)
        assert not late or asked, f"forwarded behind the final response: {late}"
        messages = tuple(message for _, message in asked)
        return Outcome(final.status, messages, final, tuple(peer.host for peer, _ in asked))

    def _asked(self, reply: str) -> list[tuple[Peer, Message]]:
        """INVITEs that have reached gateways since, each answered; nothing else may reach one but an ACK."""
        found = []
        for gateway in self.gateways:
            for message in gateway.pending():
                assert message.first_line.startswith(("ACK ", "INVITE ")), message
                if message.first_line.startswith("INVITE "):
                    gateway.send(answer(message, reply))
                    # On a busy machine the answer may come later than timer A (RFC 3261 section 17.1.1.2).
                    if message.data not in self._invited:
                        self._invited.add(message.data)
                        found.append((gateway, message))
        return found

    def call(self, uri: str, source: int = ACME, gateway: int = GW1, **changes: Any) -> Dialog:
        """A call that is up."""
        request = self.request(uri, source, **changes)
        caller, far = self.peer(source), self.peer(gateway)
        caller.send(request.text)
        invite = far.receive("INVITE", call_id=request.call_id)
        far.send(answer(invite, "200 OK", contact=f"<sip:gw@{far.host}:5060>"))
        caller.receive(200, call_id=request.call_id)
        dialog = Dialog(self, caller, far, request, invite)
        caller.send(dialog.ask("ACK").text)
        far.receive("ACK", call_id=request.call_id)
        return dialog

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


def ack(response: Message, sg: str) -> str:
    """ACK of a refusal (RFC 3261 section 17.1.1.3)."""
    return (
        f"ACK sip:{sg} SIP/2.0\r\nVia: {response.get('Via')}\r\nFrom: {response.get('From')}\r\n"
        f"To: {response.get('To')}\r\nCall-ID: {response.get('Call-ID')}\r\n"
        f"CSeq: {response.get('CSeq').split()[0]} ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )


def _final(messages: list[Message], call_id: str) -> Message | None:
    """The final response of a call, if it is among them."""
    mine = (message for message in messages if message.get("Call-ID") == call_id)
    return next((message for message in mine if (message.status or 0) >= 200), None)
