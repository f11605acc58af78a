"""What a proxy with a million accounts needs, and how soon it follows a change.

    python -m benchmarks.capacity [--scale 1] [--site DIRECTORY] [--live 20000] [--changes 20]

The database is built in the site (capacity_data.py; minutes, and kept), and loaded as the daemon does it.
Then: what the parts take; what a decision costs at five levels, beside a trade of a thousand accounts; how
long after the commit of a change the first call is judged by it, and the longest time for which the loop did
nothing else; the same for a reading of everything; what a live call takes, through the real engine.

Decisions are timed by the CPU time of the thread: what else runs on the machine is not in it, but for the
caches. All else is by the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from statistics import median

import uvloop

from benchmarks import capacity_data
from benchmarks.capacity_data import Shape
from benchmarks.policy import COUNTRY_CODES
from sipguard.calls.exchange import Exchange
from sipguard.calls.follow import Follower
from sipguard.model.call import Attempt
from sipguard.model.configuration import Settings
from sipguard.model.verdict import Permit
from sipguard.policy.balances import Balances
from sipguard.policy.decide import Moment, decide
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from sipguard.policy.pace import Pace
from sipguard.store import configuration, database, ledger
from sipguard.store.database import Database
from tests.calls.desk import Desk
from tests.policy.world import Calls, World

SETTINGS = Settings(
    slice_seconds=60,
    free_levels=False,
    emergency_numbers=frozenset(),
    emergency_gateway_ids=(),
    leading_zero_countries=frozenset(),
)
DECISIONS = 50_000
MIB = 1 << 20


def main() -> None:
    """Measure everything, print it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--scale", type=float, default=1.0, help="1: a million accounts; 0.1: a tenth")
    parser.add_argument("--site", type=Path, default=Path("/var/tmp/sipguard-capacity"))
    parser.add_argument("--live", type=int, default=20_000, help="live calls that are set up")
    parser.add_argument("--changes", type=int, default=20, help="changes of each kind")
    chosen = parser.parse_args()
    chosen.site.mkdir(parents=True, exist_ok=True)
    large, small = capacity_data.shape(chosen.scale), capacity_data.shape(0.001)
    paths = [chosen.site / f"{name}.db" for name in (f"{chosen.scale:g}", "0.001")]
    for path, told in zip(paths, (large, small), strict=True):
        capacity_data.build(path, told)
    sys.setswitchinterval(0.0005)  # as the daemon has it
    per_call = live_calls(chosen.live)
    small_store, store = Database(paths[1]), Database(paths[0])
    few, _, _ = load(small_store)
    before = decisions(few, Funds(), small)
    directory, balances, cost = load(store)
    gc.freeze()
    told_load(large, directory, cost)
    after = decisions(directory, Funds(balances), large)
    for told, (half, most, _, _) in ((large, after), (small, before)):
        print(f"decide(), five levels, {told.accounts:,} accounts: us of CPU p50 {half:.1f}, p99 {most:.1f}")
    print(f"decide(), ratio: p50 {after[0] / before[0]:.2f}, p99 {after[1] / before[1]:.2f}")
    print(f"decide(), first call of an account: p50 {after[2]:.1f}, p99 {after[3]:.1f}")
    print(f"a live call, of {chosen.live:,}: {per_call:,.0f} bytes; 100,000: {per_call * 1e5 / MIB:,.0f} MiB")
    uvloop.run(changes(store, directory, Funds(balances), chosen.changes))


def load(store: Database) -> tuple[Directory, Balances, dict[str, float]]:
    """As the daemon starts; what it took."""
    gc.collect()
    gc.disable()
    rss = _rss()
    began, cpu = time.perf_counter(), time.process_time()
    with store.snapshot() as conn:
        directory = Directory.build(configuration.read(conn), SETTINGS)
        indexed = _rss()
        balances = Balances(ledger.read_balances(conn))
    cost = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "directory": indexed - rss,
        "balances": _rss() - indexed,
    }
    gc.enable()
    return directory, balances, cost


