"""K-02 and K-03: killed at, or failed by, every single call to the system that matters to what is durable.

strace counts the calls of each thread and acts on the Nth. A point is one N of one call; the points of a
call end where a run comes to its end unharmed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.stage import SETTLED, Stage
from tests.harness.loopback import eventually

WRITES = ("pwrite64", "fdatasync", "write", "sendto", "sendmmsg", "ftruncate", "rename", "unlink", "fsync")
"""What touches the disk or the wire."""

SYNCS = ("fdatasync", "fsync")

CALLS = 6
SHORT = replace(SETTLED, talk_ms=150, ring_ms=50, reinvited=0.0)
RUN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Point:
    """The Nth of a call in any thread."""

    call: str
    number: int


def kill(directory: Path, seed: int, point: Point) -> tuple[bool, list[str]]:
    """K-02: SIGKILL at the point, then a start on what is left. Whether it came to it; the breaches."""
    with Stage(
        directory, seed=seed, chances=SHORT, wrapper=_strace(directory, point, "signal=KILL")
    ) as stage:
        stage.daemon.spawn()
        reached = not _plays(stage)
        stage.recorder.note(down=True)
        stage.daemon.kill()
        stage.daemon.wrapper = ()
        stage.start()
        stage.settle()
        return reached, stage.verdict()


def fail(directory: Path, seed: int, point: Point, *, for_good: bool) -> tuple[bool, list[str]]:
    """K-03: the call fails with EIO, once or from then on. Whether it did; the breaches.

    Where it fails for good, nothing that comes after may be told to a caller as a success.
    """
    trace = _strace(directory, point, "error=EIO", "+" if for_good else "")
    with Stage(directory, seed=seed, chances=SHORT, wrapper=trace) as stage:
        stage.daemon.spawn()
        _plays(stage)
        failed_at = _injected_at(directory)
        stage.recorder.note(down=True)
        stage.daemon.kill()
        stage.daemon.wrapper = ()
        stage.start()
        stage.settle()
        found = stage.verdict()
        if for_good and failed_at is not None:
            found += _told_later(stage, failed_at)
        return failed_at is not None, found


def _strace(directory: Path, point: Point, what: str, onwards: str = "") -> list[str]:
    return [
        *("strace", "-f", "-qq", "-ttt", "--seccomp-bpf", "-o", str(directory / "strace.out")),
        *("-e", f"trace={point.call}", "-e", f"inject={point.call}:{what}:when={point.number}{onwards}"),
    ]


def _plays(stage: Stage) -> bool:
    """Let the daemon start and some calls happen; whether it lived to the end of them."""
    try:
        stage.daemon.await_ready()
    except RuntimeError:
        return False
    stage.recorder.note(down=False)
    stage.network.call(CALLS)
    deadline = time.monotonic() + RUN_SECONDS
    while stage.daemon.running and time.monotonic() < deadline:
        if stage.network.placed >= CALLS and stage.network.quiet(0.05):
            # At rest, and the records of the last calls with it.
            eventually("records", lambda: not stage.daemon.running or _is_idle(stage), 10)
            return stage.daemon.running
    return stage.daemon.running


def _is_idle(stage: Stage) -> bool:
    try:
        status = stage.daemon.status()
    except (OSError, ValueError):
        return False
    return not status["backlog"] or not status["store_healthy"]


def _injected_at(directory: Path) -> float | None:
    """Unix seconds of the first call that was made to fail."""
    for line in (directory / "strace.out").read_text().splitlines():
        if "(INJECTED)" in line and (stamp := re.search(r"(\d+\.\d+) ", line)):
            return float(stamp.group(1))
    return None


def _told_later(stage: Stage, failed_at: float) -> Iterator[str]:
    """What was committed before it failed may be on its way for a moment."""
    for call_id, near in stage.seen().near.items():
        if near.answered_at is not None and near.invited_at is not None and near.invited_at > failed_at:
            yield f"L-15: {call_id} came after the disk had failed, and was answered"
