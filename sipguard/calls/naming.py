"""Ends of calls that are reached by a name: looked up beside the call (RFC 3263).

The 2xx of such a call waits a moment for it, so that the first request inside the call goes the right way.
Where the DNS takes longer, requests go where the end was heard from until it has answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sipguard.calls.alarm import Alarms
from sipguard.calls.clock import Clock
from sipguard.sip.events import Engine, Resolve
from sipguard.sip.locate import Found, LookupFailedError, Place
from sipguard.sip.names import Remembered

PATIENCE_NS = 500_000_000
"""How long a 2xx waits at most: until the callee would repeat it (RFC 3261 section 13.3.1.4, T1)."""


class Naming:
    """Answers `Resolve` events."""

    def __init__(self, engine: Engine, clock: Clock, alarms: Alarms, remembered: Remembered) -> None:
        self._engine, self._clock, self._alarms = engine, clock, alarms
        self._remembered = remembered
        self._asking: dict[int, set[asyncio.Task[None]]] = {}
        self._waiting: dict[int, Callable[[], None]] = {}

    def resolve(self, event: Resolve) -> None:
        """The address of an end is wanted."""
        place = Place(event.host.rstrip(".").lower(), event.port, event.transport)
        found = self._remembered.find(place)
        if found is not None:
            self._tell(event, found)
            return
        task = asyncio.get_running_loop().create_task(self._ask(event, place))
        self._asking.setdefault(event.call, set()).add(task)
        task.add_done_callback(lambda done: self._done(event.call, done))

    def asks(self, call: int) -> bool:
        """Whether an end of the call is being looked up."""
        return call in self._asking

    def after(self, call: int, then: Callable[[], None]) -> None:
        """Do something once the ends of a call are known, or patience is over; at once where they are."""
        if call not in self._asking:
            then()
            return
        self._waiting[call] = then
        self._alarms.at(self._clock.now().monotonic_ns + PATIENCE_NS, self._go, call)

    def stop(self) -> None:
        """Wait for nothing more."""
        for tasks in self._asking.values():
            for task in tasks:
                task.cancel()

    async def _ask(self, event: Resolve, place: Place) -> None:
        try:
            self._tell(event, await self._remembered.ask(place))
        except LookupFailedError:
            return  # the end stays where it was heard from

    def _tell(self, event: Resolve, found: Found) -> None:
        now = self._clock.now().monotonic_ns
        for tier in found.priorities:
            for server in tier:
                for transport, address, port in server.locations:
                    if self._engine.resolved(event, transport, address, port, now):
                        return

    def _done(self, call: int, task: asyncio.Task[None]) -> None:
        tasks = self._asking[call]
        tasks.discard(task)
        if not tasks:
            del self._asking[call]
            self._go(call)

    def _go(self, call: int) -> None:
        then = self._waiting.pop(call, None)
        if then is not None:
            then()
