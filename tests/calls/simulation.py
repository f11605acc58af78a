"""A telephone world in one thread and no time at all: the real engine, policy and steps of a call between
callers and gateways that misbehave, over a network that loses, repeats and delays, with kills in between.

The clock is virtual, and so is the disk: what was committed is kept, what was not is lost with the process.
Everything is drawn from one seed.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from sipguard.calls.clock import Clock
from sipguard.calls.dispatch import dispatcher
from sipguard.calls.exchange import Exchange
from sipguard.calls.recovery import recover
from sipguard.model.cdr import Cdr
from sipguard.policy.decide import Moment
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.sip.events import Engine
from sipguard.sip.targets import targets
from sipguard.store.batch import CallAnswered, CallClosed, CallUpdated, Record
from sipguard.store.live_call import LiveCall
from sipguard.store.writer import Counts

MS = 1_000_000
UNIX_MS = 1_700_000_000_000
US = ("203.0.113.5", 5060)
COMMIT_NS = 3 * MS

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


class Disk:
    """What survives a kill."""

    def __init__(self, balances: dict[int, int]) -> None:
        self.balances = dict(balances)
        self.live: dict[int, LiveCall] = {}
        self.cdrs: dict[int, Cdr] = {}
        self.entries: Counter[str] = Counter()
        self.duplicates = 0

    def write(self, record: Record) -> None:
        match record:
            case CallAnswered(call, answered_ms, dialog, state):
                self.live[call] = LiveCall(call, answered_ms, None, dialog, state)
            case CallUpdated(call, state):
                if call in self.live:
                    self.live[call] = self.live[call]._replace(state=state)
            case CallClosed(cdr, entry):
                if cdr.call in self.cdrs:
                    self.duplicates += 1
                    return
                self.cdrs[cdr.call] = cdr
                if cdr.call in self.live:
                    self.live[cdr.call] = self.live[cdr.call]._replace(ended_ms=cdr.ended_ms)
                if entry is not None:
                    self.entries[entry.key] += 1
                    assert sum(posting.amount_micros for posting in entry.postings) == 0
                    for posting in entry.postings:
                        self.balances[posting.ledger] = (
                            self.balances.get(posting.ledger, 0) + posting.amount_micros
                        )


class Writer:
    """Commits a moment later; a kill loses what was not committed (calls.exchange.Records)."""

    def __init__(self, world: Simulation, disk: Disk) -> None:
        self.healthy = True
        self.counts = Counts()
        self.backlog = 0
        self._world, self._disk = world, disk

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        self.backlog += 1
        self._world.may_be_killed()
        life = self._world.life

        def commit() -> None:
            if self._world.life == life:
                self.backlog -= 1
                self._disk.write(record)
                if done is not None:
                    done()

        self._world.after(COMMIT_NS, commit)


class _Clock(Clock):
    def __init__(self, world: Simulation) -> None:
        self._world = world

    def now(self) -> Moment:
        return Moment(UNIX_MS + self._world.now // MS, self._world.now)


@dataclass
class Simulation:
    """The world; `run` lets a number of calls happen in it."""

    directory: Directory
    balances: dict[int, int]
    caller: tuple[str, int]
    gateways: list[tuple[str, int]]
    seed: int
    chances: Chances = field(default_factory=Chances)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.now = 0
        self.life = 0
        self.kills, self.kill_chance = 0, 0.0
        self.disk = Disk(self.balances)
        self.lowest: dict[int, int] = dict(self.balances)
        self.forwarded: Counter[str] = Counter()
        """INVITEs outside a dialog that reached a gateway, by their request URI's user."""
        self.answered_seen: set[str] = set()
        """Call-IDs whose 2xx reached the caller."""
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._ends = {self.caller: Caller(self)} | {at: Gateway(self, at) for at in self.gateways}
        self.boot()

    def boot(self) -> None:
        """Start the proxy on what the disk holds."""
        self.life += 1
        self.engine = Engine(epoch=self.life, seed=self.random.randbytes(32), now=self.now)
        self.engine.add_listener(*US)
        funds = Funds(self.disk.balances)
        self.exchange = Exchange(
            engine=self.engine,
            writer=Writer(self, self.disk),
            clock=_Clock(self),
            funds=funds,
            directory=self.directory,
            targets=targets(self.directory.routing_gateways.values()),
            kick=lambda: None,
        )
        self._dispatch = dispatcher(self.exchange)
        self.recovered = recover(self.exchange, list(self.disk.live.values()))

    def run(self, calls: int, per_second: float, kills: int = 0) -> None:
        """Place the calls, then let everything come to its end."""
        caller = self._ends[self.caller]
        assert isinstance(caller, Caller)
        length = int(calls / per_second * 1000 * MS)
        for number in range(calls):
            self.after(self.random.randrange(length), lambda number=number: caller.call(number))
        self.kills, self.kill_chance = kills, 2 * kills / calls
        self._until_idle()

    def may_be_killed(self) -> None:
        """A record is on its way: the worst moment for a kill is before, at, or just after its commit."""
        if self.kills > 0 and self.random.random() < self.kill_chance:
            self.kills -= 1
            self.after(self.random.randrange(2 * COMMIT_NS), self.boot)

    def up(self) -> set[str]:
        """Answered and acknowledged at a gateway, and not ended there."""
        gateways = [end for end in self._ends.values() if isinstance(end, Gateway)]
        return {leg for gateway in gateways for leg in gateway.up}

    def after(self, delay: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._order), what))

    def send(self, source: tuple[str, int], target: tuple[str, int], message: bytes) -> None:
        """Put a message on the network."""
        copies = 0 if self.random.random() < self.chances.lost else 1
        copies += self.random.random() < self.chances.repeated
        for _ in range(copies):
            self.after(self.random.randrange(1, 30) * MS, lambda: self._arrive(source, target, message))

    def _arrive(self, source: tuple[str, int], target: tuple[str, int], message: bytes) -> None:
        if target == US:
            self.engine.receive(self.now, 0, *source, message)
        elif target in self._ends:
            self._ends[target].receive(message)

    def _until_idle(self) -> None:
        quiet_since = self.now
        while True:
            due = [self._queue[0][0]] if self._queue else []
            for deadline in (self.engine.deadline(), self.exchange.alarms.next_ns()):
                if deadline is not None:
                    due.append(deadline)
            if not due:
                break
            self.now = max(self.now, min(due))
            if self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            self._turn()
            if self._queue or len(self.exchange.current):
                quiet_since = self.now
            assert self.now - quiet_since < 3_600_000 * MS, "something never ends"

    def _turn(self) -> None:
        self.exchange.alarms.ring(self.now)
        while True:
            for event in self.engine.poll(self.now):
                self._dispatch(event)
            taken = self.engine.take()
            if not taken:
                break
            for _, host, port, message in taken:
                self.send(US, (host, port), message)
        for ledger, low in self.lowest.items():
            held = self.exchange.funds.balance(ledger) - self.exchange.funds.held(ledger)
            if held < low:
                self.lowest[ledger] = held


