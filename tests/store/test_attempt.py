"""Attempts outlive the process that kept them, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipguard.store.attempt import SLOT_BYTES, SLOTS, AttemptFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attempts"


def test_what_is_not_cleared_is_left_for_the_next_process(path: Path) -> None:
    first = AttemptFile(path)
    slots = [first.put(f"attempt {number}".encode()) for number in range(3)]
    first.clear(slots[1])
    second = AttemptFile(path)  # the first was killed: nothing was closed
    assert list(second.left()) == [b"attempt 0", b"attempt 2"]
    second.wipe()
    assert list(AttemptFile(path).left()) == []


def test_a_slot_is_used_again(path: Path) -> None:
    file = AttemptFile(path)
    slot = file.put(b"long ago " * 50)
    file.clear(slot)
    assert file.put(b"new") == slot
    assert list(AttemptFile(path).left()) == [b"new"]


def test_what_has_no_room_is_counted_and_not_kept(path: Path) -> None:
    file = AttemptFile(path)
    assert file.put(b"x" * SLOT_BYTES) == -1
    assert all(file.put(b"x") >= 0 for _ in range(SLOTS))
    assert file.put(b"x") == -1
    assert file.missed == 2


def test_a_slot_that_was_half_written_is_no_attempt(path: Path) -> None:
    AttemptFile(path).put(b"an attempt")
    for at in (0, 4, 8, 17):
        damaged = bytearray(path.read_bytes())
        damaged[at] ^= 1
        copy = path.with_name("copy")
        copy.write_bytes(damaged)
        assert list(AttemptFile(copy).left()) == [], at
