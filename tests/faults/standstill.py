"""K-07 and K-08: a clock that jumps or stands still, and a process that is stopped for a while.

Money is short here: calls are cut all the time, so that what comes too late, or twice, shows.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.faults.stage import DATA, SETTLED, Stage
from tests.harness.loopback import eventually

CALLS_PER_SECOND = 5.0

# By the second, and money for about fifty of them: some calls are refused, some cut, some end by themselves.
POOR = (
    DATA.read_text()
    .replace("initial = 6, next = 6", "initial = 1, next = 1")
    .replace('account = "customer"\namount = "1000000"', 'account = "customer"\namount = "0.90"')
)
# Enough that calls are up through some restarts, and then not.
MODEST = POOR.replace('amount = "0.90"', 'amount = "20"')
TALKATIVE = replace(SETTLED, talk_ms=12_000, cancelled=0.0, callee_hangs_up=0.1)
SLICE_SECONDS = 3
PAYMENTS_PER_SECOND = 20.0


def stopped(directory: Path, seed: int, seconds: float) -> tuple[int, list[str]]:
    """K-08: SIGSTOP for so long, then SIGCONT. How many calls were cut, and the breaches."""
    with Stage(directory, seed=seed, data=POOR, chances=TALKATIVE, slice_seconds=SLICE_SECONDS) as stage:
        stage.start()
        stage.network.load(CALLS_PER_SECOND)
        eventually("calls are up", lambda: stage.daemon.status()["live_calls"] > 1, 30)
        stage.recorder.note(down=True)
        stage.daemon.signal(signal.SIGSTOP)
        time.sleep(seconds)
        stage.daemon.signal(signal.SIGCONT)
        stage.recorder.note(down=False)
        eventually("money ends", lambda: stage.daemon.status()["totals"]["cut"] > 0, 60)
        stage.settle()
        return stage.daemon.status()["totals"]["cut"], stage.verdict()


def jumping(directory: Path, seed: int, offsets: Sequence[str], library: str) -> tuple[int, list[str]]:
    """K-07: the wall clock of the daemon jumps by each of `offsets` ("+1h", "-1d") in turn, under calls, and
    back while the daemon is down.

    `library`: libfaketime, which reads the offset from a file. How many calls were cut after the last start,
    and the breaches.
    """
    file = directory / "offset"
    file.write_text("+0")
    wrapper = [
        "env",
        f"LD_PRELOAD={library}",
        f"FAKETIME_TIMESTAMP_FILE={file}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]
    with Stage(
        directory,
        seed=seed,
        data=MODEST,
        chances=TALKATIVE,
        slice_seconds=SLICE_SECONDS,
        wrapper=wrapper,
    ) as stage:
        stage.start()
        # A little money all the time, so that after each start some can call.
        stage.manager.start(PAYMENTS_PER_SECOND)
        stage.network.load(CALLS_PER_SECOND)
        for offset in offsets:
            file.write_text(offset)
            _goes_on(stage)
            eventually("calls are up, or their money is spent", lambda: _is_busy(stage), 30)
            stage.kill()
            file.write_text("+0")
            stage.start()
            _goes_on(stage)
        eventually("money ends", lambda: stage.daemon.status()["totals"]["cut"] > 0, 60)
        stage.settle()
        return stage.daemon.status()["totals"]["cut"], stage.verdict(steady=False)


def _is_busy(stage: Stage) -> bool:
    status = stage.daemon.status()
    return status["live_calls"] > 0 or status["totals"]["refused"] > 0


def _goes_on(stage: Stage) -> None:
    """Wait for a few more calls."""
    wanted = stage.daemon.status()["totals"]["attempts"] + 5
    eventually("calls go on", lambda: stage.daemon.status()["totals"]["attempts"] >= wanted, 30)