def headers(message: bytes) -> dict[str, list[str]]:
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

    def __init__(self, world: Simulation, at: tuple[str, int]) -> None:
        self.world, self.at = world, at
        self.random = world.random

    def send(self, message: bytes) -> None:
        self.world.send(self.at, US, message)

    def repeat(self, message: bytes, until: Callable[[], bool]) -> None:
        """Send, and again after 0.5, 1, 2, 4 ... s (timers A and E, and 13.3.1.4) for 32 s."""

        def again(interval: int, left: int) -> None:
            if not until() and left > 0:
                self.send(message)
                step = min(2 * interval, 4000 * MS)
                self.world.after(interval, lambda: again(step, left - interval))

        again(500 * MS, 32_000 * MS)

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


class Caller(End):
    """Places calls; acknowledges, cancels, hangs up, forgets."""

    def __init__(self, world: Simulation) -> None:
        super().__init__(world, world.caller)
        self.attempts: dict[str, _Attempt] = {}

    def call(self, number: int) -> None:
        call_id = f"{number}-{self.random.getrandbits(32):x}@caller"
        dialog = {
            "from": f"<sip:a@{self.at[0]}>;tag=c{self.random.getrandbits(48):x}",
            "to": f"<sip:442079460000@{US[0]}>",
            "call-id": call_id,
        }
        invite = self.request("INVITE", f"sip:442079460000@{US[0]}", dialog, 1)
        attempt = _Attempt(invite, dialog, talk_ms=self.random.randrange(0, 90_000))
        self.attempts[call_id] = attempt
        self.repeat(invite, lambda: attempt.provisional or attempt.final > 0)
        if self.random.random() < self.world.chances.cancelled:
            self.world.after(self.random.randrange(8_000) * MS, lambda: self._cancel(attempt))

    def _cancel(self, attempt: _Attempt) -> None:
        if attempt.final or not attempt.provisional:
            return
        found = headers(attempt.invite)
        cancel = attempt.invite.replace(b"INVITE sip:", b"CANCEL sip:").replace(b"1 INVITE", b"1 CANCEL")
        assert found
        self.repeat(cancel, lambda: attempt.final > 0)

    def receive(self, message: bytes) -> None:
        found = headers(message)
        attempt = self.attempts.get(found["call-id"][0])
        if not message.startswith(b"SIP/2.0"):
            # A BYE, or anything else of the other side inside a dialog.
            known = attempt is not None and not (attempt.over and message.startswith(b"INVITE"))
            if message.startswith(b"ACK"):
                return
            if message.startswith(b"BYE") and attempt is not None:
                attempt.byes_done.add(found["from"][0])
                attempt.over = True
            self.send(reply(message, 200 if known else 481))
            return
        assert attempt is not None
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
            text = self.request("ACK", f"sip:442079460000@{US[0]}", ack, 1)
            self.send(re.sub(rb"Via: [^\r]*", b"Via: " + branch.encode(), text, count=1))
        else:
            self._answered(attempt, found)

    def _answered(self, attempt: _Attempt, found: dict[str, list[str]]) -> None:
        attempt.final = 200
        to = found["to"][0]
        self.world.answered_seen.add(attempt.dialog["call-id"])
        dialog = {**attempt.dialog, "to": to}
        contact = found["contact"][0].strip("<>")
        route = ", ".join(reversed(found.get("record-route", [])))
        first = to not in attempt.acks
        attempt.acks[to] = self.request("ACK", contact, dialog, 1, route)
        if self.random.random() >= self.world.chances.ack_lost:
            self.send(attempt.acks[to])
        if not first:
            return
        if self.random.random() < self.world.chances.reinvited:
            again = self.request("INVITE", contact, dialog, 2, route)
            self.world.after(self.random.randrange(5_000) * MS, lambda: self.send(again))
        if self.random.random() < self.world.chances.caller_vanishes:
            return

        def hang_up() -> None:
            if not attempt.over:
                bye = self.request("BYE", contact, dialog, 3, route)
                self.repeat(bye, lambda: to in attempt.byes_done)

        self.world.after(attempt.talk_ms * MS, hang_up)


