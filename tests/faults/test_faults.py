"""The faults that break most, once each and short; with SIPGUARD_FAULTS=1 every kind, and `make faults` has
the long forms of all.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from tests.faults import disk, loss, points, standstill
from tests.faults.points import Point
from tests.faults.stage import new_seed

pytestmark = [pytest.mark.scenario, pytest.mark.fault, pytest.mark.timeout(300)]

long_form = pytest.mark.skipif(
    "SIPGUARD_FAULTS" not in os.environ, reason="takes a minute: make faults, or SIPGUARD_FAULTS=1"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


TRIES = 4
"""Points of a kind that are gone through until one is come to."""


def libfaketime() -> str | None:
    """The library, where there is one."""
    found = chain(
        Path("/usr/lib").glob("**/faketime/libfaketime.so.1"), [ctypes.util.find_library("faketime")]
    )
    return next((str(file) for file in found if file), None)


@long_form
def test_k13_a_network_that_loses_repeats_and_reorders(tmp_path: Path) -> None:
    calls, answered, found = loss.run(tmp_path, new_seed(), seconds=1, per_second=50)
    assert found == []
    assert calls > answered > 0


@needs_root
def test_k04_a_full_disk_refuses_new_calls_and_keeps_what_those_that_are_up_owe(tmp_path: Path) -> None:
    with disk.small_disk(tmp_path / "disk") as site:
        seen, found = disk.full(tmp_path, site, new_seed(), seconds=1)
    assert found == []
    assert any(end.final == 503 for end in seen.near.values())


@long_form
def test_k06_a_locked_database_keeps_neither_ack_nor_bye_waiting(tmp_path: Path) -> None:
    _, late, found = disk.locked(tmp_path, new_seed(), seconds=3)
    assert found == []
    assert late.acks
    assert late.byes
    # Far less than the lock lasts: nothing waits for it. How little it is, `make faults` tells.
    for each in (late.acks, late.byes):
        assert each[len(each) // 2] < 1_000


@long_form
def test_k08_a_process_that_is_stopped_cuts_what_is_over_when_it_goes_on(tmp_path: Path) -> None:
    cut, found = standstill.stopped(tmp_path, new_seed(), seconds=2)
    assert found == []
    assert cut > 0


@long_form
@pytest.mark.skipif(libfaketime() is None, reason="libfaketime is not installed")
def test_k07_a_clock_that_jumps_changes_no_length(tmp_path: Path) -> None:
    library = libfaketime()
    assert library is not None
    cut, found = standstill.jumping(tmp_path, new_seed(), ["+3600", "-3600", "+86400", "-86400"], library)
    assert found == []
    assert cut > 0


@needs_strace
def test_k02_killed_at_a_commit_point(tmp_path: Path) -> None:
    """One of a thread's and one of a start on what a kill has left; `make faults` has all of them."""
    seed = new_seed()
    (tmp_path / "counted").mkdir()
    every = points.points(tmp_path / "counted", seed, points.WRITES)
    assert len({point.thread for point in every}) >= 4, "the start, policy, redo log, database, wire"
    for starting in (True, False):
        early = [one for one in every if (one.thread == points.STARTING) is starting and one.number <= 2]
        assert _reaches_one(tmp_path / f"starting-{starting}", seed, Random(seed).sample(early, TRIES))


def _reaches_one(directory: Path, seed: int, some: list[Point]) -> bool:
    """Whether one of them was come to: how much a thread has to do varies by how its work falls together.

    None may break anything, whether it was come to or not.
    """
    for number, point in enumerate(some):
        place = directory / str(number)
        place.mkdir(parents=True)
        reached, found = points.kill(place, seed, point)
        assert found == [], (seed, point)
        if reached:
            return True
    return False


@needs_strace
def test_k03_a_disk_that_fails_to_sync_once_loses_nothing(tmp_path: Path) -> None:
    seed = new_seed()
    failed, found = points.fail(tmp_path, seed, _appending(tmp_path, seed, 2), for_good=False)
    assert found == [], seed
    assert failed


@long_form
@needs_strace
def test_k03_a_disk_that_fails_to_sync_for_good_is_no_success(tmp_path: Path) -> None:
    seed = new_seed()
    failed, found = points.fail(tmp_path, seed, _appending(tmp_path, seed, 2), for_good=True)
    assert found == [], seed
    assert failed


def _appending(tmp_path: Path, seed: int, number: int) -> Point:
    """A sync of the thread that has most of them: the one that appends to the redo log."""
    (tmp_path / "counted").mkdir()
    every = points.points(tmp_path / "counted", seed, ["fdatasync"])
    busiest = max((one for one in every if one.thread >= 0), key=lambda one: one.number)
    return replace(busiest, number=number)
