"""K-13: a network that loses a tenth of all messages, repeats a twentieth, and lets them overtake."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from tests.faults.network import Trouble
from tests.faults.stage import SETTLED, Stage

TROUBLE = Trouble(lost=0.10, repeated=0.05, delayed_ms=30)
PATIENT = replace(SETTLED, patience_ms=20_000)


def run(directory: Path, seed: int, seconds: float, per_second: float) -> tuple[int, int, list[str]]:
    """Calls on the wire, answered ones, breaches."""
    with Stage(directory, seed=seed, chances=PATIENT, trouble=TROUBLE) as stage:
        stage.start()
        stage.network.load(per_second)
        time.sleep(seconds)
        stage.settle(20)
        seen = stage.seen()
        answered = sum(end.answered_at is not None for end in seen.near.values())
        return len(seen.near), answered, stage.verdict()
