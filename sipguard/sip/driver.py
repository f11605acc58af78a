"""Joins the engine to the event loop: its thread keeps the wire and wakes the loop for events alone.

Mutate once, then drain: between a `poll` and its `flush` nothing is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sipguard.sip.events import Engine, Event
from sipguard.sip.stream import Streams


class Driver:
    """One engine on one loop."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int],
        handle: Callable[[Event], None],
        before: Callable[[], None] = lambda: None,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """`clock`: monotonic nanoseconds. `handle` is called for each event and must not raise, nor must
        `before` and `after`, which are called around the events of a turn."""
        self._engine = engine
        self._loop = loop
        self._clock = clock
        self._handle = handle
        self._before, self._after = before, after
        self._kicked = False
        self._woken = False
        self._fd: int | None = None
        self.streams = Streams(engine, loop, clock, self.wake)

    def start(self) -> None:
        """Begin to read. Once in the life of an engine."""
        self._fd = self._engine.start()
        self._loop.add_reader(self._fd, self.turn)

    def stop(self) -> None:
        """Read no more; what is queued is sent."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._fd = None
            self._engine.stop()
        self._send()

    async def close(self) -> None:
        """Close what `streams` has open. After `stop`."""
        await self.streams.close()

    def turn(self) -> None:
        """One batch of events: decide, send."""
        events = self._engine.poll(self._clock())
        self._before()
        for event in events:
            self._handle(event)
        self._after()
        self._send()

    def wake(self) -> None:
        """Something came in that is no datagram: take a turn at the end of this round of the loop."""
        if not self._woken and self._fd is not None:
            self._woken = True
            self._loop.call_soon(self._on_wake)

    def _on_wake(self) -> None:
        self._woken = False
        if self._fd is not None:
            self.turn()

    def kick(self) -> None:
        """Something was ordered outside a turn: flush it once, at the end of this round of the loop."""
        if not self._kicked:
            self._kicked = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._kicked = False
        self._send()

    def _send(self) -> None:
        # First the streams: a request that finds no connection may become a datagram.
        if orders := self._engine.stream_orders():
            self.streams.carry_out(orders)
        self._engine.flush()
