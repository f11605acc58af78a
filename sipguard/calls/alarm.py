"""What has to happen to a call later: renew its slice, cut it, let its BYE go. One heap, one timer."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

TICK_NS = 20_000_000
"""The event loop is woken at whole ticks, never early: once for all alarms of a tick. One for each would cost
more than what the alarms do."""
AT_ONCE = 200
"""Alarms in one go: about 20 ms. After a restart all slices of thousands of calls may be over at once, and
messages must not wait for that."""

_Entry: TypeAlias = tuple[int, int, Callable[[int], None], int]


class Alarms:
    """Callbacks by call, each at its time on the monotonic clock.

    An alarm is never cancelled: whoever set it looks, when it rings, whether it still matters.
    """

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._order = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clock: Callable[[], int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0

    def start(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], int]) -> None:
        """Ring by themselves from now on; before, and in tests, `ring` is called by hand."""
        self._loop, self._clock = loop, clock
        self._arm()

    def stop(self) -> None:
        """Ring no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None

    def at(self, due_ns: int, what: Callable[[int], None], call: int) -> None:
        """Call `what(call)` at `due_ns`."""
        heapq.heappush(self._heap, (due_ns, next(self._order), what, call))
        self._arm()

    def ring(self, now_ns: int, most: int | None = None) -> None:
        """Run everything that is due, or as many as `most`, in the order in which they are."""
        heap = self._heap
        left = -1 if most is None else most
        while left and heap and heap[0][0] <= now_ns:
            left -= 1
            _, _, what, call = heapq.heappop(heap)
            what(call)

    def next_ns(self) -> int | None:
        """When the next one is due."""
        return self._heap[0][0] if self._heap else None

    def _arm(self) -> None:
        if self._loop is None or self._clock is None or not self._heap:
            return
        due = -(-self._heap[0][0] // TICK_NS) * TICK_NS
        if self._timer is not None:
            if self._timer_ns <= due:
                return
            self._timer.cancel()
        self._timer_ns = due
        self._timer = self._loop.call_later(max(0, due - self._clock()) / 1e9, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        assert self._clock is not None
        self.ring(self._clock(), AT_ONCE)
        self._arm()
