"""The segments of the log: groups appended to them, and a new one where one is full or failed.

As long as a segment is in order and has room, the engine's thread appends (engine/src/redo/appender.rs), and
what is here is told how far it came. `append` is for everything else.

Segments are filled with zeros before they are used: a write into blocks that the file has already costs one
write of the disk, where one that makes the file longer waits for the file system's own journal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from sipguard.store.batch import Record
from sipguard.store.redo import frame, record
from sipguard.store.redo.files import Files
from sipguard.store.redo.frame import FRAME_OVERHEAD, HEADER_BYTES, Header
from sipguard.store.redo.unapplied import Group, Unapplied

SEGMENT_BYTES = 8 * 1024 * 1024
"""About a second of a full load: large enough to be changed rarely, small enough to be filled in time."""

_SLICE = bytes(256 * 1024)
"""Zeros are written in pieces, so that a group which becomes due meanwhile does not wait for all of them."""

_HURRIED_BYTES = 4 * len(_SLICE)
"""Size of a segment that is wanted before one is ready: made while somebody waits."""


class Place(NamedTuple):
    """Where a group goes."""

    path: Path
    sequence: int
    """Of the group."""
    end: int
    """Offset at which it begins."""
    limit: int
    """Size of the segment."""
    seed: int
    """With what the CRC of a frame begins."""


class RedoLog:
    """One log, of one run. `append` and what goes with it belong to one thread, `applied` and `prepare` to
    one other."""

    def __init__(
        self, files: Files, header: Header, unapplied: Unapplied, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """`header`: of replay.begin. `unapplied`: what a new segment has to hold again after a failure."""
        self._files = files
        self._header = header
        self._unapplied = unapplied
        self._segment_bytes = max(segment_bytes, HEADER_BYTES)
        self._sequence = header.first_sequence  # of the next group
        self._number = header.number

        self._descriptor: int | None = None
        self._path: Path | None = None
        self._end = self._limit = self._seed = 0

        self._lock = Lock()
        self._full: list[tuple[int, Path]] = []
        """Segments that are not written to any more, with the sequence of their last group."""
        self._spare: int | None = None

    def open(self) -> None:
        """Make the first segment. Raises OSError; the next `append` tries again then."""
        self._begin(())

    def append(self, records: list[Record]) -> Group:
        """Make `records` durable as one group; the group as it is to be applied. On OSError call again.

        A failed fdatasync leaves pages behind that count as clean and never reach the disk. So after any
        failure the segment is given up, and a new one begins with everything that the database lacks.
        """
        payload, records = record.encode(records)
        if self._descriptor is None or os.fstat(self._descriptor).st_nlink == 0:
            self._give_up()
            self._begin(self._unapplied.groups(), anew=True)
        size = FRAME_OVERHEAD + len(payload)
        if self._end > HEADER_BYTES and self._end + size > self._limit:
            self._begin(())
        assert self._descriptor is not None
        try:
            _write(self._descriptor, frame.pack(self._sequence, payload, self._seed), self._end)
            os.fdatasync(self._descriptor)
        except OSError:
            self._give_up()
            raise
        self._end += size
        self._sequence += 1
        return Group(self._sequence - 1, records, size)

    def place(self) -> Place | None:
        """Where the next group goes, for somebody else to append it; None: that takes an `append`."""
        if self._descriptor is None or self._path is None:
            return None
        return Place(self._path, self._sequence, self._end, self._limit, self._seed)

    def appended(self, sequence: int, end: int) -> None:
        """Somebody else has appended every group before `sequence`, up to `end`."""
        self._sequence, self._end = sequence, end

    def give_up(self) -> None:
        """Somebody else has failed to append: nothing is written to the present segment any more."""
        self._give_up()

    def applied(self, sequence: int) -> None:
        """The database holds everything up to `sequence`: what is full and no longer needed is removed."""
        with self._lock:
            done = [path for last, path in self._full if last <= sequence]
            self._full = [one for one in self._full if one[0] > sequence]
        for path in done:
            with suppress(OSError):  # what stays behind is left out, and removed at the next start
                path.unlink()

    def prepare(self, end: int | None = None) -> None:
        """Have the next segment ready once this one is half full. A disk without room is no failure yet.

        `end`: how far somebody else has come in it."""
        if self._spare is not None or (self._end if end is None else end) * 2 < self._limit:
            return
        path = self._files.spare
        try:
            descriptor = _create(path)
            try:
                _fill(descriptor, self._segment_bytes)
            except OSError:
                os.close(descriptor)
                path.unlink()
                raise
        except OSError:
            return
        with self._lock:
            self._spare = descriptor

    def close(self, *, remove: bool) -> None:
        """Let go of the files; `remove`: the database holds everything. Both threads have ended."""
        self._give_up()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        with suppress(OSError):
            self._files.clear()
            if remove:
                for _, path in self._full:
                    path.unlink(missing_ok=True)

    def _begin(self, groups: Sequence[Group], *, anew: bool = False) -> None:
        """Go on in a new segment, which begins with `groups`; `anew`: all that the database lacks is in
        these, and no earlier segment will be asked for it."""
        self._number += 1
        header = replace(
            self._header,
            number=self._number,
            first_sequence=groups[0].sequence if groups else self._sequence,
            created_ms=time.time_ns() // 1_000_000,
        )
        packed = frame.pack_header(header)
        seed = frame.seed(packed)
        again = b"".join(
            frame.pack(one.sequence, record.encode(list(one.records))[0], seed) for one in groups
        )
        path = self._files.segment(self._number)
        descriptor, limit = self._new()
        try:
            _write(descriptor, packed + again, 0)
            os.fdatasync(descriptor)
            os.rename(self._files.unready, path)
            self._files.sync()
        except OSError:
            os.close(descriptor)
            for left in (self._files.unready, path):
                with suppress(OSError):
                    left.unlink()
            raise
        self._give_up()
        if anew:
            self.applied(self._sequence)
        self._descriptor, self._path = descriptor, path
        self._end, self._limit, self._seed = len(packed) + len(again), limit, seed

    def _new(self) -> tuple[int, int]:
        """A segment of zeros, under the name of one that is being made; its descriptor and its size."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            try:
                os.rename(self._files.spare, self._files.unready)
            except OSError:  # somebody removed it
                os.close(spare)
            else:
                return spare, self._segment_bytes
        descriptor = _create(self._files.unready)
        try:
            size = min(_HURRIED_BYTES, self._segment_bytes)
            _write(descriptor, bytes(size), 0)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor, size

    def _give_up(self) -> None:
        """Write no more to the present segment."""
        if self._descriptor is None or self._path is None:
            return
        with suppress(OSError):
            os.close(self._descriptor)
        with self._lock:
            self._full.append((self._sequence - 1, self._path))
        self._descriptor = self._path = None


def _create(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)


def _fill(descriptor: int, size: int) -> None:
    for at in range(0, size, len(_SLICE)):
        _write(descriptor, _SLICE[: size - at], at)
        os.fdatasync(descriptor)


def _write(descriptor: int, data: bytes, at: int) -> None:
    done = os.pwrite(descriptor, data, at)
    while done < len(data):  # interrupted, or the disk ran full in the middle: then the next one says so
        done += os.pwrite(descriptor, data[done:], at + done)
