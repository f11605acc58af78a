"""Somebody who posts payments all the time, in a process that can be killed like any other.

It says what it is about to post before it does and that it was acknowledged after, one line each; whatever
it is killed in between must be there whole or not at all.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.faults.network import Recorder

MICROS = 1_000


class Manager:
    """The process, and what it said, in the ledger."""

    def __init__(self, database: Path, recorder: Recorder, accounts: Sequence[str]) -> None:
        self._database, self._recorder, self._accounts = database, recorder, accounts
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._runs = count()

    def start(self, per_second: float) -> None:
        """Post at this rate until stopped or killed."""
        line = [sys.executable, "-m", "tests.faults.manager", str(self._database), f"{per_second:g}"]
        self._process = process = subprocess.Popen(
            [*line, f"run-{next(self._runs)}", *self._accounts],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """kill -9; nothing where it does not run."""
        self._end(kill=True)

    def stop(self) -> None:
        """Let it finish what it is doing."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        if self._process is None or self._reader is None:
            return
        (self._process.kill if kill else self._process.terminate)()
        self._process.wait(30)
        self._reader.join()
        self._process = None

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                if line.endswith("\n"):
                    self._recorder.note(**json.loads(line))


async def post(database: Path, per_second: float, run: str, accounts: Sequence[str]) -> None:
    """Post until SIGTERM."""
    import signal

    from sipguard.model.ledger import Entry, LedgerKind, Posting
    from sipguard.store import account, ledger
    from sipguard.store.database import open as open_database

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    opened = open_database(database)
    async with opened.reading() as conn:
        cash = await ledger.of_house(conn, LedgerKind.CASH)
        found = [await account.by_id(conn, name) for name in accounts]
    due = time.monotonic()
    for number in count():
        if stop.is_set():
            break
        to = found[number % len(found)]
        assert to is not None
        key = f"{run}-{number}"
        told = {"write": key, "account": to.id, "micros": MICROS}
        print(json.dumps({**told, "done": False}), flush=True)
        entry = Entry(
            f"payment:{key}",
            "payment",
            time.time_ns() // 1_000_000,
            (Posting(cash, -MICROS), Posting(to.balance_ledger, MICROS)),
        )
        try:
            async with opened.writing() as conn:
                await ledger.post(conn, entry, "manager")
        except Exception as error:  # a locked or full disk: not acknowledged, so nothing is promised
            print(error, file=sys.stderr)
        else:
            print(json.dumps({**told, "done": True}), flush=True)
        # What is late is made up for, but never without a pause in which others get at the database.
        due = max(due + 1 / per_second, time.monotonic() + 0.5 / per_second)
        await asyncio.sleep(due - time.monotonic())
    await opened.close()


if __name__ == "__main__":
    asyncio.run(post(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:]))
