"""Once a second: how fast calls come, how late the loop is, and that it is alive."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

BEAT_SECONDS = 1.0
KEPT_SECONDS = 60


class Beat(NamedTuple):
    """What was counted by a moment."""

    at: float
    """Seconds of a clock that only goes forward."""
    attempts: int
    answered: int
    refused: int
    lag_seconds: float
    """How much later than it should the loop came to it: as late as any message may be."""


class Pulse:
    """The last minute, beat by beat."""

    def __init__(self) -> None:
        self._beats: deque[Beat] = deque(maxlen=KEPT_SECONDS + 1)

    def beat(self, beat: Beat) -> None:
        """One more second."""
        self._beats.append(beat)

    def per_second(self, seconds: float) -> tuple[float, float, float]:
        """Attempts, answers and refusals per second, over the last `seconds` as far as they are known."""
        if len(self._beats) < 2:
            return 0.0, 0.0, 0.0
        last = self._beats[-1]
        first = next(beat for beat in self._beats if beat.at >= last.at - seconds - BEAT_SECONDS / 2)
        if first is last:
            first = self._beats[-2]
        lasted = last.at - first.at
        return (
            (last.attempts - first.attempts) / lasted,
            (last.answered - first.answered) / lasted,
            (last.refused - first.refused) / lasted,
        )

    @property
    def lag_seconds(self) -> float:
        """The greatest lag of the last minute."""
        return max((beat.lag_seconds for beat in self._beats), default=0.0)


async def run(pulse: Pulse, counted: Callable[[], tuple[int, int, int]], on_beat: Callable[[], None]) -> None:
    """Beat until cancelled. `counted`: attempts, answers and refusals so far."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_SECONDS
        await asyncio.sleep(BEAT_SECONDS)
        now = loop.time()
        pulse.beat(Beat(now, *counted(), max(0.0, now - due)))
        on_beat()
