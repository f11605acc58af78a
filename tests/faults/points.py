"""K-02 and K-03: killed at, or failed by, every single call to the system that matters to what is durable.

strace counts the calls of each thread for itself and acts on the Nth. So a point is one N of one call of
one thread of a daemon that is ready, or of whatever comes first while one starts on what a kill has left.
How many there are, a run without a fault tells; they are the same each time, but not to the very last.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.stage import SETTLED, Stage
from tests.harness.loopback import eventually
from tests.harness.process import Child

WRITES = ("pwrite64", "fdatasync", "write", "sendto", "sendmmsg", "ftruncate", "rename", "unlink", "fsync")
"""What touches the disk or the wire."""

SYNCS = ("fdatasync", "fsync")

CALLS = 6
SHORT = replace(SETTLED, talk_ms=150, ring_ms=50, reinvited=0.0)
RUN_SECONDS = 60.0

STARTING = -1

_SEGMENT = r"-redo-\d"
"""In the path of what the redo log writes to. Without the database alone calls are taken for a while yet."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """The Nth of a call."""

    thread: int
    """By the order in which the daemon made them, its first one 0; STARTING: any, until it is ready."""
    call: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.call} {self.number} of {place(self.thread)}"


def place(thread: int) -> str:
    """The thread for people."""
    return "the start" if thread == STARTING else f"thread {thread}"


def points(directory: Path, seed: int, calls: Sequence[str]) -> list[Point]:
    """Every point of a run, as one without a fault has them."""
    found: Counter[Point] = Counter()
    with Stage(directory, seed=seed, chances=SHORT) as stage:
        _leaves_calls(stage)
        stage.daemon.wrapper = _strace(directory, calls, follow=True)
        stage.start()
        ready_at = time.time()
        _plays(stage)
        over_at = time.time()
        threads = {tid: order for order, tid in enumerate(_threads(stage))}
        stage.settle()
    starting: Counter[tuple[str, str]] = Counter()
    for line in (directory / "strace.out").read_text().splitlines():
        told = re.match(r"(\d+) +(\d+\.\d+) (\w+)\(", line)
        if told is None or told[3] not in calls or float(told[2]) > over_at:
            continue
        if float(told[2]) < ready_at:
            starting[told[1], told[3]] += 1
        elif (order := threads.get(int(told[1]))) is not None:
            found[Point(order, told[3])] += 1
    # The first thread that gets as far ends the run.
    for (_, call), times in starting.items():
        point = Point(STARTING, call)
        found[point] = max(found[point], times)
    return sorted(
        replace(point, number=number) for point, times in found.items() for number in range(1, times + 1)
    )


def kill(directory: Path, seed: int, point: Point) -> tuple[bool, list[str]]:
    """K-02: SIGKILL at the point, then a start on what is left. Whether it came to it; the breaches."""
    with Stage(directory, seed=seed, chances=SHORT) as stage:
        reached = not _runs_into(stage, directory, point, "signal=KILL")
        _starts_again(stage)
        return reached, stage.verdict()


def fail(directory: Path, seed: int, point: Point, *, for_good: bool) -> tuple[bool, list[str]]:
    """K-03: the call fails with EIO, once or from then on. Whether it did; the breaches.

    Where it fails for good, nothing that comes after may be told to a caller as a success.
    """
    with Stage(directory, seed=seed, chances=SHORT) as stage:
        _runs_into(stage, directory, point, "error=EIO", "+" if for_good else "")
        failed, redo_failed_at = _injected(directory), _injected(directory, _SEGMENT)
        _starts_again(stage)
        found = stage.verdict()
        if for_good and redo_failed_at:
            found += _told_later(stage, redo_failed_at[0])
        return bool(failed), found


def _runs_into(stage: Stage, directory: Path, point: Point, what: str, onwards: str = "") -> bool:
    """Start, and have calls, with a fault at the point; whether the daemon lives on."""
    _leaves_calls(stage)
    fault = f"{point.call}:{what}:when={point.number}{onwards}"
    if point.thread == STARTING:
        stage.daemon.wrapper = _strace(directory, [point.call], fault, follow=True)
        stage.daemon.spawn()
        return _plays(stage)
    stage.start()
    tid = _threads(stage)[point.thread]
    line = [*_strace(directory, [point.call], fault), "-p", str(tid)]
    tracer = Child(line, directory / "tracer.out", directory)
    try:
        eventually("strace is attached", lambda: _is_traced(stage.daemon.pid, tid), 10)
        return _plays(stage)
    finally:
        # What is killed first would take with it what it is asked to do.
        if not stage.daemon.running:
            tracer.wait(10)
        tracer.kill()


def _leaves_calls(stage: Stage) -> None:
    """A first life that ends by a kill under calls, so that there is something to recover."""
    stage.start()
    stage.network.call(CALLS)
    eventually("a call is up", lambda: stage.daemon.status()["totals"]["answered"] > 0, 30)
    stage.kill()


def _starts_again(stage: Stage) -> None:
    stage.recorder.note(down=True)
    stage.daemon.kill()
    stage.daemon.wrapper = ()
    stage.start()
    stage.settle()


def _strace(directory: Path, calls: Sequence[str], fault: str = "", *, follow: bool = False) -> list[str]:
    # Not with --seccomp-bpf: strace 6.1 then never sends the signal.
    line = ["strace", "-qq", "-ttt", "-o", str(directory / "strace.out"), "-y"]
    line += ["-f"] if follow else []
    return [*line, "-e", f"trace={','.join(calls)}", *(["-e", f"inject={fault}"] if fault else [])]


def _threads(stage: Stage) -> list[int]:
    """The daemon's, in the order in which they were made."""
    return sorted(int(name) for name in os.listdir(f"/proc/{_daemon(stage)}/task"))


def _daemon(stage: Stage) -> int:
    """The process itself: under strace it is the only child of the one that was started."""
    pid = stage.daemon.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if stage.daemon.wrapper and children else pid


def _is_traced(pid: int, tid: int) -> bool:
    try:
        return "TracerPid:\t0" not in Path(f"/proc/{pid}/task/{tid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True  # It was, and has come to its point already: what it was to die of has killed it.


def _plays(stage: Stage) -> bool:
    """Let the daemon become ready and some calls happen; whether it lived to the end of them."""
    try:
        stage.daemon.await_ready()
    except RuntimeError:
        return False
    stage.recorder.note(down=False)
    wanted = stage.network.placed + CALLS
    stage.network.call(CALLS)
    deadline = time.monotonic() + RUN_SECONDS
    while stage.daemon.running and time.monotonic() < deadline:
        if stage.network.placed >= wanted and stage.network.quiet(0.05):
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


def _injected(directory: Path, where: str = "") -> list[float]:
    """Unix seconds of the calls that were made to fail, in a file whose path has this in it."""
    lines = (directory / "strace.out").read_text().splitlines()
    failed = [line for line in lines if "(INJECTED)" in line and re.search(where, line)]
    return [float(stamp[1]) for line in failed if (stamp := re.search(r"(\d+\.\d+) ", line))]


def _told_later(stage: Stage, failed_at: float) -> Iterator[str]:
    """What was committed before it failed may be on its way for a moment."""
    for call_id, near in stage.seen().near.items():
        if near.answered_at is not None and near.invited_at is not None and near.invited_at > failed_at:
            yield f"L-15: {call_id} came after the disk had failed, and was answered"
