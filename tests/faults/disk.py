"""K-04 and K-06: a disk that is full, and a database that somebody else has locked, under calls.

Those that are up end as ever: what they owe is written when there is room again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sqlite3
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.invariants.ledger import Ledger
from tests.faults.stage import Stage
from tests.harness.loopback import eventually

SIZE = "8M"
CALLS_PER_SECOND = 30.0


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A file system of a few megabytes. Raises PermissionError where none may be mounted."""
    at.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "sipguard-test", str(at)]
    if subprocess.run(line, capture_output=True).returncode:
        raise PermissionError("a file system can be mounted by root alone")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill(directory: Path) -> Path:
    """Take what room there is; the file that takes it."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler


def full(directory: Path, site: Path, seed: int, seconds: float) -> tuple[Ledger, list[str]]:
    """K-04: full for so long. The ledger, and the breaches."""
    with Stage(directory, seed=seed, site=site) as stage:
        stage.start()
        stage.network.load(CALLS_PER_SECOND)
        eventually("calls are up", lambda: stage.daemon.status()["live_calls"] > 5, 30)
        filler = fill(site)
        eventually("the store is known to fail", lambda: not stage.daemon.status()["store_healthy"], 60)
        time.sleep(seconds)
        # More room may have come free meanwhile, by a checkpoint for one.
        refused = stage.daemon.status()["totals"]["refused"]
        os.unlink(filler)
        eventually("the store is back", lambda: bool(stage.daemon.status()["store_healthy"]), 60)
        answered = stage.daemon.status()["totals"]["answered"]
        eventually(
            "calls are taken again", lambda: stage.daemon.status()["totals"]["answered"] > answered, 60
        )
        stage.settle()
        found = stage.verdict()
        if not refused:
            found.append("K-04: no call was refused while the disk was full")
        return stage.seen(), found


RELAYED_MS = 200.0
"""Within this a BYE and an ACK have to be on, whatever becomes of the database."""


@dataclass(slots=True)
class Late:
    """By how many milliseconds messages were late, from one end to the other, in order."""

    acks: list[float] = field(default_factory=list)
    byes: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return "; ".join(_spread(name, late) for name, late in (("ACK", self.acks), ("BYE", self.byes)))

    def violations(self) -> Iterator[str]:
        """K-06: what took longer than it may."""
        for name, late in (("ACK", self.acks), ("BYE", self.byes)):
            if not late:
                yield f"K-06: no {name} came meanwhile"
            elif late[-1] > RELAYED_MS:
                over = sum(one > RELAYED_MS for one in late)
                yield f"K-06: {over} of {len(late)} {name} late by over {RELAYED_MS:g} ms, {late[-1]:.0f}"


def _spread(name: str, late: list[float]) -> str:
    if not late:
        return f"no {name}"
    middle, most = late[len(late) // 2], late[len(late) * 99 // 100]
    return f"{len(late)} {name} in {middle:.1f} ms, p99 {most:.1f}, at most {late[-1]:.1f}"


def locked(directory: Path, seed: int, seconds: float) -> tuple[Late, Late, list[str]]:
    """K-06: locked for so long. How late messages were before, and meanwhile; the breaches of invariants."""
    with Stage(directory, seed=seed) as stage:
        stage.start()
        stage.network.load(CALLS_PER_SECOND)
        eventually("calls are up", lambda: stage.daemon.status()["live_calls"] > 5, 30)
        open_at = time.time()
        time.sleep(seconds / 2)
        with closing(sqlite3.connect(stage.daemon.database, isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN EXCLUSIVE")
            start = time.time()
            time.sleep(seconds)
            end = time.time()
            other.execute("ROLLBACK")
        stage.settle()
        seen = stage.seen()
        return _late(seen, open_at, start), _late(seen, start, end), stage.verdict()


def _late(seen: Ledger, start: float, end: float) -> Late:
    """Of what was sent from `start` to `end`."""
    late = Late()
    for call_id, near in seen.near.items():
        far = seen.far.get(call_id)
        if far is None or near.answered_at is None:
            continue
        for told, one, other in (
            (late.acks, near.acked_at, far.acked_at),
            (late.byes, near.bye_at, far.bye_at),
        ):
            if one is not None and other is not None and start < min(one, other) < end:
                told.append(abs(one - other) * 1_000)
    late.acks.sort()
    late.byes.sort()
    return late


class Ext4:
    """A file system of its own in a file. Raises PermissionError where none may be mounted."""

    def __init__(self, image: Path, at: Path) -> None:
        self._image, self.at = image, at
        with image.open("wb") as file:
            file.truncate(32 << 20)
        at.mkdir()
        self._mounted = False
        for line in (["mkfs.ext4", "-q", str(image)], self._mount()):
            if subprocess.run(line, capture_output=True).returncode:
                raise PermissionError("an ext4 file system can be made and mounted by root alone")
        self._mounted = True

    def sync(self) -> None:
        """Have everything on it that was written so far, synced by its writer or not."""
        subprocess.run(["sync", "-f", str(self.at)], check=True)

    def fail(self) -> None:
        """As if the disk had been pulled out: every access fails from now on, also to open files."""
        shutdown, at_once = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH of linux/ext4.h
        place = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(place, shutdown, struct.pack("I", at_once))
        finally:
            os.close(place)

    def repair(self) -> None:
        """Mount it anew, when nobody uses it any more; what was durable is there."""
        subprocess.run(["umount", str(self.at)], check=True)
        # 1: errors were corrected, such as that mark.
        assert subprocess.run(["e2fsck", "-p", str(self._image)], capture_output=True).returncode in (0, 1)
        subprocess.run(self._mount(), check=True)

    def close(self) -> None:
        """Unmount it."""
        if self._mounted:
            subprocess.run(["umount", "-l", str(self.at)], check=True)

    def _mount(self) -> list[str]:
        return ["mount", "-o", "loop", str(self._image), str(self.at)]


@contextmanager
def read_only(pid: int) -> Iterator[None]:
    """Whatever this process writes to files fails with EROFS meanwhile: a disk that was remounted."""
    calls = ",".join(("pwrite64", "pwritev", "pwritev2", "fdatasync", "fsync", "ftruncate", "fallocate"))
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:error=EROFS")
    line = ["strace", "-f", "-q", "-p", str(pid), *inject]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        drain = threading.Thread(target=tracer.stderr.read)
        threads = len(os.listdir(f"/proc/{pid}/task"))
        eventually("strace is attached", lambda: _traced(pid) >= threads, 10)
        drain.start()
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            drain.join()


def _traced(pid: int) -> int:
    """Threads of a process that somebody traces."""
    stats = (task / "status" for task in Path(f"/proc/{pid}/task").iterdir())
    return sum("TracerPid:\t0\n" not in stat.read_text() for stat in stats)