class Gateway(End):
    """Takes calls, or not, in one of the ways that gateways have."""

    def __init__(self, world: Simulation, at: tuple[str, int]) -> None:
        super().__init__(world, at)
        self.handled: dict[str, list[bytes]] = {}
        """Responses by top Via, for retransmissions."""
        self.acknowledged: set[str] = set()
        self.up: set[str] = set()
        """Call-ID and tag of what was answered and acknowledged here, and has not ended."""
        self.cancelled: set[str] = set()
        self.byes_done: set[str] = set()
        self.ended: set[str] = set()

    def receive(self, message: bytes) -> None:
        found = headers(message)
        if message.startswith(b"SIP/2.0"):
            if found["cseq"][0].endswith("BYE"):
                self.byes_done.add(found["call-id"][0])
                self._over(found["call-id"][0] + found["from"][0])
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
            self.byes_done.add(found["call-id"][0])
            self._over(found["call-id"][0] + found["to"][0])
            self.send(reply(message, 200))
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

    def _take(self, invite: bytes, via: str) -> None:
        self.world.forwarded[invite.split(b"sip:", 1)[1].split(b"@", 1)[0].decode()] += 1
        way = self.random.choices(
            ("silent", "trying", "refuse", "busy", "fail", "answer", "ring"), (3, 3, 4, 8, 8, 20, 54)
        )[0]
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
                delay = self.random.randrange(12_000) * MS
                self.world.after(delay, lambda: self._after_ringing(invite, via, tag))

    def _after_ringing(self, invite: bytes, via: str, tag: str) -> None:
        if via in self.cancelled and self.random.random() < 0.9:
            self._final(invite, via, 487, tag)
        else:
            self._answer(invite, via, tag)
            if self.random.random() < self.world.chances.forked:
                self._answer(invite, via, tag + "f")

    def _say(self, invite: bytes, via: str, status: int, tag: str) -> None:
        response = reply(invite, status, tag, f"gw@{self.at[0]}:{self.at[1]}")
        self.handled[via].append(response)
        self.send(response)

    def _final(self, invite: bytes, via: str, status: int, tag: str) -> None:
        response = reply(invite, status, tag)
        self.handled[via].append(response)
        key = headers(response)["to"][0] + headers(invite)["call-id"][0]
        self.repeat(response, lambda: key in self.acknowledged)

    def _answer(self, invite: bytes, via: str, tag: str) -> None:
        response = reply(invite, 200, tag, f"gw@{self.at[0]}:{self.at[1]}")
        self.handled[via].append(response)
        found = headers(response)
        call_id = found["call-id"][0]
        key = found["to"][0] + call_id
        self.repeat(response, lambda: key in self.acknowledged)
        if self.random.random() < 0.3:
            # The callee hangs up. Requests of its own go back along the Record-Route.
            dialog = {"from": found["to"][0], "to": found["from"][0], "call-id": call_id}
            contact = headers(invite)["contact"][0].strip("<>")
            bye = self.request("BYE", contact, dialog, 1, ", ".join(found.get("record-route", [])))
            delay = self.random.randrange(60_000) * MS
            self.world.after(delay, lambda: self.repeat(bye, lambda: call_id in self.byes_done))
