"""How long finding call records takes as they become many: days of a million records each.

    python -m benchmarks.cdr_scale [days] [records per day] [folder]

Fills a database in a temporary folder (about 0.5 GB per million records), and after the first, some and
the last day measures what an operator asks: the best of five, in milliseconds, each on a connection of its
own. Then it drops the first day, and tells the longest that the writer had to wait for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.cdr import Outcome
from sipguard.store import batch, cdr, cdr_block, cdr_find, database
from sipguard.store.cdr_block import DAY_MS
from sipguard.store.cdr_find import Wanted
from tests.store import books

ACCOUNTS = 1_000
FIRST_DAY = 20_000  # 2024-10-04
Query = Callable[[AsyncConnection], Awaitable[Any]]


def call_id(number: int) -> str:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest() + "@192.0.2.1"


def day_of(day: int, records: int) -> Iterator[tuple[Any, ...]]:
    """The rows of one day: half of the attempts are answered."""
    chance = random.Random(day)
    answered = books.closed(1).cdr
    failed = msgspec.structs.replace(
        answered, outcome=Outcome.FAILED, status=503, levels=(), answered_ms=None
    )
    for nth in range(records):
        number = day * records + nth + 1
        ended_ms = (FIRST_DAY + day) * DAY_MS + nth * DAY_MS // records
        told = msgspec.structs.replace(
            answered if nth % 2 else failed,
            call=books.EPOCH + number,
            sip_call_id=call_id(number),
            account_id="seldom" if nth == 77 else f"account-{chance.randrange(ACCOUNTS)}",
            called=f"8801{chance.randrange(10**9):09}",
            invited_ms=ended_ms - chance.randrange(120_000),
            ended_ms=ended_ms,
        )
        yield number, *cdr.to_row(told)


def fill(path: Path, day: int, records: int) -> None:
    with books.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        rows = day_of(day, records)
        while some := list(itertools.islice(rows, 20_000)):
            connection.execute("BEGIN")
            connection.executemany(batch._INSERT_CDR, some)
            connection.execute("COMMIT")
    cdr_block.tidy(path, None, lambda: True)


def queries(day: int, records: int) -> dict[str, Query]:
    """What is asked when `day` is the newest: of today, and of the first day."""
    first = (FIRST_DAY * DAY_MS, (FIRST_DAY + 1) * DAY_MS)

    def newest(**wanted: Any) -> Query:
        return lambda conn: cdr_find.newest(conn, Wanted(**wanted), limit=20)

    return {
        "newest 20": newest(),
        "20 of one account": newest(account_ids=("account-7",)),
        "all of one that calls once a day": newest(account_ids=("seldom",)),
        "none of one that never calls": newest(account_ids=("nobody",)),
        "20 of the first day": newest(from_ms=first[0], till_ms=first[1]),
        "20 called numbers of the first day": newest(from_ms=first[0], till_ms=first[1], called="88017"),
        "by our call id, first day": lambda conn: cdr.by_call(conn, books.EPOCH + 4711),
        "by Call-ID, first day": newest(sip_call_id=call_id(4711)),
        "by Call-ID, today": newest(sip_call_id=call_id((day + 1) * records - 5)),
        "no such Call-ID": newest(sip_call_id="nobody"),
        "first page of today's export": lambda conn: cdr_find.after(
            conn, Wanted(from_ms=(FIRST_DAY + day) * DAY_MS), 0
        ),
    }


def measure(path: Path, query: Query) -> float:
    async def once() -> float:
        opened = database.open(path)
        try:
            async with opened.reading() as conn:
                before = time.perf_counter()
                await query(conn)
                return time.perf_counter() - before
        finally:
            await opened.close()

    return min(asyncio.run(once()) for _ in range(5)) * 1e3


def drop_first_day(path: Path) -> str:
    """Drop it as the daemon does; how long, and the longest transaction."""
    waits: list[float] = []
    begun = time.perf_counter()
    last = begun

    def go_on() -> bool:
        nonlocal last
        now = time.perf_counter()
        waits.append(now - last)
        last = now
        return True

    dropped = cdr_block.tidy(path, (FIRST_DAY + 1) * DAY_MS, go_on)
    took = time.perf_counter() - begun
    return f"{dropped:,} records dropped in {took:.1f} s; longest transaction {max(waits) * 1e3:.0f} ms"


def main() -> None:
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    records = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    asked = {0, days // 3, days - 1}
    with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as folder:
        path = Path(folder) / "scale.db"
        asyncio.run(database.create(path).close())
        table: dict[str, list[float]] = {}
        for day in range(days):
            fill(path, day, records)
            if day in asked:
                for name, query in queries(day, records).items():
                    table.setdefault(name, []).append(measure(path, query))
        titles = "".join(f"{(day + 1) * records:>14,}" for day in sorted(asked))
        print(f"{'records':<36}{titles}\n{path.stat().st_size / days / records:,.0f} bytes each")
        for name, found in table.items():
            print(f"{name:<36}" + "".join(f"{ms:>14.1f}" for ms in found))
        print(drop_first_day(path))


if __name__ == "__main__":
    main()
