"""A process that writes calls until it is killed; run by test_crash.

python -m tests.store.killed PATH stream FIRST     writes calls one after the other, prints each when done
python -m tests.store.killed PATH statement N      kills itself right before the Nth statement of a batch
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from sipguard.store.batch import BatchWriter, CallAnswered, Record
from sipguard.store.writer import Writer
from tests.store import books


def batch(first: int) -> list[Record]:
    """Two calls answered, one of them ended, one refused."""
    told = [CallAnswered(books.EPOCH + number, 2_000, b"dialog", b"state") for number in (first, first + 1)]
    return [*told, books.closed(first), books.refused(first + 2)]


async def stream(path: Path, first: int) -> None:
    writer = Writer(path, asyncio.get_running_loop(), window_ms=0)
    number = first
    while True:
        record = books.closed(number)
        writer.submit(record, lambda number=number: os.write(1, b"%d\n" % number))
        number += 1
        await asyncio.sleep(0)
        if writer.backlog > 50:
            await writer.drain()


def statements(template: Path) -> None:
    """For N = 1, 2, ...: a copy of the template, and a fork that writes to it until it comes to the Nth."""
    for number in range(1, 1_000):
        path = template.with_name(f"{number:03}.db")
        path.write_bytes(template.read_bytes())
        child = os.fork()
        if child == 0:
            statement(path, number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), path, flush=True)
        if status == 0:
            return


def statement(path: Path, last: int) -> None:
    seen = 0

    def count(_sql: str) -> None:
        nonlocal seen
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

    with books.connect(path) as connection:
        connection.set_trace_callback(count)
        BatchWriter(connection, "proxy").write(batch(10))


if __name__ == "__main__":
    mode, file = sys.argv[1], Path(sys.argv[2])
    if mode == "stream":
        asyncio.run(stream(file, int(sys.argv[3])))
    else:
        statements(file)