def told_load(told: Shape, directory: Directory, cost: dict[str, float]) -> None:
    """Print what the parts take."""
    rates, sections = directory.rates.heap_bytes(), directory.sections.heap_bytes()
    count = len(directory.rates)
    packed = sum(
        sys.getsizeof(page) + sum(sys.getsizeof(row) for row in page if row is not None)
        for page in directory.accounts.parts()
        if isinstance(page, tuple)
    )
    print(f"{told.accounts:,} accounts, {count:,} rates, {len(directory.sections):,} sections")
    print(f"load: {cost['seconds']:.1f} s, {cost['cpu']:.1f} s of CPU")
    each = rates / count
    print(f"rates: {rates / MIB:.0f} MiB, {each:.1f} bytes each; 10,000,000: {each * 10:.0f} MB")
    print(f"sections: {sections / MIB:.0f} MiB; accounts: {packed / MIB:.0f} MiB")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"resident: directory {cost['directory'] / MIB:.0f} MiB, balances {cost['balances'] / MIB:.0f} MiB,"
        f" all {_rss() / MIB:.0f} MiB, at most {most:.0f} MiB"
    )


def decisions(directory: Directory, funds: Funds, told: Shape) -> tuple[float, float, float, float]:
    """Microseconds of a decision: p50 and p99, and of the first one of each account."""
    chance = random.Random(1)
    listed = capacity_data.prefixes(told.rates_of_table)
    counts, pace, now = Calls(), Pace(), Moment(time.time_ns() // 1_000_000, time.monotonic_ns())

    def one(trunk: int) -> int:
        # No 0 or 1 behind a country code, which is no number (policy/number.py), and nothing that is blocked.
        prefix = chance.choice(listed)
        while not _is_dialled(prefix):
            prefix = chance.choice(listed)
        called = (prefix + "23456789")[:12]
        attempt = Attempt(capacity_data.source(trunk), 5060, called, "442079461111", f"{called}-{trunk}")
        began = time.thread_time_ns()
        verdict = decide(attempt, directory, funds, counts, pace, now)
        took = time.thread_time_ns() - began
        assert isinstance(verdict, Permit), verdict
        assert len(verdict.levels) == len(told.levels)
        return took

    first = sorted(one(trunk) for trunk in range(told.mapping_gateways))
    for _ in range(DECISIONS // 5):
        one(chance.randrange(told.mapping_gateways))
    times = sorted(one(chance.randrange(told.mapping_gateways)) for _ in range(DECISIONS))
    return (*_percentiles(times), *_percentiles(first))


@cache
def _is_dialled(prefix: str) -> bool:
    code = next(prefix[:length] for length in (3, 2, 1) if prefix[:length] in COUNTRY_CODES)
    return prefix[len(code) : len(code) + 1] not in ("0", "1") and not code.startswith("88")


def _percentiles(times: list[int]) -> tuple[float, float]:
    return times[len(times) // 2] / 1000, times[len(times) * 99 // 100] / 1000


async def changes(store: Database, directory: Directory, funds: Funds, count: int) -> None:
    """Print how soon changes of each kind count, and for how long they stop the loop."""
    desk = Desk(World())
    exchange = desk.exchange
    exchange.directory, exchange.funds = directory, funds
    exchange.gateways.configure(directory.routing_gateways.values())
    follower = Follower(exchange, store, SETTINGS, directory.revision)
    following = asyncio.create_task(follower.run())
    watch = Watch(exchange)
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(1)
    print(f"largest gap of the loop in a second without a change: {watch.largest() * 1e3:.1f} ms")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        database.configure(connection)
        for name, there, back, seen in _kinds(exchange):
            delays, gaps = [], []
            for _ in range(count):
                for statement, wanted in ((there, True), (back, False)):
                    watch.largest()
                    delays.append(await _until(connection, statement, partial(_is, seen, wanted)))
                    await asyncio.sleep(0.05)
                    gaps.append(watch.largest())
            print(
                f"{name}: first call judged by it after {median(delays) * 1e3:.0f} ms, at most"
                f" {max(delays) * 1e3:.0f}; gap of the loop {median(gaps) * 1e3:.1f} ms,"
                f" at most {max(gaps) * 1e3:.1f}"
            )
        before = exchange.directory
        watch.largest()
        everything = "INSERT INTO change (at_ms, noun, action, id) VALUES (0, 'configuration', 'load', 'all')"
        took = await _until(connection, everything, lambda: exchange.directory is not before)
        await asyncio.sleep(2)
        gap = watch.largest() * 1e3
        print(f"everything read anew: {took:.1f} s beside the loop, gap of the loop {gap:.1f} ms")
    for task in (following, watching):
        task.cancel()
    await asyncio.gather(following, watching, return_exceptions=True)


def _is(seen: Callable[[], bool], wanted: bool) -> bool:
    return seen() is wanted


def _kinds(exchange: Exchange) -> Iterator[tuple[str, str, str, Callable[[], bool]]]:
    """What is changed, by which statement there and back, and how a call tells."""
    source = capacity_data.source(0)
    gateway = exchange.directory.sources.find(source)
    assert gateway is not None
    chain = [account.key for account in exchange.directory.chain(gateway.account_key).accounts]
    agent, top, caller = chain[-2], chain[-1], chain[0]
    called = "442345678901"

    def refused() -> bool:
        attempt = Attempt(source, 5060, called, "442079461111", "c")
        now = Moment(time.time_ns() // 1_000_000, time.monotonic_ns())
        verdict = decide(attempt, exchange.directory, exchange.funds, Calls(), Pace(), now)
        return not isinstance(verdict, Permit)

    section = f"account_key = {agent} AND direction = 'called' AND action = 'block' AND prefix = '4423456'"
    table = exchange.directory.accounts[caller].rate_table_key
    assert table is not None
    yield (
        "a section of an agent",
        "INSERT INTO section (account_key, direction, action, prefix)"
        f" VALUES ({agent}, 'called', 'block', '4423456')",
        f"DELETE FROM section WHERE {section}",
        refused,
    )
    for name, column, value, back in (
        ("the lock of a top account", "locked", 1, 0),
        ("the credit limit of a top account", "credit_limit_micros", 0, 10**12),
    ):
        yield (
            name,
            f"UPDATE account SET {column} = {value} WHERE key = {top}",
            f"UPDATE account SET {column} = {back} WHERE key = {top}",
            refused,
        )
    yield (
        "a rate of 8,000 in a table",
        "INSERT INTO rate (table_key, prefix, destination, connect_fee_micros, initial_seconds, next_seconds,"
        f" rate_micros) VALUES ({table}, '4423456', '', {10**13}, 1, 1, 1)",
        f"UPDATE rate SET removed_ms = 1 WHERE table_key = {table} AND prefix = '4423456'"
        " AND removed_ms IS NULL",
        refused,
    )
    yield (
        "the lock of a mapping gateway",
        "UPDATE mapping_gateway SET locked = 1 WHERE key = 1",
        "UPDATE mapping_gateway SET locked = 0 WHERE key = 1",
        refused,
    )


async def _until(connection: sqlite3.Connection, statement: str, seen: Callable[[], bool]) -> float:
    """Commit a change; seconds until it is seen, looked at every millisecond."""
    await asyncio.to_thread(_commit, connection.execute("PRAGMA database_list").fetchone()[2], statement)
    began = time.perf_counter()
    while not seen():  # noqa: ASYNC110  (as a call would: there is no event to wait for)
        await asyncio.sleep(0.001)
    return time.perf_counter() - began


def _commit(path: str, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        database.configure(connection)
        connection.execute(statement)


class Watch:
    """A clock on the loop that ticks every millisecond."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._largest = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self._largest = max(self._largest, now - before - 0.001)
            before = now

    def largest(self) -> float:
        """The largest gap since the last question, in seconds."""
        largest, self._largest = self._largest, 0.0
        return largest


def live_calls(count: int) -> float:
    """Bytes that a live call takes: engine, policy, money and alarms together."""
    world = World()
    for account in world.accounts:
        world.change(account.key, credit_limit_micros=10**15)
    desk = Desk(world)
    gc.collect()
    gc.disable()
    before = _rss()
    for number in range(count):
        desk.now_ns += 1_000_000
        desk.invite(f"4420794{number % 100_000:05d}", ("127.0.0.2", 5060))
        desk.answer(desk.invited(), "200 OK", "Contact: <sip:b@192.0.2.1>")
        desk.acknowledge(("127.0.0.2", 5060))
        desk.sent()
        # What a desk keeps for tests, and a proxy on disk.
        desk._seen.clear()
        desk.ledger.answers.clear()
        desk.ledger.updates.clear()
    after = _rss()
    gc.enable()
    assert len(desk.exchange.current) == count, f"{len(desk.exchange.current)} calls are up"
    return (after - before) / count


def _rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
