"""Attempts outlive the process that kept them, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sipguard.store.attempt import FIRST_SLOTS, SLOT_BYTES, SLOTS, AttemptFile
from tests.faults.disk import fill, small_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attempts"


def test_what_is_not_cleared_is_left_for_the_next_process(path: Path) -> None:
    first = AttemptFile(path)
    slots = [first.put(f"attempt {number}".encode()) for number in range(3)]
    first.clear(slots[1])
    second = AttemptFile(path)  # the first was killed: nothing was closed
    left = second.left()
    assert left == {slots[0]: b"attempt 0", slots[2]: b"attempt 2"}
    assert second.put(b"new") not in left, "what is left keeps its slot"
    for slot in left:
        second.clear(slot)
    assert list(AttemptFile(path).left().values()) == [b"new"]


def test_a_slot_is_used_again(path: Path) -> None:
    file = AttemptFile(path)
    slot = file.put(b"long ago " * 50)
    file.clear(slot)
    assert file.put(b"new") == slot
    assert list(AttemptFile(path).left().values()) == [b"new"]


def test_what_has_no_room_is_counted_and_not_kept(path: Path) -> None:
    file = AttemptFile(path)
    assert file.put(b"x" * SLOT_BYTES) == -1
    assert all(file.put(b"x") >= 0 for _ in range(SLOTS))
    assert file.put(b"x") == -1
    assert file.missed == 2


def test_more_attempts_than_slots_make_it_grow_and_none_is_lost(path: Path) -> None:
    file = AttemptFile(path)
    assert path.stat().st_size == FIRST_SLOTS * SLOT_BYTES
    contents = [f"attempt {number}".encode() for number in range(3 * FIRST_SLOTS)]
    assert len({file.put(content) for content in contents}) == len(contents)
    assert path.stat().st_size == 4 * FIRST_SLOTS * SLOT_BYTES
    assert list(AttemptFile(path).left().values()) == contents


def test_a_disk_that_is_full_keeps_what_it_has(tmp_path: Path) -> None:
    """No signal for a page that the disk has no room for."""
    if os.geteuid() != 0:
        pytest.skip("mounts a file system")
    with small_disk(tmp_path / "disk") as disk:
        file = AttemptFile(disk / "attempts")
        fill(disk)
        kept = [file.put(b"x" * 1_000) for _ in range(FIRST_SLOTS + 3)]
        assert kept.count(-1) == 3
        assert file.missed == 3
        assert len(AttemptFile(disk / "attempts").left()) == FIRST_SLOTS
        file.close()
        with pytest.raises(OSError, match="No space left"):
            AttemptFile(disk / "another")


def test_a_slot_that_was_half_written_is_no_attempt(path: Path) -> None:
    AttemptFile(path).put(b"an attempt")
    for at in (0, 4, 8, 17):
        damaged = bytearray(path.read_bytes())
        damaged[at] ^= 1
        copy = path.with_name("copy")
        copy.write_bytes(damaged)
        assert AttemptFile(copy).left() == {}, at
