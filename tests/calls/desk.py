"""The real engine and the real steps of a call at one desk: time is set by hand, messages are read and
answered by the test, records are kept as they are written.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from sipguard.calls.alarm import Alarms
from sipguard.calls.dispatch import dispatcher
from sipguard.calls.exchange import Exchange
from sipguard.calls.gateways import Gateways
from sipguard.model.cdr import Cdr
from sipguard.policy.decide import Moment
from sipguard.policy.health import Rules
from sipguard.sip.events import Engine
from sipguard.store.batch import CallAnswered, CallClosed, CallUpdated, Record
from sipguard.store.writer import Counts
from tests.policy.world import LONDON, TRUNK, World

S = 1_000_000_000
CALLER = (TRUNK, 5060)


class Ledger:
    """Everything is durable at once (calls.exchange.Records)."""

    healthy, backlog = True, 0

    def __init__(self) -> None:
        self.counts = Counts()
        self.cdrs: list[Cdr] = []
        self.answers: list[CallAnswered] = []
        self.updates: list[CallUpdated] = []

    def refusal(self) -> str | None:
        return None

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        if isinstance(record, CallClosed):
            self.cdrs.append(record.cdr)
        elif isinstance(record, CallAnswered):
            self.answers.append(record)
        elif isinstance(record, CallUpdated):
            self.updates.append(record)
        if done is not None:
            done()


@dataclass
class Sent:
    """A message that the proxy has sent."""

    to: tuple[str, int]
    text: str

    @property
    def line(self) -> str:
        return self.text.split("\r\n", 1)[0]

    def header(self, name: str) -> str:
        return next(line for line in self.text.split("\r\n") if line.startswith(f"{name}: "))


class Desk:
    """A proxy on the directory of a `World`."""

    boot = b"the boot of desks"

    def __init__(self, world: World, rules: Rules | None = None) -> None:
        self.now_ns = 10 * S
        self.wall_ms = 1_700_000_000_000
        """Unix time when the monotonic clock stood at zero."""
        self.ledger = Ledger()
        self.engine = Engine(epoch=1, seed=bytes(range(32)), now=self.now_ns)
        self.engine.add_listener("203.0.113.5", 5060)
        alarms = Alarms()
        self.gateways = Gateways(
            self.engine, self, alarms, kick=lambda: None, rules=rules, chance=random.Random(7)
        )
        self.exchange = Exchange(
            engine=self.engine,
            writer=self.ledger,
            clock=self,
            funds=world.funds,
            directory=world.directory(),
            gateways=self.gateways,
            kick=lambda: None,
            alarms=alarms,
        )
        self.configure(world)
        self._dispatch = dispatcher(self.exchange)
        self._calls = 0
        self._out: list[Sent] = []
        self._seen: set[str] = set()

    def configure(self, world: World) -> None:
        """Another configuration, as the change feed brings it."""
        self.exchange.directory = world.directory()
        self.gateways.configure(self.exchange.directory.routing_gateways.values())

    def now(self) -> Moment:
        """The clock (calls.clock.Clock)."""
        return Moment(self.wall_ms + self.now_ns // 1_000_000, self.now_ns)

    def turn(self) -> None:
        """Let everything happen that is due."""
        self.exchange.alarms.ring(self.now_ns)
        while True:
            for event in self.engine.poll(self.now_ns):
                self._dispatch(event)
            taken = self.engine.take()
            self._out += [Sent((host, port), message.decode()) for _, host, port, message in taken]
            if not taken:
                return

    def wait(self, seconds: float) -> None:
        """Time goes by, timer after timer."""
        end = self.now_ns + int(seconds * S)
        while self.now_ns < end:
            times = [end, self.exchange.alarms.next_ns(), self.engine.deadline()]
            self.now_ns = max(self.now_ns + 1, min(time for time in times if time is not None))
            self.turn()

    def sent(self, method: str = "") -> list[Sent]:
        """What was sent since the last look, without 100 and retransmissions; of one method, if given."""
        out, self._out = list({one.text: one for one in self._out}.values()), []
        fresh = [one for one in out if one.text not in self._seen]
        self._seen.update(one.text for one in fresh)
        return [one for one in fresh if one.line.startswith(method) and " 100 " not in one.line]

    def receive(self, source: tuple[str, int], text: str) -> None:
        self.engine.receive(self.now_ns, 0, *source, text.encode())
        self.turn()

    def invite(self, number: str = LONDON, caller: tuple[str, int] = CALLER) -> None:
        """The customer calls."""
        self._calls += 1
        self.receive(
            caller,
            f"INVITE sip:{number}@203.0.113.5 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {caller[0]}:5060;branch=z9hG4bK{self._calls}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:+442079461111@{caller[0]}>;tag=c{self._calls}\r\n"
            "To: <sip:b@203.0.113.5>\r\n"
            f"Call-ID: {self._calls}@{caller[0]}\r\n"
            "CSeq: 1 INVITE\r\n"
            f"Contact: <sip:a@{caller[0]}>\r\n"
            "Content-Length: 0\r\n\r\n",
        )

    def answer(self, request: Sent, status: str, *lines: str, body: str = "") -> None:
        """What was asked answers."""
        kept = [line for line in request.text.split("\r\n") if line.startswith(("Via:", "From:", "Call-ID:"))]
        kept += [request.header("CSeq"), request.header("To") + ";tag=g", *lines]
        head = "\r\n".join([f"SIP/2.0 {status}", *kept, f"Content-Length: {len(body)}"])
        self.receive(request.to, f"{head}\r\n\r\n{body}")

    def acknowledge(self, caller: tuple[str, int] = CALLER) -> None:
        """The caller has got the 200 of its newest call."""
        self.receive(
            caller,
            "ACK sip:b@203.0.113.5 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {caller[0]}:5060;branch=z9hG4bKack{self._calls}\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:+442079461111@{caller[0]}>;tag=c{self._calls}\r\n"
            "To: <sip:b@203.0.113.5>;tag=g\r\n"
            f"Call-ID: {self._calls}@{caller[0]}\r\n"
            "CSeq: 1 ACK\r\n"
            "Content-Length: 0\r\n\r\n",
        )

    def invited(self) -> Sent:
        """The one INVITE that was sent since."""
        (invite,) = self.sent("INVITE")
        return invite

    def replied(self) -> str:
        """The one final response that the caller got since."""
        (reply,) = [one for one in self.sent("SIP/2.0 ") if one.to == CALLER]
        return reply.line.removeprefix("SIP/2.0 ")

    def idle(self) -> bool:
        """Nothing is held or counted."""
        totals = self.exchange.funds.totals()
        return (
            not len(self.exchange.current)
            and totals.holds == 0
            and not any(self.exchange.current.counts().values())
        )
