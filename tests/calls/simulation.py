"""A telephone world in one thread and no time at all: the real engine, policy and steps of a call between
callers and gateways that misbehave, over a network that loses, repeats and delays, with kills in between.

The clock is virtual, and so is the disk: what was committed is kept, what was not is lost with the process.
Everything is drawn from one seed.
"""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from sipguard.calls import unfinished
from sipguard.calls.alarm import Alarms
from sipguard.calls.clock import Clock
from sipguard.calls.dispatch import dispatcher
from sipguard.calls.exchange import Exchange
from sipguard.calls.gateways import Gateways
from sipguard.calls.recovery import recover
from sipguard.model.cdr import Cdr
from sipguard.policy.decide import Moment
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.sip.events import Engine
from sipguard.store.attempt import AttemptFile
from sipguard.store.batch import CallAnswered, CallClosed, CallMoved, CallUpdated, Record
from sipguard.store.live_call import LiveCall
from sipguard.store.writer import Counts
from tests.harness.ends import MS, Address, Caller, Chances, End, Gateway

UNIX_MS = 1_700_000_000_000
US = ("203.0.113.5", 5060)
COMMIT_NS = 3 * MS


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
            case CallMoved(call, dialog):
                if call in self.live:
                    self.live[call] = self.live[call]._replace(dialog=dialog)
            case CallClosed(cdr, entry, closed_ms):
                if cdr.call in self.cdrs:
                    self.duplicates += 1
                    return
                self.cdrs[cdr.call] = cdr
                if cdr.call in self.live:
                    self.live[cdr.call] = self.live[cdr.call]._replace(ended_ms=closed_ms)
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

    def refusal(self) -> str | None:
        return None

    def submit(self, record: Record, done: Callable[[], None] | None = None) -> None:
        self.backlog += 1
        self._world.may_be_killed()
        life = self._world.life

        def commit() -> None:
            if self._world.life == life:
                self._world.wake()
                self.backlog -= 1
                self._disk.write(record)
                if done is not None:
                    done()

        self._world.after(COMMIT_NS, commit)


