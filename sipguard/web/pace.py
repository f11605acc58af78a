"""How fast somebody may ask: token buckets, one for each source or actor, in memory.

A bucket that is full again is forgotten, so as many are kept as have asked within the last seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BUCKETS_MAX = 50_000
"""Beyond, the ones that were used longest ago are forgotten: a flood of sources must not fill the memory."""


class Pace:
    """`per_second` requests on the long run, `burst` at once. None per second: no limit."""

    def __init__(
        self, per_second: float | None, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """Tokens left and when; in the order of their last use."""

    def wait_seconds(self, who: str) -> float:
        """Take a token; 0, or how long it takes until there is one again, and none was taken."""
        if self._per_second is None:
            return 0.0
        now = self._clock()
        tokens, at = self._buckets.pop(who, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._per_second)
        spent = 1.0 if tokens >= 1 else 0.0
        self._buckets[who] = tokens - spent, now
        self._forget(now)
        return 0.0 if spent else (1 - tokens) / self._per_second

    def _forget(self, now: float) -> None:
        # Two a request: the front never grows old while requests come.
        for _ in range(2):
            oldest = next(iter(self._buckets))
            _, at = self._buckets[oldest]
            full = (now - at) * (self._per_second or 0) >= self._burst
            if not full and len(self._buckets) <= BUCKETS_MAX:
                return
            del self._buckets[oldest]
            if not self._buckets:
                return
