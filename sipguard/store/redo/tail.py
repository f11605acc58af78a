"""Reading a log: what its segments hold beyond a position, or why they cannot be trusted.

A write that was cut short leaves a torn end; nobody was told that it is durable, and it is left out.
Everything else that is not as it was written is refused, because something acknowledged would be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sipguard.store.database import StoreError
from sipguard.store.redo.files import Files
from sipguard.store.redo.frame import DamagedError, Frame, Header, Scan, unpack_header
from sipguard.store.redo.position import Position


class RedoError(StoreError):
    """The log cannot be applied; the text names file and offset, and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one segment adds."""

    path: Path
    header: Header
    frames: list[Frame]


@dataclass(slots=True)
class Tail:
    """What the database lacks, in order."""

    parts: list[Part] = field(default_factory=list)
    torn: tuple[Path, int] | None = None
    """File and offset of a write that was cut short."""

    @property
    def groups(self) -> int:
        return sum(len(part.frames) for part in self.parts)


def read(files: Files, position: Position) -> Tail:
    """Everything after `position`. Raises RedoError."""
    tail = Tail()
    try:
        segments = [(path, _header(files, path, position)) for path in files.segments()]
    except OSError as error:
        raise RedoError(f"{files.directory}: the redo log cannot be read: {error.strerror}") from error
    wanted = position.sequence + 1
    for index, (path, header) in enumerate(segments):
        # What the next segment holds counts there: after a failed write it holds everything once more.
        end = segments[index + 1][1].first_sequence if index + 1 < len(segments) else None
        if end is not None and end <= wanted:
            continue
        if header.first_sequence > wanted:
            raise _gap(path, header.first_sequence, wanted)
        scan = _scan(path, header)
        frames = [
            one for one in scan.frames if one.sequence >= wanted and (end is None or one.sequence < end)
        ]
        wanted += len(frames)
        if end is None:
            if scan.damaged:
                raise _error(path, scan.end, f"group {wanted} is damaged, and whole ones follow")
            if scan.torn:
                tail.torn = (path, scan.end)
        elif wanted < end:
            raise _error(path, scan.end, f"group {wanted} is missing or damaged, and group {end} follows")
        tail.parts.append(Part(path, header, frames))
    return tail


def _header(files: Files, path: Path, position: Position) -> Header:
    with path.open("rb") as file:
        try:
            header = unpack_header(file.read(512))
        except DamagedError as error:
            raise _error(path, error.offset, str(error)) from error
    if header.database_id != position.database_id:
        raise _error(path, 0, "this redo log belongs to another database")
    if header.log_id != position.log_id:
        raise _error(
            path,
            0,
            "this redo log was not written for the database as it is now: one of the two is from a backup or"
            " a copy. If it is the database, move the files of the log away; it lacks what only they hold",
        )
    if header.number != files.number(path):
        raise _error(path, 0, f"this is segment {header.number} under the name of another")
    return header


def _scan(path: Path, header: Header) -> Scan:
    try:
        return Scan(path.read_bytes(), header)
    except DamagedError as error:
        raise _error(path, error.offset, str(error)) from error
    except OSError as error:
        raise RedoError(f"{path}: cannot be read: {error.strerror}") from error


def _gap(path: Path, first: int, wanted: int) -> RedoError:
    return _error(
        path,
        0,
        f"this segment begins with group {first}, the database needs group {wanted} first: a segment is"
        " missing, or the database is older than the log, as from a backup",
    )


def _error(path: Path, offset: int, what: str) -> RedoError:
    return RedoError(f"{path}: at byte {offset}: {what}")
