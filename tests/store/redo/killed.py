"""A process that dies right before the Nth thing that it asks of the disk or the database; run by test_kill.

python -m tests.store.redo.killed TEMPLATE FOLDER     for N = 1, 2, ... until a child lives to the end

Each child has a copy of TEMPLATE as FOLDER/N/sipguard.db, and notes the calls that are durable in
FOLDER/N/acknowledged.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sipguard.store.redo import replay
from tests.store import books
from tests.store.redo.logs import TWO_CALLS, Log

CALLS = 4


def main(template: Path, folder: Path) -> None:
    for number in range(1, 1_000):
        path = folder / f"{number:03}" / "sipguard.db"
        path.parent.mkdir()
        shutil.copy(template, path)
        child = os.fork()
        if child == 0:
            _live(path, number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), path, flush=True)
        if status == 0:
            return


def _live(path: Path, last: int) -> None:
    """A run that was cut short, and the next one, from its replay to a removed log."""
    acknowledged = os.open(path.with_name("acknowledged"), os.O_WRONLY | os.O_CREAT)
    left = last
    pwrite = os.pwrite

    def due() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(name: str) -> None:
        done: Callable[..., Any] = getattr(os, name)

        def wrapped(*arguments: Any) -> Any:
            due()
            return done(*arguments)

        setattr(os, name, wrapped)

    def in_the_middle(descriptor: int, data: bytes, at: int) -> int:
        due()
        if left == 1 and len(data) > 1:  # the next thing is the last: this one is done by half
            pwrite(descriptor, data[: len(data) // 2], at)
            due()
        return pwrite(descriptor, data, at)

    for name in ("fdatasync", "fsync", "rename", "unlink"):
        before(name)
    os.pwrite = in_the_middle  # type: ignore[assignment]

    replay.replay(path)
    log = Log(path, segment_bytes=TWO_CALLS)
    for number in range(CALLS):
        log.append(books.closed(number))
        os.write(acknowledged, b"%d\n" % number)
        if number == 1:
            due()
            log.apply()
        log.redo.prepare()
    log.crash()
    replay.replay(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
