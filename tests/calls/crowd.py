"""Many customers at once, over an orderly network: what arrives, arrives in the order of sending and once.

So that what gateways have in progress at one instant can be counted at the gateways, and what calls cost by
then can be added up, without asking the proxy. The disk is slow now and then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sipguard.policy.directory import Directory
from sipguard.store.batch import Record
from tests.calls.simulation import COMMIT_NS, US, Simulation, Writer
from tests.harness.ends import MS, Address, Caller, Chances, Gateway, headers

LATENCY_NS = 5 * MS
SLOW_COMMIT_NS = 250 * MS
"""Longer than a BYE waits for its record."""


class InOrder(Writer):
    """Commits in the order of submission, and one in a hundred records keeps all behind it waiting."""

    def __init__(self, world: Crowd) -> None:
        super().__init__(world, world.disk)
        self._crowd = world
        self._ready_ns = 0

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        world = self._crowd
        world.told(record)
        slow = world.random.random() < world.slow_commits
        self._ready_ns = max(self._ready_ns, world.now + (SLOW_COMMIT_NS if slow else COMMIT_NS))
        self.backlog += 1

        def commit() -> None:
            world.wake()
            self.backlog -= 1
            self._disk.write(record)
            if done is not None:
                done()

        world.after(self._ready_ns - world.now, commit)


class Busy(Gateway):
    """A gateway whose calls in progress are told to a `Crowd`: from the INVITE until it has refused it, has
    been told by CANCEL or BYE, or has said BYE. One that never says a word has taken no call."""

    def __init__(self, world: Crowd, at: Address) -> None:
        super().__init__(world, at)
        self._crowd = world

    def receive(self, message: bytes) -> None:
        found = headers(message)
        call_id, via = found["call-id"][0], found["via"][0]
        if message.startswith(b"INVITE") and ";tag=" not in found["to"][0] and via not in self.handled:
            self._crowd.begins(self, call_id, message.split(b"sip:", 1)[1].split(b"@", 1)[0].decode())
            super().receive(message)
            if not self.handled[via]:
                self._crowd.ends(self, call_id)
            return
        super().receive(message)
        said = self.handled.get(via)
        if message.startswith(b"BYE") or (
            # It has not found the callee yet, and will not look on.
            message.startswith(b"CANCEL") and said and said[-1].startswith(b"SIP/2.0 100")
        ):
            self._crowd.ends(self, call_id)

    def send(self, message: bytes) -> None:
        found = headers(message)
        refused = message.startswith(b"SIP/2.0") and int(message[8:11]) >= 300
        if message.startswith(b"BYE") or (refused and found["cseq"][0].endswith("INVITE")):
            self._crowd.ends(self, found["call-id"][0])
        super().send(message)


class Crowd(Simulation):
    """Customers, each with a trunk and a number that it calls; `limits` of channels, by any name."""

    def __init__(
        self,
        directory: Directory,
        balances: dict[int, int],
        customers: Mapping[Address, str],
        gateways: Sequence[Address],
        seed: int,
        chances: Chances,
        slow_commits: float = 0.01,
    ) -> None:
        """`customers`: the number that each address calls, by which gateways know whose call it is."""
        self.slow_commits = slow_commits
        self.limits: dict[str, int] = {}
        self.names: Callable[[Address, str], Sequence[str]] = lambda gateway, number: ()
        """Whose channels a call at a gateway takes: of that gateway, and of who calls that number."""
        self.present: Counter[str] = Counter()
        """Calls in progress at the gateways, by those names."""
        self.highest: Counter[str] = Counter()
        self.over: list[str] = []
        self._legs: dict[tuple[Address, str], tuple[str, ...]] = {}
        super().__init__(directory, balances, next(iter(customers)), list(gateways), seed, chances)
        self.lowest = {}
        self.callers = [Caller(self, at, number) for at, number in customers.items()]
        self._gateways: list[Gateway] = [Busy(self, at) for at in gateways]
        self._ends = {end.at: end for end in (*self.callers, *self._gateways)}

    def boot(self) -> None:
        super().boot()
        self.exchange.writer = InOrder(self)

    def told(self, record: Record) -> None:
        """The proxy has a record written."""

    def send(self, source: Address, target: Address, message: bytes) -> None:
        self.after(LATENCY_NS, lambda: self._arrive(source, target, message))

    def begins(self, gateway: Gateway, call_id: str, number: str) -> None:
        """A gateway is asked to take a call."""
        leg, names = (gateway.at, call_id), tuple(self.names(gateway.at, number))
        assert leg not in self._legs, "one INVITE for a call at a gateway"
        self._legs[leg] = names
        for name in names:
            self.present[name] += 1
            if self.present[name] > self.limits[name]:
                self.over.append(f"{self.now / 1e9:.3f} s: {name} has {self.present[name]}")
            if self.present[name] > self.highest[name]:
                self.highest[name] = self.present[name]

    def ends(self, gateway: Gateway, call_id: str) -> None:
        """The gateway has no more of a call."""
        for name in self._legs.pop((gateway.at, call_id), ()):
            self.present[name] -= 1

    def bursts(self, calls: int, burst: int, every_ms: int, progress: Callable[[int], None]) -> None:
        """Place calls of random customers, then let everything come to its end.

        Of every other burst all calls come in one instant; of the rest, within a third of a second.
        """

        def place(first: int) -> None:
            spread = first // burst % 2
            for number in range(first, min(first + burst, calls)):
                caller = self.random.choice(self.callers)
                delay = spread * self.random.randrange(300) * MS
                self.after(delay, lambda caller=caller, number=number: caller.call(number))
            progress(first)

        for turn, first in enumerate(range(0, calls, burst)):
            self.after(turn * every_ms * MS, lambda first=first: place(first))
        self._until_idle(None)


def is_bye_of_ours(source: Address, message: bytes) -> bool:
    """Whether the proxy says BYE."""
    return source == US and message.startswith(b"BYE")
