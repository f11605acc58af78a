"""The log under disks that fail: what was acknowledged is read again, and no failed segment is trusted."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipguard.store import ledger
from sipguard.store.redo import replay
from tests.store import books
from tests.store.redo.logs import TWO_CALLS, Log


def calls(path: Path) -> list[int]:
    report = books.read(path, ledger.verify)
    assert report.ok
    return [call - books.EPOCH for (call,) in books.rows(path, "SELECT call FROM cdr ORDER BY call")]


def test_a_full_segment_is_followed_by_the_next_and_removed_once_applied(path: Path) -> None:
    log = Log(path, segment_bytes=TWO_CALLS)
    for number in range(6):
        log.append(books.closed(number))
    assert len(log.segments()) == 3
    log.apply(3)
    assert [file.name[-1] for file in log.segments()] == ["2", "3"], "the second holds what is not applied"
    log.apply()
    assert [file.name[-1] for file in log.segments()] == ["3"]
    log.crash()
    assert calls(path) == list(range(6))


def test_the_next_segment_is_made_before_it_is_wanted(path: Path) -> None:
    log = Log(path, segment_bytes=TWO_CALLS)
    log.append(books.closed(0))
    log.redo.prepare()
    assert not log.files.spare.exists(), "the first is not half full"
    log.append(books.closed(1))
    log.redo.prepare()
    spare = log.files.spare.stat()
    assert spare.st_blocks * 512 >= TWO_CALLS, "no hole: its blocks are there"
    log.append(books.closed(2))
    assert log.segments()[1].stat().st_ino == spare.st_ino
    assert not log.files.spare.exists()
    log.crash()
    replay.replay(path)
    assert calls(path) == [0, 1, 2]


def test_a_group_larger_than_a_segment_has_one_of_its_own(path: Path) -> None:
    log = Log(path, segment_bytes=2_000)
    log.append(*map(books.closed, range(10)))
    log.append(books.closed(10))
    assert len(log.segments()) == 2
    log.crash()
    replay.replay(path)
    assert calls(path) == list(range(11))


def test_after_a_failed_fdatasync_the_segment_is_never_trusted_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel drops the pages and reports success from then on: a second attempt would prove nothing.

    So the file is emptied here, as after a loss of power: everything that counts has to be in the next one.
    """
    log = Log(path)
    for number in range(3):
        log.append(books.closed(number))
    log.apply(1)
    (failed,) = log.segments()
    kept = shutil.copy(failed, path.with_name("kept"))

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        for _ in range(3):
            with pytest.raises(OSError, match="Input/output error"):
                log.append(books.closed(3))
    log.append(books.closed(3))
    assert failed not in log.segments(), "nobody needs it"
    shutil.copy(kept, failed)
    os.truncate(failed, 600)
    log.crash()
    done = replay.replay(path)
    assert (done.groups, done.outcome.duplicates) == (3, 0)
    assert calls(path) == [0, 1, 2, 3]


def test_a_process_that_dies_before_it_could_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group that was never acknowledged may be there or not; the others are."""
    log = Log(path)
    log.append(books.closed(0))

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output error"):
            log.append(books.closed(1))
    log.crash()
    replay.replay(path)
    assert calls(path) in ([0], [0, 1])


def test_a_write_that_the_disk_takes_a_part_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is written after it; where the disk is full, the part is the torn end of a failed segment."""
    pwrite = os.pwrite
    room = 0

    def some(descriptor: int, data: bytes, at: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = pwrite(descriptor, data[: min(room, 100)], at)
        room -= written
        return written

    log = Log(path)
    log.append(books.closed(0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", some)
        room = 1_000_000
        log.append(books.closed(1))
        room = 700
        with pytest.raises(OSError, match="No space left"):
            log.append(books.closed(2))
    copy = path.with_name("copy")
    shutil.copy(log.segments()[0], copy)
    log.append(books.closed(2))
    log.crash()
    replay.replay(path)
    assert calls(path) == [0, 1, 2]


def test_a_log_that_is_removed_under_us_is_written_anew(path: Path) -> None:
    log = Log(path)
    log.append(books.closed(0))
    log.append(books.closed(1))
    log.apply(1)
    for segment in log.segments():
        segment.unlink()
    log.append(books.closed(2))
    log.crash()
    assert replay.replay(path).groups == 2
    assert calls(path) == [0, 1, 2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(directory)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def appended(log: Log, first: int) -> OSError | None:
    """One group of twenty calls; what the disk says to it."""
    try:
        log.append(*map(books.closed, range(first, first + 20)))
    except OSError as error:
        return error
    return None


def test_k04_a_disk_that_runs_full(path: Path, small_disk: Path) -> None:
    """Room comes back when the database catches up, too: what is applied is removed from the disk."""
    log = Log(path, directory=small_disk, segment_bytes=256 * 1024)
    acknowledged = 0
    while (error := appended(log, acknowledged)) is None:
        acknowledged += 20
    assert error.errno == errno.ENOSPC
    assert acknowledged * 1_000 > 1_000_000, "most of the disk was used"
    assert appended(log, acknowledged) is not None, "and stays so"
    log.apply()
    log.append(books.closed(acknowledged))
    log.crash()
    done = replay.replay(path, small_disk)
    assert (done.groups, done.outcome.duplicates) == (1, 0)
    assert calls(path) == list(range(acknowledged + 1))
    assert list(small_disk.glob("*-redo-0*")) == []


def test_a_disk_that_became_read_only(path: Path, small_disk: Path) -> None:
    log = Log(path, directory=small_disk)
    log.append(books.closed(0))
    remount = ["mount", "-o", "remount,ro,size=2m", str(small_disk)]
    log.redo.close(remove=False)  # the kernel remounts nothing that is being written to
    subprocess.run(remount, check=True)
    for _ in range(2):
        with pytest.raises(OSError, match="Read-only file system"):
            log.append(books.closed(1))
    subprocess.run([*remount[:2], "remount,rw,size=2m", remount[3]], check=True)
    log.append(books.closed(1))
    log.crash()
    replay.replay(path, small_disk)
    assert calls(path) == [0, 1]
