"""How long each part of a start took."""

from __future__ import annotations

import time
from collections.abc import Callable


class Laps:
    """Milliseconds by part, in order; what lies between two calls of `end` is the part of the second."""

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.ms: dict[str, int] = {}
        self._clock = clock
        self._began = clock()

    def end(self, part: str) -> None:
        """This part is over, the next one begins."""
        now = self._clock()
        self.ms[part] = (now - self._began) // 1_000_000
        self._began = now
