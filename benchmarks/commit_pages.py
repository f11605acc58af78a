"""What one commit dirties: pages and CPU per call, on a database that has been in use for a while.

    python -m benchmarks.commit_pages [calls before] [calls up]

Unlike benchmarks.group_commit, which writes to an empty file in order, calls end in another order than they
began in (any of those that are up may be next), Call-IDs are random and a thousand accounts call. A commit
holds as many answers as ends. Pages are counted in the write-ahead log; each is written there, and once
more by a checkpoint.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sipguard.store import database
from sipguard.store.batch import BatchWriter, CallAnswered, CallClosed
from tests.store import books

SIZES = (1, 5, 20, 100)
ACCOUNTS = 1_000
FRAME_BYTES = 24 + 4096
DIALOG, STATE = bytes(900), bytes(300)


class Site:
    """Calls that come and go: `before` have been, `up` are up."""

    def __init__(self, up: int, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._next = 0
        self._up = [self._begin() for _ in range(up)]

    def first(self) -> Iterator[CallAnswered]:
        """The answers of those that are up from the beginning."""
        return map(self._answered, self._up)

    def turn(self, calls: int) -> list[CallAnswered | CallClosed]:
        """As many new answers as ends."""
        records: list[CallAnswered | CallClosed] = []
        for _ in range(calls):
            place = self._chance.randrange(len(self._up))
            ended, self._up[place] = self._up[place], self._begin()
            records += (self._answered(self._up[place]), self._closed(ended))
        return records

    def _begin(self) -> int:
        self._next += 1
        return self._next

    def _answered(self, number: int) -> CallAnswered:
        return CallAnswered(books.EPOCH + number, 2_000, DIALOG, STATE)

    def _closed(self, number: int) -> CallClosed:
        name = hashlib.sha1(str(number).encode()).hexdigest()
        return books.closed(
            number, sip_call_id=f"{name}@192.0.2.1", account_id=f"account-{self._chance.randrange(ACCOUNTS)}"
        )


def measure(path: Path, site: Site, size: int) -> tuple[float, float]:
    """Pages per commit and CPU per call, in microseconds."""
    wal = path.with_name(f"{path.name}-wal")
    commits = max(20, 400 // size)
    with books.connect(path) as connection:
        writer = BatchWriter(connection, "proxy")
        writer.write(site.turn(1))  # so that the statements are prepared
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        work = [site.turn(size) for _ in range(commits)]
        before = time.process_time()
        for records in work:
            outcome = writer.write(records)
            assert (outcome.rejected, outcome.duplicates) == ([], 0)
        spent = time.process_time() - before
        return wal.stat().st_size / FRAME_BYTES / commits, spent / commits / size * 1e6


def main() -> None:
    before, up = (int(text) for text in (*sys.argv[1:3], *("60000", "20000")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "used.db"

        async def make() -> None:
            db = database.create(path)
            async with db.writing() as conn:
                await books.open_accounts(conn)
            await db.close()

        asyncio.run(make())
        site = Site(up)
        with books.connect(path) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            writer = BatchWriter(connection, "proxy")
            writer.write([*site.first()])
            for _ in range(before // 1_000):
                writer.write(site.turn(1_000))
            connection.execute("DELETE FROM live_call WHERE ended_ms IS NOT NULL")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            print(f"{path.stat().st_size / before:,.0f} bytes per call, those that are up included")
        print("".join(f"{title:>18}" for title in ("calls per commit", "pages", "pages per call", "CPU, us")))
        for size in SIZES:
            pages, cpu = measure(path, site, size)
            print(f"{size:>18}{pages:>18.1f}{pages / size:>18.1f}{cpu:>18.0f}")


if __name__ == "__main__":
    main()
