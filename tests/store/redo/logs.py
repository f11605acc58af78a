"""A redo log in the hands of a test: what a proxy's two threads do, one step after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sipguard.store.batch import Outcome, Record
from sipguard.store.redo import record, replay
from sipguard.store.redo.appender import Appender
from sipguard.store.redo.applier import Applier, Pace
from sipguard.store.redo.files import Files
from sipguard.store.redo.frame import FRAME_OVERHEAD, HEADER_BYTES
from sipguard.store.redo.log import RedoLog
from sipguard.store.redo.unapplied import Group, Unapplied
from tests.store import books

CALL_BYTES = FRAME_OVERHEAD + len(record.encode([books.closed(0)])[0])
"""Size of a group of one closed call."""

TWO_CALLS = HEADER_BYTES + 2 * CALL_BYTES + CALL_BYTES // 2
"""Size of a segment that takes two such groups."""


class Log:
    """One run of the proxy on `path`."""

    def __init__(self, path: Path, *, directory: Path | None = None, segment_bytes: int = 1 << 20) -> None:
        self.files = Files(path, directory)
        header = replay.begin(path, "proxy", directory)
        self.appender = Appender(None, 0, 1_000)
        self.unapplied = Unapplied(self.appender)
        self.redo = RedoLog(self.files, header, self.unapplied, segment_bytes)
        self.applier = Applier(
            path,
            self.redo,
            header.log_id,
            "proxy",
            self.unapplied,
            Pace(),
            on_applied=self._applied,
            on_failed=lambda gone: None,
        )
        self.outcome = Outcome()

    def append(self, *records: Record) -> None:
        """Make one group durable."""
        group = self.redo.append(list(records))
        self.unapplied.submit(group.records)
        self.appender.appended(len(group.records), group.sequence, group.size)

    def apply(self, groups: int = 1_000_000) -> None:
        """Bring the first `groups` into the database, in one transaction."""
        some = self.unapplied.groups()[:groups]
        if some:
            self.applier.step(some)

    def crash(self) -> None:
        """Everything in memory is lost; the files stay as they are."""
        self.applier.stop()
        self.applier.run()  # lets go of the database
        self.redo.close(remove=False)
        self.appender.close()

    def segments(self) -> list[Path]:
        return self.files.segments()

    def _applied(self, groups: Sequence[Group], outcome: Outcome) -> None:
        self.outcome.duplicates += outcome.duplicates
        self.outcome.rejected += outcome.rejected
