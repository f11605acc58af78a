"""CPU of the store per call (its answer in one commit, its end in another): two ways to write, four sizes.

    python -m benchmarks.group_commit [calls]

"core": SQLAlchemy statements on the async engine over aiosqlite. "batch": store.batch, one sqlite3
connection, text compiled once, executemany. Both write the same rows: a call with two paying levels, two
gateways tried, an entry of four postings, hash chain included. The best of three runs counts.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import bindparam, func, insert, select, update

from sipguard.store import batch, database
from sipguard.store.batch import BatchWriter, CallAnswered, CallClosed, Record
from sipguard.store.cdr import cdr
from sipguard.store.ledger import journal_entry, ledger_account, posting
from sipguard.store.live_call import live_call
from tests.store import books

Batches = Sequence[tuple[Sequence[CallAnswered], Sequence[CallClosed]]]

SIZES = (1, 5, 20, 100)
DIALOG, STATE = bytes(900), bytes(300)


def batches(calls: int, size: int) -> Batches:
    told = [books.closed(number) for number in range(calls)]
    return [
        (
            [CallAnswered(one.cdr.call, 2_000, DIALOG, STATE) for one in told[at : at + size]],
            told[at : at + size],
        )
        for at in range(0, calls, size)
    ]


def through_batch(path: Path, work: Batches) -> None:
    with books.connect(path) as connection:
        writer = BatchWriter(connection, "proxy")
        for pair in work:
            for records in pair:
                outcome = writer.write(records)
                assert (outcome.rejected, outcome.duplicates) == ([], 0)


def through_core(path: Path, work: Batches) -> None:
    """The statements of BatchWriter._put, each through Connection.execute."""
    tables = (cdr, journal_entry, posting, live_call)
    statements = {
        str(getattr(batch, f"_INSERT_{table.name.upper()}")): (insert(table), list(table.c.keys()))
        for table in tables
    } | {
        batch._ADD_TO_BALANCE: (
            update(ledger_account)
            .where(ledger_account.c.key == bindparam("of"))
            .values(balance_micros=ledger_account.c.balance_micros + bindparam("delta")),
            ["delta", "of"],
        ),
        batch._END_LIVE_CALL: (
            update(live_call).where(live_call.c.call == bindparam("of")).values(ended_ms=bindparam("new")),
            ["new", "of"],
        ),
    }

    async def run() -> None:
        db = database.open(path)
        newest = (
            select(journal_entry.c.key, journal_entry.c.hash).order_by(journal_entry.c.key.desc()).limit(1)
        )
        for pair in work:
            for records in pair:
                async with db.writing() as conn:
                    end = (await conn.execute(newest)).one_or_none()
                    sequence = await conn.scalar(select(func.max(cdr.c.sequence))) or 0
                    for sql, rows in _rows(records, end, sequence):
                        statement, names = statements[sql]
                        await conn.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])
        await db.close()

    asyncio.run(run())


class _Recorder:
    """Stands in for the connection of a BatchWriter: keeps the rows that it would write."""

    in_transaction = False

    def __init__(self, end: object, newest: int) -> None:
        self.end, self.newest, self.rows = end, newest, []

    def execute(self, sql: str, *_: object) -> _Recorder:
        self._asked = sql
        return self

    def fetchone(self) -> object:
        if self._asked == batch._NEWEST_SEQUENCE:
            return (self.newest,)
        return tuple(self.end) if self.end else None

    def executemany(self, sql: str, rows: object) -> None:
        if listed := list(rows):
            self.rows.append((sql, listed))


def _rows(records: Sequence[Record], end: object, newest: int) -> list[tuple[str, list[tuple[object, ...]]]]:
    recorder = _Recorder(end, newest)
    writer = BatchWriter(recorder, "proxy")
    writer._currencies = dict.fromkeys(books.LEDGERS, "BDT")
    writer._put(records)
    return recorder.rows


def measure(template: Path, write: object, work: Batches, calls: int) -> float:
    best = float("inf")
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(shutil.copy(template, folder))
            before = time.process_time()
            write(path, work)
            best = min(best, time.process_time() - before)
    return best / calls * 1e6


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.db"

        async def make() -> None:
            db = database.create(template)
            async with db.writing() as conn:
                await books.open_accounts(conn)
            await db.close()

        asyncio.run(make())
        print(f"{'calls per commit':>16}  {'core, us':>9}  {'batch, us':>9}")
        for size in SIZES:
            work = batches(calls, size)
            core, own = (measure(template, write, work, calls) for write in (through_core, through_batch))
            print(f"{size:>16}  {core:>9.0f}  {own:>9.0f}")


if __name__ == "__main__":
    main()
