"""Where the segments lie and what they are called: NAME-redo-NUMBER beside the database NAME."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path


class Files:
    """The files of the redo log of one database."""

    def __init__(self, database: Path, directory: Path | None = None) -> None:
        """`directory`: None means that of the database."""
        self.directory = directory or database.parent
        self._stem = f"{database.name}-redo-"
        self._pattern = re.compile(rf"{re.escape(self._stem)}(\d{{16}})")

    def segment(self, number: int) -> Path:
        """Of a segment that is complete: header and all."""
        return self.directory / f"{self._stem}{number:016}"

    @property
    def unready(self) -> Path:
        """Of a segment that is being made."""
        return self.directory / f"{self._stem}new"

    @property
    def spare(self) -> Path:
        """Of the one that is filled with zeros ahead of its use."""
        return self.directory / f"{self._stem}spare"

    def segments(self) -> list[Path]:
        """Those that there are, the oldest first. Raises OSError where the directory cannot be read."""
        names = [name for name in os.listdir(self.directory) if self._pattern.fullmatch(name)]
        return [self.directory / name for name in sorted(names)]

    def number(self, segment: Path) -> int:
        """Of a path that `segments` gave."""
        return int(segment.name.removeprefix(self._stem))

    def clear(self) -> None:
        """Remove what is unfinished, for a new log to begin."""
        for path in (self.unready, self.spare):
            with suppress(FileNotFoundError):
                path.unlink()

    def sync(self) -> None:
        """Have the names survive a loss of power: a file that is durable under no name is lost."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
