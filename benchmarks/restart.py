"""How long a proxy with thousands of live calls is away when it is restarted.

    python -m benchmarks.restart [--calls 10000] [--starts 5] [--site DIRECTORY]

The calls are set up in this process by the real engine and the real steps of a call, and saved by the real
writer. Then the daemon is started and, when it is ready, killed, again and again on that database. Timed
from the making of the process to its line `daemon.ready`; the parts are those that the line itself tells, and
what is left of the whole is the interpreter and its imports. `--site`: made there and kept, to profile a
start with `python -X importtime` or cProfile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.procfs import cpu
from benchmarks.targets import ROOT
from sipguard.calls.clock import boot_id
from sipguard.model.configuration import Settings
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.store import configuration, database, instance, ledger
from sipguard.store.batch import CallAnswered
from sipguard.store.writer import Writer
from tests.calls.desk import Desk, S
from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually

# A chain of three with money enough.
DATA = ROOT / "tests" / "faults" / "data.toml"
CALLER, GATEWAY = 10, 100
TALKED_SECONDS = 50
"""The calls were answered at even steps until now: less than a slice, so that none is due at the start."""

SETTINGS = Settings(
    slice_seconds=60,
    free_levels=False,
    emergency_numbers=frozenset(),
    emergency_gateway_ids=(),
    leading_zero_countries=frozenset(),
)


@dataclass
class Books:
    """What a desk needs of a database (tests.policy.world.World)."""

    funds: Funds
    loaded: Directory

    def directory(self) -> Directory:
        return self.loaded


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restart", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--site", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sipguard-restart-") as name:
        loopback = Loopback()
        with Daemon(chosen.site or Path(name) / "site", loopback.host(1)) as daemon:
            daemon.init(DATA.read_text(), loopback)
            asyncio.run(save(daemon.database, chosen.calls, loopback))
            starts = [start(daemon, chosen.calls) for _ in range(chosen.starts)]
    print(f"{chosen.calls} live calls, {chosen.starts} starts: milliseconds, least / median / greatest")
    for part in starts[0]:
        values = sorted(one[part] for one in starts)
        print(f"  {part:<28} {values[0]:>7.0f} {median(values):>7.0f} {values[-1]:>7.0f}")


async def save(path: Path, calls: int, loopback: Loopback) -> None:
    """Have so many calls come and be answered, and the store keep them."""
    store = database.open(path)
    async with store.writing() as conn:
        epoch = await instance.next_epoch(conn)
    async with store.reading() as conn:
        directory = Directory.build(await configuration.load(conn), SETTINGS)
        books = Books(Funds(await ledger.balances(conn)), directory)
    await store.close()
    writer = Writer(path, asyncio.get_running_loop(), origin=f"proxy:{epoch}")
    for answer in answers(books, calls, loopback):
        writer.submit(answer)
    await writer.drain()
    left = await writer.close()
    assert left == 0, f"{left} records were not written"


def answers(books: Books, calls: int, loopback: Loopback) -> Iterator[CallAnswered]:
    """What the proxy has the store keep of each call."""
    desk = Desk(books)  # type: ignore[arg-type]  # it asks for these two only
    desk.boot = boot_id()
    desk.wall_ms = (time.time_ns() - time.monotonic_ns()) // 1_000_000
    began = time.monotonic_ns() - TALKED_SECONDS * S
    caller = (loopback.host(CALLER), 5060)
    for number in range(calls):
        desk.now_ns = began + number * TALKED_SECONDS * S // calls
        desk.invite("8801711000001", caller)
        desk.answer(desk.invited(), "200 OK", f"Contact: <sip:b@{loopback.host(GATEWAY)}>")
        desk.acknowledge(caller)
        desk.sent()
        yield desk.ledger.answers.pop()


def start(daemon: Daemon, calls: int) -> dict[str, float]:
    """One start and its parts, in milliseconds."""
    began = time.monotonic()
    daemon.spawn()
    eventually("ready", lambda: "daemon.ready" in daemon.output(), 60, every=0.002)
    whole = (time.monotonic() - began) * 1_000
    used = cpu([daemon.pid]).total_ns / 1_000_000
    (line,) = [line for line in daemon.output().splitlines() if "daemon.ready" in line]
    ready = json.loads(line)
    assert ready["calls_restored"] == calls, line
    daemon.kill()
    parts: dict[str, float] = ready["ms"]
    imports = whole - sum(parts.values())
    return {"until ready": whole, "CPU of it": used, "interpreter and imports": imports, **parts}


if __name__ == "__main__":
    main()