class _Clock(Clock):
    boot = b"of the machine, which no kill stops"

    def __init__(self, world: Simulation) -> None:
        self._world = world

    def now(self) -> Moment:
        return Moment(UNIX_MS + self._world.now // MS, self._world.now)


@dataclass
class Simulation:
    """The world; `run` lets a number of calls happen in it."""

    directory: Directory
    balances: dict[int, int]
    caller: Address
    gateways: list[Address]
    seed: int
    chances: Chances = field(default_factory=Chances)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.now = 0
        self.life = 0
        self.kills, self.kill_chance = 0, 0.0
        self.disk = Disk(self.balances)
        self._memory = os.memfd_create("attempts")
        """What is being set up at a kill outlives it."""
        self.lowest: dict[int, int] = dict(self.balances)
        self.proxy = US
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.traffic: Counter[str] = Counter()
        """Messages that were sent; those of them that the network lost, and repeated."""
        self._moved = True
        """Something came to the proxy since it was last asked for what it has to do."""
        self._caller = Caller(self, self.caller)
        self._gateways = [Gateway(self, at) for at in self.gateways]
        self._ends: dict[Address, End] = {end.at: end for end in (self._caller, *self._gateways)}
        self.boot()

    def boot(self) -> None:
        """Start the proxy on what the disk holds."""
        if self.life and self.exchange.attempts is not None:
            self.exchange.attempts.close()
        self.life += 1
        self._moved = True
        self.engine = Engine(epoch=self.life, seed=self.random.randbytes(32), now=self.now)
        self.engine.add_listener(*US)
        self.engine.ping_calls(20, 100, 10)
        funds = Funds(self.disk.balances)
        alarms = Alarms()
        gateways = Gateways(self.engine, _Clock(self), alarms, kick=lambda: None)
        gateways.configure(self.directory.routing_gateways.values())
        self.exchange = Exchange(
            engine=self.engine,
            writer=Writer(self, self.disk),
            clock=_Clock(self),
            funds=funds,
            directory=self.directory,
            gateways=gateways,
            alarms=alarms,
            kick=lambda: None,
        )
        self._dispatch = dispatcher(self.exchange)
        self.recovered = recover(self.exchange, list(self.disk.live.values()))
        attempts = AttemptFile(Path(f"/proc/self/fd/{self._memory}"))
        known = self.disk.live.keys() | self.disk.cdrs.keys()
        unfinished.adopt(self.exchange, attempts, attempts.left(), known, self.life)

    def run(self, calls: int, per_second: float, kills: int = 0, until_ns: int | None = None) -> None:
        """Place the calls, then let everything come to its end, or to that of `until_ns`."""
        length = int(calls / per_second * 1000 * MS)
        for number in range(calls):
            self.after(self.random.randrange(length), lambda number=number: self._caller.call(number))
        self.kills, self.kill_chance = kills, 2 * kills / calls
        self._until_idle(until_ns)

    def close(self) -> None:
        """Nothing more will happen."""
        if self.exchange.attempts is not None:
            self.exchange.attempts.close()
        os.close(self._memory)

    def may_be_killed(self) -> None:
        """A record is on its way: the worst moment for a kill is before, at, or just after its commit."""
        if self.kills > 0 and self.random.random() < self.kill_chance:
            self.kills -= 1
            self.after(self.random.randrange(2 * COMMIT_NS), self.boot)

    def died(self) -> dict[str, int]:
        """When callers died, by Call-ID, in nanoseconds of this world."""
        return self._caller.died

    def did(self) -> Counter[str]:
        """What the ends did, and how often (tests.harness.ends.End.did)."""
        return sum((end.did for end in self._ends.values()), Counter())

    def up(self) -> set[str]:
        """Answered and acknowledged at a gateway, and not ended there."""
        return {leg for gateway in self._gateways for leg in gateway.up}

    def answered(self) -> set[str]:
        """Call-IDs whose 2xx reached the caller."""
        return self._caller.answered

    def asked(self) -> set[str]:
        """What gateways were asked to call."""
        return {user for gateway in self._gateways for user in gateway.asked}

    def after(self, delay: int, what: Callable[[], None], moot: Callable[[], bool] | None = None) -> None:
        heapq.heappush(self._queue, (self.now + delay, next(self._order), what))

    def send(self, source: Address, target: Address, message: bytes) -> None:
        """Put a message on the network."""
        lost = self.random.random() < self.chances.lost
        again = self.random.random() < self.chances.repeated
        copies = 1 - lost + again
        self.traffic["lost"] += lost
        self.traffic["repeated"] += again
        self.traffic["messages"] += 1
        for _ in range(copies):
            self.after(self.random.randrange(1, 30) * MS, lambda: self._arrive(source, target, message))

    def _arrive(self, source: Address, target: Address, message: bytes) -> None:
        if target == US:
            self._moved = True
            self.engine.receive(self.now, 0, *source, message)
        elif target in self._ends:
            self._ends[target].receive(message)

    def step(self) -> bool:
        """Let the next thing happen; False: nothing will."""
        queue = self._queue
        timer, alarm = self.engine.deadline(), self.exchange.alarms.next_ns()
        own = timer if alarm is None or (timer is not None and timer < alarm) else alarm
        if queue and (own is None or queue[0][0] < own):
            due = queue[0][0]
        elif own is not None:
            due = own
        else:
            return False
        if due > self.now:
            self.now = due
        if queue and queue[0][0] <= self.now:
            heapq.heappop(queue)[2]()
        # What the ends do among themselves is none of the proxy's business until a message arrives.
        if self._moved or (own is not None and own <= self.now):
            self._moved = False
            self._turn()
        return True

    def wake(self) -> None:
        """The proxy has something to do, other than by a message or a timer."""
        self._moved = True

    def _until_idle(self, until_ns: int | None) -> None:
        quiet_since = self.now
        while (until_ns is None or self.now < until_ns) and self.step():
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
