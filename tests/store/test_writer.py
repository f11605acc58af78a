"""Group commit: what waits for a commit, what happens while the storage fails (K-04, K-06)."""

from __future__ import annotations

import asyncio
import resource
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sipguard.store import database, ledger, live_call
from sipguard.store.writer import CallAnswered, CallUpdated, Writer
from tests.store import books
from tests.store.books import EPOCH


def answered(sequence: int) -> CallAnswered:
    return CallAnswered(EPOCH + sequence, 2_000, b"dialog", b"state")


class Health:
    """What on_health was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self._changed = asyncio.Event()

    def __call__(self, healthy: bool) -> None:
        self.told.append(healthy)
        self._changed.set()

    async def changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()


def run(path: Path, use: Callable[[Writer, Health], Awaitable[None]], **options: object) -> Writer:
    """Run `use` with a writer that fails fast and tries again soon; the writer, closed."""

    async def main() -> Writer:
        health = Health()
        settings = {"window_ms": 0, "busy_timeout_ms": 5, "retry_ms": (1, 5), "on_health": health}
        writer = Writer(path, asyncio.get_running_loop(), **settings | options)
        try:
            await asyncio.wait_for(use(writer, health), 60)
            assert await writer.close() == 0
        finally:
            await writer.close(0)
        return writer

    return asyncio.run(main())


def test_done_comes_after_the_commit_in_order_on_the_loop(path: Path) -> None:
    done: list[tuple[int, bool, threading.Thread]] = []

    async def use(writer: Writer, health: Health) -> None:
        def note(number: int) -> None:
            durable = books.rows(path, "SELECT 1 FROM live_call WHERE call = ?", EPOCH + number) == [(1,)]
            done.append((number, durable, threading.current_thread()))

        for number in range(5):
            writer.submit(answered(number), lambda number=number: note(number))
        assert (done, writer.backlog) == ([], 5)
        await writer.drain()
        assert writer.backlog == 0

    run(path, use)
    assert done == [(number, True, threading.main_thread()) for number in range(5)]


def test_what_is_submitted_together_is_committed_together(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        first_done = asyncio.Event()
        for number in range(100):
            writer.submit(answered(number), first_done.set if number == 0 else None)
        await first_done.wait()
        assert (writer.counts.batches, writer.counts.records, writer.backlog) == (1, 100, 0)

    run(path, use)


def test_what_comes_during_a_commit_goes_into_the_next(path: Path) -> None:
    """A batch of one, held up by a lock; ten more meanwhile, one per turn of the loop."""

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("BEGIN IMMEDIATE")
            writer.submit(answered(0))
            await health.changed()
            for number in range(1, 11):
                writer.submit(answered(number))
                await asyncio.sleep(0)
            other.execute("ROLLBACK")
        await writer.drain()
        assert (writer.counts.batches, writer.counts.records) == (2, 11)

    run(path, use)


def test_a_batch_has_a_limit(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        for number in range(25):
            writer.submit(answered(number))
        await writer.drain()
        assert writer.counts.batches == 3

    run(path, use, batch_limit=10)
    assert len(books.read(path, live_call.load_live)) == 25


def test_drain_does_not_wait_for_the_window(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        writer.submit(answered(1))
        await writer.drain()  # else `run` gives up after a minute

    run(path, use, window_ms=3_600_000)


def test_a_caller_that_fails_does_not_keep_the_others_waiting(path: Path) -> None:
    done: list[int] = []
    failures: list[dict[str, object]] = []

    async def use(writer: Writer, health: Health) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        writer.submit(answered(1), lambda: done.append(1))
        writer.submit(answered(2), lambda: {}["missing"])
        writer.submit(answered(3), lambda: done.append(3))
        await writer.drain()

    run(path, use)
    assert done == [1, 3]
    assert [type(context["exception"]) for context in failures] == [KeyError]


def test_replays_and_poison_are_counted_and_done(path: Path) -> None:
    done: list[str] = []

    async def use(writer: Writer, health: Health) -> None:
        for name, record in {
            "new": books.closed(1),
            "again": books.closed(1),
            "poison": books.closed(2, user_agent="\ud800"),
            "another": books.closed(3),
        }.items():
            writer.submit(record, lambda name=name: done.append(name))
        await writer.drain()

    counts = run(path, use).counts
    assert (counts.records, counts.duplicates, counts.rejected, counts.failures) == (4, 1, 1, 0)
    assert done == ["new", "again", "poison", "another"]


def test_k06_a_locked_database_loses_nothing(path: Path) -> None:
    done: list[int] = []

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("BEGIN EXCLUSIVE")
            for number in range(3):
                writer.submit(books.closed(number), lambda number=number: done.append(number))
            await health.changed()
            assert not writer.healthy
            for number in range(3, 6):
                writer.submit(books.closed(number), lambda number=number: done.append(number))
            assert (done, writer.backlog) == ([], 6)
            other.execute("ROLLBACK")
        await health.changed()
        assert writer.healthy
        await writer.drain()
        assert health.told == [False, True]

    counts = run(path, use).counts
    assert done == list(range(6))
    assert (counts.records, counts.duplicates, counts.rejected) == (6, 0, 0)
    report = books.read(path, ledger.verify)
    assert report.ok
    assert report.entries == 6


def test_k04_a_full_disk_loses_nothing(path: Path) -> None:
    """The limit on file sizes stands in for the disk: the same writes of SQLite fail."""

    async def use(writer: Writer, health: Health) -> None:
        writer.submit(books.closed(0))
        await writer.drain()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        written = path.with_name(path.name + "-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (written + 8_192, hard))  # room for a part of a batch
        try:
            for number in range(1, 50):
                writer.submit(books.closed(number))
            await health.changed()
            assert writer.backlog == 49
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await writer.drain()
        assert writer.healthy

    run(path, use)
    report = books.read(path, ledger.verify)
    assert report.ok
    assert report.entries == 50


def test_a_missing_database_is_waited_for_and_not_made(template: Path, tmp_path: Path) -> None:
    path = tmp_path / "late.db"

    async def use(writer: Writer, health: Health) -> None:
        writer.submit(books.closed(1))
        await health.changed()
        assert not path.exists()
        shutil.copy(template, tmp_path / "copy.db")
        (tmp_path / "copy.db").rename(path)
        await writer.drain()

    run(path, use)
    assert books.read(path, ledger.verify).entries == 1


def test_updates_are_left_out_while_the_store_is_behind(path: Path) -> None:
    waited: list[bool] = []

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            writer.submit(answered(1))
            await writer.drain()
            other.execute("BEGIN IMMEDIATE")
            writer.submit(CallUpdated(EPOCH + 1, b"kept"))
            await health.changed()
            writer.submit(CallUpdated(EPOCH + 1, b"left out"))
            assert (writer.counts.dropped, writer.backlog) == (1, 1)
            writer.submit(CallUpdated(EPOCH + 1, b"waited for"), lambda: waited.append(True))
            assert writer.backlog == 2
            other.execute("ROLLBACK")
        await writer.drain()

    run(path, use)
    assert waited == [True]
    assert books.read(path, live_call.load_live)[0].state == b"waited for"


def test_close_gives_up_when_it_was_told_how_long(path: Path) -> None:
    async def main() -> int:
        writer = Writer(path, asyncio.get_running_loop(), window_ms=0, busy_timeout_ms=5, retry_ms=(1, 5))
        writer.submit(books.closed(1))
        writer.submit(books.closed(2))
        unwritten = await writer.close(0.05)
        with pytest.raises(RuntimeError, match="closed"):
            writer.submit(books.closed(3))
        return unwritten

    with books.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert asyncio.run(main()) == 2
    assert books.rows(path, "SELECT * FROM cdr") == []


def test_it_shares_the_chain_with_other_writers(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        web = database.open(path)
        for number in range(20):
            writer.submit(books.closed(number))
            async with web.writing() as conn:
                assert await ledger.post(conn, books.payment(str(number), 5), "web")
        await web.close()

    run(path, use, busy_timeout_ms=5_000)
    report = books.read(path, ledger.verify)
    assert report.ok
    assert report.entries == 40


def test_the_schema_changing_below_it_is_a_failure_and_no_loss(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("ALTER TABLE posting RENAME TO hidden")
            writer.submit(books.closed(1))
            await health.changed()
            other.execute("ALTER TABLE hidden RENAME TO posting")
        await writer.drain()

    run(path, use)
    assert books.read(path, ledger.verify).entries == 1
