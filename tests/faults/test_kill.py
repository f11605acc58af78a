"""kill -9 under load (K-01): nothing is charged twice, no answered call is lost, calls that are up go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import kill
from tests.faults.stage import new_seed

KILLS = 3
LATEST_MS = 700

pytestmark = [pytest.mark.scenario, pytest.mark.fault, pytest.mark.timeout(300)]


def test_k01_killed_at_any_moment_under_load(tmp_path: Path) -> None:
    result = kill.block(tmp_path, new_seed(), KILLS, LATEST_MS)
    assert result.violations == [], result
    assert result.kills >= KILLS
    assert result.answered > 0, result
    assert result.writes > 0, result
    assert result.through_a_kill > 0, f"no call was up through a restart: {result}"
