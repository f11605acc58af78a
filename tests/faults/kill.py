"""K-01: kill -9 at random moments under calls and payments, again and again on one database.

Half of the kills are counted from the moment at which the process is made, so that they hit the start and
what it puts in order; the others from when it is ready.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.stage import Stage
from tests.harness.loopback import eventually

CALLS_PER_SECOND, WRITES_PER_SECOND = 50.0, 20.0
SOONEST_MS, LATEST_MS = 5, 2_000
MANAGER_KILLED = 0.3
"""Of the kills, how many take the process that posts payments with them."""

COMPARED_EVERY = 50
"""Kills from one reading of the whole database to the next: what was written before has to be there still."""


@dataclass(slots=True)
class Result:
    """What became of a block of kills."""

    seed: int
    kills: int = 0
    during_start: int = 0
    calls: int = 0
    answered: int = 0
    through_a_kill: int = 0
    """Answered before a kill and hung up after it."""
    writes: int = 0
    ready_seconds: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def block(directory: Path, seed: int, kills: int, latest_ms: int = LATEST_MS) -> Result:
    """Kill so many times, let everything come to its end, read the books."""
    chance, result = Random(seed), Result(seed)
    with Stage(directory, seed=seed) as stage:
        stage.start()
        stage.manager.start(WRITES_PER_SECOND)
        stage.network.load(CALLS_PER_SECOND)
        eventually("calls are up", lambda: stage.daemon.status()["live_calls"] > 0, 30)
        eventually("payments", lambda: any(write.done for write in stage.seen().writes.values()), 30)
        before = stage.books()
        time.sleep(_moment(chance, latest_ms))
        for number in range(1, kills + 1):
            if chance.random() < MANAGER_KILLED:
                stage.manager.kill()
                stage.manager.start(WRITES_PER_SECOND)
            stage.kill()
            result.kills += 1
            while chance.random() < 0.25:
                # Killed once more before it is ready: a start must be able to begin anew, too.
                stage.daemon.spawn()
                time.sleep(_moment(chance, 1_000))
                stage.daemon.kill()
                result.kills += 1
                result.during_start += 1
            result.ready_seconds.append(stage.start())
            if number % COMPARED_EVERY == 0:
                result.violations += stage.verdict_so_far(before)
                before = stage.books()
            time.sleep(_moment(chance, latest_ms))
        stage.settle()
        result.violations += stage.verdict(before)
        seen = stage.seen()
        result.calls = len(seen.near)
        answered = [end for end in seen.near.values() if end.answered_at is not None]
        result.answered = len(answered)
        result.through_a_kill = sum(
            end.answered_at < down and end.heard_at is not None and end.heard_at > up
            for end in answered
            for down, up in seen.outages
            if end.answered_at is not None
        )
        result.writes = sum(write.done for write in seen.writes.values())
    return result


def _moment(chance: Random, latest_ms: int) -> float:
    """Seconds; as many below 100 ms as above, where most of what can break is short."""
    return math.exp(chance.uniform(math.log(SOONEST_MS), math.log(latest_ms))) / 1_000
