"""The store alone under load: calls that are answered and end, from `submit` to durable and to the database.

    python -m benchmarks.settlement [--rate 500] [--seconds 10] [--window-ms 2] [--import-rates 300000]

Every call is two records, its answer and, a second later, its end: two paying levels, two gateways tried, an
entry of four postings. Prints the CPU of the process per call, less what the same generator costs with a
writer that does nothing; the time from `submit` to `done`, which is what a 2xx or a BYE waits; how far the
database was behind at the end, and how long it took to catch up. `--import-rates`: another process meanwhile
takes a price list of so many rows over, in one transaction, again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import uvloop

from benchmarks.group_commit import DIALOG, STATE
from sipguard.model.rate import Rate
from sipguard.store import database
from sipguard.store.rate_import import RateImport
from sipguard.store.writer import CallAnswered, Record, Writer
from tests.store import books

TALK_SECONDS = 1.0
TICK_SECONDS = 0.001


class Nothing:
    """A writer that is done at once: what the generator itself costs."""

    backlog = 0

    def submit(self, _: Record, done: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(done)

    async def drain(self) -> None:
        pass

    async def close(self) -> int:
        return 0


class Load:
    """The generator and what it saw."""

    def __init__(self, rate: int, seconds: float) -> None:
        self.calls = int(rate * seconds)
        self._rate = rate
        ends = [books.closed(number) for number in range(self.calls)]
        answers = [CallAnswered(one.cdr.call, 2_000, DIALOG, STATE) for one in ends]
        due = [(number / rate, answer) for number, answer in enumerate(answers)]
        due += [(number / rate + TALK_SECONDS, end) for number, end in enumerate(ends)]
        self._due: list[tuple[float, Record]] = sorted(due, key=lambda one: one[0])
        self.waits: list[float] = []
        self.backlog = 0
        self.catch_up_ms = 0.0

    async def run(self, writer: Writer | Nothing) -> None:
        clock, began, position = time.perf_counter, time.perf_counter(), 0
        while position < len(self._due):
            now = clock() - began
            while position < len(self._due) and self._due[position][0] <= now:
                submitted = clock()
                writer.submit(
                    self._due[position][1],
                    lambda submitted=submitted: self.waits.append(clock() - submitted),
                )
                position += 1
            await asyncio.sleep(TICK_SECONDS)
        self.backlog = writer.backlog
        ended = clock()
        await writer.drain()
        self.catch_up_ms = (clock() - ended) * 1_000


def cpu(load: Load, make: Callable[[], Writer | Nothing]) -> float:
    """CPU seconds of the process for the whole load, threads included."""

    async def main() -> float:
        sys.setswitchinterval(0.0005)  # as the daemon does
        writer = make()
        before = time.process_time()
        await load.run(writer)
        used = time.process_time() - before
        assert await writer.close() == 0
        return used

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def import_rates(path: Path, rows: int, stop: Event, tell: object) -> None:
    """Take a price list over, again and again, each time with other prices."""
    price = 1
    while not stop.is_set():
        price += 1
        listed = [(line, Rate(0, 1, f"{line:07}", "x", 0, 1, 1, price)) for line in range(1, rows + 1)]
        with RateImport(path, 1) as one:
            one.stage(listed)
            one.compare(keep=False)
            tell.put(one.take_over("retail"))  # type: ignore[attr-defined]


def percentile(sorted_values: list[float], part: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(part * len(sorted_values)))] * 1_000


async def make(path: Path) -> None:
    db = database.create(path)
    async with db.writing() as conn:
        await books.open_accounts(conn)
    await db.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=500, help="calls per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--window-ms", type=float, default=2.0)
    parser.add_argument("--import-rates", type=int, default=0, metavar="ROWS")
    chosen = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sipguard.db"
        asyncio.run(make(path))
        books.rows(path, "INSERT INTO rate_table (id, currency) VALUES ('retail', 'BDT')")
        idle = cpu(Load(chosen.rate, chosen.seconds), Nothing)
        stop, told = multiprocessing.Event(), multiprocessing.Queue()
        importer = multiprocessing.Process(
            target=import_rates, args=(path, chosen.import_rates, stop, told), daemon=True
        )
        if chosen.import_rates:
            importer.start()
            told.get()  # once, so that the next ones change what is there
        load = Load(chosen.rate, chosen.seconds)
        used = cpu(load, lambda: Writer(path, asyncio.get_running_loop(), window_ms=chosen.window_ms))
        stop.set()
        locked = []
        if chosen.import_rates:
            importer.join()
            while not told.empty():
                locked.append(told.get())
        waits = sorted(load.waits)
        print(
            f"{chosen.rate} calls/s for {chosen.seconds:g} s, window {chosen.window_ms:g} ms:"
            f" {(used - idle) / load.calls * 1e6:.0f} us of CPU per call;"
            f" durable after p50 {percentile(waits, 0.5):.1f}, p99 {percentile(waits, 0.99):.1f},"
            f" p99.9 {percentile(waits, 0.999):.1f}, at most {waits[-1] * 1_000:.1f} ms;"
            f" {load.backlog} records behind at the end, caught up in {load.catch_up_ms:.0f} ms"
        )
        if locked:
            print(f"imports held the write lock for {', '.join(f'{one:.2f}' for one in locked)} s")
        assert books.rows(path, "SELECT count(*) FROM cdr") == [(load.calls,)]


if __name__ == "__main__":
    main()
