"""Which logs are applied, and which are refused: with the file, the place, and the reason."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sipguard.store import database, ledger
from sipguard.store.redo import replay
from sipguard.store.redo.frame import HEADER_BYTES
from sipguard.store.redo.tail import RedoError
from tests.store import books
from tests.store.redo.logs import CALL_BYTES, TWO_CALLS, Log

SECOND = HEADER_BYTES + CALL_BYTES
"""Where the second group of a segment begins."""


@pytest.fixture
def crashed(path: Path) -> list[Path]:
    """Segments of a log of six calls, two in each, of which the database has none."""
    log = Log(path, segment_bytes=TWO_CALLS)
    for number in range(6):
        log.append(books.closed(number))
    log.crash()
    segments = log.segments()
    assert len(segments) == 3
    return segments


def calls(path: Path) -> list[int]:
    assert books.read(path, ledger.verify).ok
    return [call - books.EPOCH for (call,) in books.rows(path, "SELECT call FROM cdr ORDER BY call")]


def refused(path: Path, match: str) -> None:
    """The replay is refused, and nothing was changed."""
    before = {file: file.read_bytes() for file in path.parent.glob("*-redo-*")}
    with pytest.raises(RedoError, match=match):
        replay.replay(path)
    assert {file: file.read_bytes() for file in path.parent.glob("*-redo-*")} == before
    assert calls(path) == []


def test_everything_is_applied_once_and_the_log_is_gone(path: Path, crashed: list[Path]) -> None:
    done = replay.replay(path)
    assert (done.groups, done.records, done.torn, done.outcome.rejected) == (6, 6, None, [])
    assert calls(path) == [0, 1, 2, 3, 4, 5]
    assert not replay.is_needed(path)
    assert replay.replay(path).groups == 0


def test_files_of_an_applied_log_that_come_back_are_not_applied_again(
    path: Path, crashed: list[Path], tmp_path: Path
) -> None:
    kept = [shutil.copy(segment, tmp_path / f"kept-{segment.name}") for segment in crashed]
    replay.replay(path)
    for copy, segment in zip(kept, crashed, strict=True):
        shutil.copy(copy, segment)
    assert replay.replay(path).groups == 0
    for copy, segment in zip(kept, crashed, strict=True):
        shutil.copy(copy, segment)
    replay.begin(path, "proxy")  # a later run
    with pytest.raises(RedoError, match="was not written for the database as it is now"):
        replay.replay(path)
    assert calls(path) == [0, 1, 2, 3, 4, 5]


def test_a_start_that_was_killed_while_it_removed_the_log(
    path: Path, crashed: list[Path], tmp_path: Path
) -> None:
    """The oldest segments are gone, and everything is in the database."""
    kept = shutil.copy(crashed[2], tmp_path / "kept")
    replay.replay(path)
    shutil.copy(kept, crashed[2])
    assert replay.replay(path).groups == 0
    assert not replay.is_needed(path)


def test_the_log_of_another_database(path: Path, crashed: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other" / path.name
    other.parent.mkdir()
    asyncio.run(database.create(other).close())
    for segment in crashed:
        shutil.copy(segment, other.parent)
    with pytest.raises(
        RedoError, match=f"{other.parent}/.*0001: at byte 0: this redo log belongs to another"
    ):
        replay.replay(other)


def test_a_database_from_a_backup_and_the_log_of_later(path: Path, tmp_path: Path) -> None:
    log = Log(path, segment_bytes=TWO_CALLS)
    books.rows(path, f"VACUUM INTO '{tmp_path / 'backup'}'")
    for number in range(6):
        log.append(books.closed(number))
        log.apply()
    log.append(books.closed(6))
    log.crash()
    shutil.copy(tmp_path / "backup", path)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    refused(path, "begins with group 5, the database needs group 1 first: .* as from a backup")


def test_a_database_from_a_backup_and_the_whole_log_since(path: Path, tmp_path: Path) -> None:
    """Nothing is missing: the backup is brought to the present."""
    log = Log(path)
    log.append(books.closed(0))
    log.apply()
    books.rows(path, f"VACUUM INTO '{tmp_path / 'backup'}'")
    log.append(books.closed(1))
    log.apply()
    log.append(books.closed(2))
    log.crash()
    shutil.copy(tmp_path / "backup", path)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    assert replay.replay(path).groups == 2
    assert calls(path) == [0, 1, 2]


def flip(at: int) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[at] ^= 0x10
        file.write_bytes(data)

    return change


def cut(length: int) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(file.read_bytes()[:length])


@pytest.mark.parametrize(
    ("segment", "damage", "match"),
    [
        (0, flip(3), "0001: at byte 0: this is not a segment of a redo log"),
        (2, flip(30), "0003: at byte 0: the header is damaged"),
        (0, flip(600), f"0001: at byte {HEADER_BYTES}: group 1 is missing or damaged, and group 3 follows"),
        (1, flip(600), f"0002: at byte {HEADER_BYTES}: group 3 is missing or damaged, and group 5 follows"),
        (2, flip(600), f"0003: at byte {HEADER_BYTES}: group 5 is damaged, and whole ones follow"),
        (1, cut(SECOND + 100), f"0002: at byte {SECOND}: group 4 is missing or damaged, and group 5 follows"),
        (0, Path.unlink, "0002: at byte 0: this segment begins with group 3, the database needs group 1"),
        (1, Path.unlink, r"0001: at byte \d+: group 3 is missing or damaged, and group 5 follows"),
        (1, lambda file: file.rename(file.with_name(file.name[:-1] + "7")), "segment 2 under the name of"),
    ],
)
def test_damage_is_refused(
    path: Path, crashed: list[Path], segment: int, damage: Callable[[Path], object], match: str
) -> None:
    damage(crashed[segment])
    refused(path, match)


@pytest.mark.parametrize("damage", [flip(SECOND + 100), cut(SECOND + 100)], ids=["flipped", "cut"])
def test_a_torn_end_is_left_out_counted_and_kept(
    path: Path, crashed: list[Path], damage: Callable[[Path], object]
) -> None:
    damage(crashed[2])
    data = crashed[2].read_bytes()
    done = replay.replay(path)
    assert done.torn == (crashed[2], SECOND)
    assert (done.groups, calls(path)) == (5, [0, 1, 2, 3, 4])
    assert crashed[2].with_name(f"{crashed[2].name}.torn").read_bytes() == data
    assert not replay.is_needed(path), "what is kept is no segment"


def test_a_directory_that_is_not_there(path: Path, tmp_path: Path) -> None:
    with pytest.raises(RedoError, match="nowhere: the redo log cannot be read: No such file or directory"):
        replay.replay(path, tmp_path / "nowhere")


def test_a_record_that_can_never_be_written_is_set_aside_at_a_replay_too(path: Path) -> None:
    log = Log(path)
    log.append(books.closed(1), books.closed(2, user_agent="\ud800"), books.closed(3, status="ok"))
    log.crash()
    done = replay.replay(path)
    assert len(done.outcome.rejected) == 2
    assert calls(path) == [1]
    kinds = books.rows(path, "SELECT kind FROM rejected_record")
    assert kinds == [("CallClosed",), ("CallClosed",)]
