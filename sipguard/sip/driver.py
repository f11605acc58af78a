"""Drives the engine from the event loop: read, hand the events over, flush, wake when a timer is due.

Mutate once, then drain: between a `poll` and its `flush` nothing is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sipguard.sip.events import Engine, Event
from sipguard.sip.stream import Streams

_NS = 1_000_000_000
FULL_SOCKET_RETRY_SECONDS = 0.001
"""A full send buffer of several megabytes empties faster than this on any link that carries calls."""


class Driver:
    """One engine on one loop."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int],
        handle: Callable[[Event], None],
    ) -> None:
        """`clock`: monotonic nanoseconds. `handle` is called for each event and must not raise."""
        self._engine = engine
        self._loop = loop
        self._clock = clock
        self._handle = handle
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._kicked = False
        self._woken = False
        self._running = False
        self.streams = Streams(engine, loop, clock, self.wake)

    def start(self) -> None:
        """Begin to read."""
        self._running = True
        self._loop.add_reader(self._engine.fileno(), self.turn)
        self._arm()

    def stop(self) -> None:
        """Read no more; what is queued is sent."""
        self._running = False
        self._loop.remove_reader(self._engine.fileno())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._send()

    async def close(self) -> None:
        """Close what `streams` has open. After `stop`."""
        await self.streams.close()

    def turn(self) -> None:
        """One batch: read and time, decide, send."""
        engine = self._engine
        for event in engine.poll(self._clock()):
            self._handle(event)
        self._send()
        if engine.more():
            self._loop.call_soon(self.turn)
        self._arm()

    def wake(self) -> None:
        """Something came in that is no datagram: take a turn at the end of this round of the loop."""
        if not self._woken and self._running:
            self._woken = True
            self._loop.call_soon(self._on_wake)

    def _on_wake(self) -> None:
        self._woken = False
        if self._running:
            self.turn()

    def kick(self) -> None:
        """Something was ordered outside a turn: flush it once, at the end of this round of the loop."""
        if not self._kicked:
            self._kicked = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._kicked = False
        self._send()
        self._arm()

    def _send(self) -> None:
        # First the streams: a request that finds no connection may become a datagram.
        if orders := self._engine.stream_orders():
            self.streams.carry_out(orders)
        if self._engine.flush():
            self._loop.call_later(FULL_SOCKET_RETRY_SECONDS, self.kick)

    def _arm(self) -> None:
        """Wake for the engine's next timer; an earlier wake-up that is armed already serves as well."""
        due = self._engine.deadline()
        if due is None or (self._timer is not None and self._timer_ns <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = due
        delay = max(0, due - self._clock()) / _NS
        self._timer = self._loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.turn()
