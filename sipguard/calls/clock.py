"""The two clocks that calls are timed by, in one place, so that tests can bring their own."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sipguard.policy.decide import Moment


class Clock(Protocol):
    """Wall time for records, monotonic time for lengths."""

    boot: bytes
    """Names what monotonic time counts from; empty: not known. Times of one boot compare over restarts."""

    def now(self) -> Moment:
        """This instant on both clocks."""


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        self.boot = boot_id()

    def now(self) -> Moment:
        """This instant on both clocks."""
        return Moment(time.time_ns() // 1_000_000, time.monotonic_ns())


def boot_id(file: Path = Path("/proc/sys/kernel/random/boot_id")) -> bytes:
    """The UUID that Linux makes at each boot (random(4)), 16 bytes; empty where there is none."""
    with suppress(OSError, ValueError):
        boot = bytes.fromhex(file.read_text().strip().replace("-", ""))
        return boot if len(boot) == 16 else b""
    return b""
