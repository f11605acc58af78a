"""The two clocks that calls are timed by, in one place, so that tests can bring their own."""

from __future__ import annotations

import time
from typing import Protocol

from sipguard.policy.decide import Moment


class Clock(Protocol):
    """Wall time for records, monotonic time for lengths."""

    def now(self) -> Moment:
        """This instant on both clocks."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> Moment:
        """This instant on both clocks."""
        return Moment(time.time_ns() // 1_000_000, time.monotonic_ns())
