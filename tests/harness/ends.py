"""User agents for tests: callers and gateways that misbehave as real ones do, sans I/O.

They live in a `World`, which is either virtual (tests.calls.simulation: no socket, no time) or real
(tests.faults.stage: UDP and the clock). A world tells them the time by calling back what they asked for
with `after`, and takes what they send. Everything that they do by chance is drawn from the world's seed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Protocol, TypeAlias

MS = 1_000_000
"""A millisecond in the nanoseconds that worlds count in."""

Address: TypeAlias = tuple[str, int]

_HEADER = re.compile(rb"^([A-Za-z-]+)[ \t]*:[ \t]*(.*?)\r$", re.MULTILINE)


@dataclass
class Chances:
    """Probabilities, each of one message or one call."""

    lost: float = 0.03
    repeated: float = 0.03
    cancelled: float = 0.15
    ack_lost: float = 0.02
    reinvited: float = 0.1
    forked: float = 0.1
    caller_vanishes: float = 0.03
    callee_hangs_up: float = 0.3
    caller_dies: float = 0.0
    """Says nothing any more, from some moment of the call on."""
    callee_dies: float = 0.0
    caller_forgets: float = 0.0
    """Starts anew in the middle of the call, and knows nothing of it: 481."""
    never_acknowledged: float = 0.0
    talk_ms: int = 90_000
    """The longest talk before the caller hangs up; callees are quicker by a third."""
    ring_ms: int = 12_000
    """The longest ringing."""
    patience_ms: int = 32_000
    """How long a message is repeated: 64 times T1 (RFC 3261 17.1.1.1)."""
    ways: dict[str, int] = field(
        default_factory=lambda: {
            "silent": 3,
            "trying": 3,
            "refuse": 4,
            "busy": 8,
            "fail": 8,
            "answer": 20,
            "ring": 54,
        }
    )
    """What gateways do with an INVITE, by weight."""


class World(Protocol):
    """Where ends live."""

    random: Random
    chances: Chances
    proxy: Address
    """Whom callers call."""
    now: int
    """Nanoseconds."""

    def after(self, delay: int, what: Callable[[], None], moot: Callable[[], bool] | None = None) -> None:
        """Call `what` when `delay` nanoseconds have passed; it need not be waited for once `moot` holds."""

    def send(self, source: Address, target: Address, message: bytes) -> None:
        """Put a message on the network."""


@lru_cache(maxsize=256)
def headers(message: bytes) -> dict[str, list[str]]:
    """Header values in their order, by lower-case name; of one message always the same, so not to be changed.

    A message is read several times by the end that gets it, and again when it comes again.
    """
    found: dict[str, list[str]] = {}
    for name, value in _HEADER.findall(message):
        found.setdefault(name.decode().lower(), []).append(value.decode())
    return found


def reply(request: bytes, status: int, tag: str = "", contact: str = "") -> bytes:
    """A response to a request, Record-Route copied."""
    found = headers(request)
    to = found["to"][0]
    if ";tag=" not in to and tag:
        to += f";tag={tag}"
    lines = [f"SIP/2.0 {status} Simulated"]
    lines += [f"Via: {value}" for value in found["via"]]
    lines += [f"Record-Route: {value}" for value in found.get("record-route", [])]
    lines += [f"From: {found['from'][0]}", f"To: {to}", f"Call-ID: {found['call-id'][0]}"]
    lines += [f"CSeq: {found['cseq'][0]}"]
    if contact:
        lines.append(f"Contact: <sip:{contact}>")
    return ("\r\n".join([*lines, "Content-Length: 0", "", ""])).encode()


class End:
    """One user agent with one address."""

    def __init__(self, world: World, at: Address) -> None:
        self.world, self.at = world, at
        self.random = world.random
        self.did: Counter[str] = Counter()
        """How often it did what ends do to proxies: "cancel", "ack_lost", "reinvite", "fork"."""

    def send(self, message: bytes) -> None:
        self.world.send(self.at, self.world.proxy, message)

    def repeat(self, message: bytes, until: Callable[[], bool], *, awaited: bool = True) -> None:
        """Send, and again after 0.5, 1, 2, 4 ... s (timers A and E, and 13.3.1.4) while patience lasts.

        Not `awaited`: of a call that a crash may have made unknown, so that `until` never comes.
        """

        def moot() -> bool:
            return not awaited or until()

        def again(interval: int, left: int) -> None:
            if not until() and left > 0:
                self.send(message)
                step = min(2 * interval, 4000 * MS)
                self.world.after(interval, lambda: again(step, left - interval), moot)

        again(500 * MS, self.world.chances.patience_ms * MS)

    def request(self, method: str, uri: str, dialog: dict[str, str], cseq: int, route: str = "") -> bytes:
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.at[0]}:{self.at[1]};branch=z9hG4bK{self.random.getrandbits(64):x}",
            "Max-Forwards: 70",
        ]
        if route:
            lines.append(f"Route: {route}")
        lines += [f"From: {dialog['from']}", f"To: {dialog['to']}", f"Call-ID: {dialog['call-id']}"]
        lines += [f"CSeq: {cseq} {method}", f"Contact: <sip:x@{self.at[0]}:{self.at[1]}>"]
        return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()

    def receive(self, message: bytes) -> None:
        raise NotImplementedError


@dataclass
class _Attempt:
    """A call as its caller sees it."""

    invite: bytes
    dialog: dict[str, str]
    talk_ms: int
    final: int = 0
    provisional: bool = False
    acks: dict[str, bytes] = field(default_factory=dict)
    byes_done: set[str] = field(default_factory=set)
    over: bool = False
    dead: bool = False
    silent: bool = False
    """Dead from before its ACK."""


class Caller(End):
    """Places calls; acknowledges, cancels, hangs up, forgets."""

    def __init__(self, world: World, at: Address, number: str = "442079460000") -> None:
        """`number` is what it calls."""
        super().__init__(world, at)
        self.uri = f"sip:{number}@{world.proxy[0]}"
        self.attempts: dict[str, _Attempt] = {}
        self.answered: set[str] = set()
        """Call-IDs whose 2xx came."""
        self.died: dict[str, int] = {}
        """When callers died, by Call-ID, in the world's nanoseconds."""

    def call(self, number: int) -> None:
        call_id = f"{number}-{self.random.getrandbits(32):x}@caller"
        dialog = {
            "from": f"<sip:a@{self.at[0]}>;tag=c{self.random.getrandbits(48):x}",
            "to": f"<{self.uri}>",
            "call-id": call_id,
        }
        invite = self.request("INVITE", self.uri, dialog, 1)
        attempt = _Attempt(invite, dialog, talk_ms=self.random.randrange(self.world.chances.talk_ms))
        self.attempts[call_id] = attempt
        self.repeat(invite, lambda: attempt.provisional or attempt.final > 0)
        if self.random.random() < self.world.chances.cancelled:
            delay = self.random.randrange(self.world.chances.ring_ms * 2 // 3) * MS
            self.world.after(delay, lambda: self._cancel(attempt))

    def _cancel(self, attempt: _Attempt) -> None:
        if attempt.final or not attempt.provisional:
            return
        cancel = attempt.invite.replace(b"INVITE sip:", b"CANCEL sip:").replace(b"1 INVITE", b"1 CANCEL")
        self.did["cancel"] += 1
        self.repeat(cancel, lambda: attempt.final > 0, awaited=False)

    def receive(self, message: bytes) -> None:
        found = headers(message)
        attempt = self.attempts.get(found["call-id"][0])
        if not message.startswith(b"SIP/2.0"):
            # A BYE, or anything else of the other side inside a dialog.
            known = attempt is not None and not (attempt.over and message.startswith(b"INVITE"))
            if message.startswith(b"ACK") or (attempt is not None and attempt.dead):
                return
            known = known and not (attempt is not None and attempt.over and message.startswith(b"OPTIONS"))
            if message.startswith(b"BYE") and attempt is not None:
                attempt.byes_done.add(found["from"][0])
                attempt.over = True
            self.send(reply(message, 200 if known else 481))
            return
        if attempt is None or attempt.dead:
            return  # of a call before this caller's time, or after it
        status = int(message[8:11])
        method = found["cseq"][0].split()[1]
        if method == "BYE":
            attempt.byes_done.add(found["to"][0])
        if method != "INVITE" or not found["cseq"][0].startswith("1 "):
            return
        if status < 200:
            attempt.provisional = True
        elif status >= 300:
            attempt.final = attempt.final or status
            ack = {**attempt.dialog, "to": found["to"][0]}
            branch = headers(attempt.invite)["via"][0]
            text = self.request("ACK", self.uri, ack, 1)
            self.send(re.sub(rb"Via: [^\r]*", b"Via: " + branch.encode(), text, count=1))
        else:
            self._answered(attempt, found)

    def _answered(self, attempt: _Attempt, found: dict[str, list[str]]) -> None:
        attempt.final = 200
        to = found["to"][0]
        self.answered.add(attempt.dialog["call-id"])
        dialog = {**attempt.dialog, "to": to}
        contact = found["contact"][0].strip("<>")
        route = ", ".join(reversed(found.get("record-route", [])))
        first = to not in attempt.acks
        chances = self.world.chances
        if first and self.random.random() < chances.never_acknowledged:
            attempt.silent = True
        if attempt.silent:
            attempt.acks[to] = b""
            return
        attempt.acks[to] = self.request("ACK", contact, dialog, 1, route)
        if self.random.random() >= self.world.chances.ack_lost:
            self.send(attempt.acks[to])
        else:
            self.did["ack_lost"] += 1
        if not first:
            return
        if self.random.random() < self.world.chances.reinvited:
            self.did["reinvite"] += 1
            again = self.request("INVITE", contact, dialog, 2, route)
            delay = self.random.randrange(min(5_000, chances.talk_ms)) * MS
            self.world.after(delay, lambda: None if attempt.dead else self.send(again))
        if self.random.random() < chances.caller_vanishes:
            return
        if self.random.random() < chances.caller_dies:
            self.world.after(attempt.talk_ms * MS, lambda: self._die(attempt))
            return
        if self.random.random() < chances.caller_forgets:
            self.world.after(attempt.talk_ms * MS, lambda: self._forget(attempt))
            return

        def hang_up() -> None:
            if not attempt.over:
                bye = self.request("BYE", contact, dialog, 3, route)
                self.repeat(bye, lambda: to in attempt.byes_done)

        self.world.after(attempt.talk_ms * MS, hang_up)

    def _die(self, attempt: _Attempt) -> None:
        if not attempt.over:
            attempt.dead = True
            self.died[attempt.dialog["call-id"]] = self.world.now

    def _forget(self, attempt: _Attempt) -> None:
        attempt.over = True


class Gateway(End):
    """Takes calls, or not, in one of the ways that gateways have."""

    def __init__(self, world: World, at: Address) -> None:
        super().__init__(world, at)
        self.handled: dict[str, list[bytes]] = {}
        """Responses by top Via, for retransmissions."""
        self.acknowledged: set[str] = set()
        self.up: set[str] = set()
        """Call-ID and tag of what was answered and acknowledged here, and has not ended."""
        self.cancelled: set[str] = set()
        self.byes_done: set[str] = set()
        """Call-ID and tag of what was answered here and hung up by either side: a BYE ends one leg."""
        self.ended: set[str] = set()
        self.asked: Counter[str] = Counter()
        """INVITEs outside a dialog that came, by their request URI's user."""
        self.dead: set[str] = set()
        """Call-ID and tag of what was answered here and says nothing any more."""

    def receive(self, message: bytes) -> None:
        found = headers(message)
        tagged = found["from" if message.startswith(b"SIP/2.0") else "to"][0]
        if found["call-id"][0] + tagged in self.dead:
            return
        if message.startswith(b"SIP/2.0"):
            if found["cseq"][0].endswith("BYE"):
                self.byes_done.add(found["call-id"][0] + tagged)
                self._over(found["call-id"][0] + tagged)
            return
        method = message.split(b" ", 1)[0].decode()
        via = found["via"][0]
        if method == "ACK":
            self.acknowledged.add(found["to"][0] + found["call-id"][0])
            leg = found["call-id"][0] + found["to"][0]
            if via not in self.handled and leg not in self.ended:
                self.up.add(leg)
        elif method == "CANCEL":
            self.send(reply(message, 200, "cancel"))
            self.cancelled.add(via)
        elif method == "BYE":
            self.byes_done.add(found["call-id"][0] + tagged)
            self._over(found["call-id"][0] + tagged)
            self.send(reply(message, 200))
        elif method == "OPTIONS" and found["call-id"][0] + found["to"][0] in self.ended:
            self.send(reply(message, 481))
        elif ";tag=" in found["to"][0]:
            self.send(reply(message, 200, contact=f"gw@{self.at[0]}:{self.at[1]}"))
        elif via in self.handled:
            for response in self.handled[via][-1:]:
                self.send(response)
        else:
            self.handled[via] = []
            self._take(message, via)

    def _over(self, leg: str) -> None:
        """A late ACK does not bring it back."""
        self.ended.add(leg)
        self.up.discard(leg)

    def _die(self, leg: str) -> None:
        self.dead.add(leg)
        self._over(leg)

    def _take(self, invite: bytes, via: str) -> None:
        self.asked[invite.split(b"sip:", 1)[1].split(b"@", 1)[0].decode()] += 1
        ways = self.world.chances.ways
        way = self.random.choices(list(ways), list(ways.values()))[0]
        tag = f"g{self.random.getrandbits(48):x}"
        match way:
            case "silent":
                return
            case "trying":
                self._say(invite, via, 100, "")
            case "refuse":
                self._final(invite, via, 403, tag)
            case "busy":
                self._final(invite, via, 486, tag)
            case "fail":
                self._final(invite, via, 503, tag)
            case "answer":
                self._answer(invite, via, tag)
            case "ring":
                self._say(invite, via, 180, tag)
                delay = self.random.randrange(self.world.chances.ring_ms) * MS
                self.world.after(delay, lambda: self._after_ringing(invite, via, tag))

    def _after_ringing(self, invite: bytes, via: str, tag: str) -> None:
        if via in self.cancelled and self.random.random() < 0.9:
            self._final(invite, via, 487, tag)
        else:
            self._answer(invite, via, tag)
            if self.random.random() < self.world.chances.forked:
                self.did["fork"] += 1
                self._answer(invite, via, tag + "f")

    def _hang_up(self, bye: bytes, leg: str, key: str, patience_ms: int) -> None:
        """Not before the ACK, or until none is to be expected any more (RFC 3261 15)."""
        if key in self.acknowledged or patience_ms <= 0:
            self.repeat(bye, lambda: leg in self.byes_done)
        else:
            again = lambda: self._hang_up(bye, leg, key, patience_ms - 100)  # noqa: E731
            self.world.after(100 * MS, again, lambda: key not in self.acknowledged)

    def _say(self, invite: bytes, via: str, status: int, tag: str) -> None:
        response = reply(invite, status, tag, f"gw@{self.at[0]}:{self.at[1]}")
        self.handled[via].append(response)
        self.send(response)

    def _final(self, invite: bytes, via: str, status: int, tag: str) -> None:
        response = reply(invite, status, tag)
        self.handled[via].append(response)
        key = headers(response)["to"][0] + headers(invite)["call-id"][0]
        self.repeat(response, lambda: key in self.acknowledged, awaited=False)

    def _answer(self, invite: bytes, via: str, tag: str) -> None:
        response = reply(invite, 200, tag, f"gw@{self.at[0]}:{self.at[1]}")
        self.handled[via].append(response)
        found = headers(response)
        call_id = found["call-id"][0]
        key = found["to"][0] + call_id
        self.repeat(response, lambda: key in self.acknowledged, awaited=False)
        if self.random.random() < self.world.chances.callee_dies:
            delay = self.random.randrange(self.world.chances.talk_ms) * MS
            self.world.after(delay, lambda: self._die(call_id + found["to"][0]))
        elif self.random.random() < self.world.chances.callee_hangs_up:
            # The callee hangs up. Requests of its own go back along the Record-Route.
            dialog = {"from": found["to"][0], "to": found["from"][0], "call-id": call_id}
            contact = headers(invite)["contact"][0].strip("<>")
            bye = self.request("BYE", contact, dialog, 1, ", ".join(found.get("record-route", [])))
            delay = self.random.randrange(self.world.chances.talk_ms * 2 // 3) * MS
            self.world.after(delay, lambda: self._hang_up(bye, call_id + found["to"][0], key, 32_000))
