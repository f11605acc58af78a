"""What waits for a group to be durable, and what happens while log or database fail (K-04, K-06)."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sipguard.store import database, ledger, live_call, lock
from sipguard.store.redo import replay
from sipguard.store.redo.appender import Engine
from sipguard.store.redo.applier import Pace
from sipguard.store.redo.files import Files
from sipguard.store.redo.log import Place, RedoLog
from sipguard.store.writer import CallAnswered, CallUpdated, Limits, Release, Writer
from tests.store import books
from tests.store.books import EPOCH
from tests.store.redo.logs import TWO_CALLS


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
        settings = {
            "window_ms": 0,
            "pace": Pace(busy_timeout_ms=5, retry_ms=(1, 5)),
            "retry_ms": (1, 5),
            "on_health": health,
        }
        writer = Writer(path, asyncio.get_running_loop(), **settings | options)
        try:
            await asyncio.wait_for(use(writer, health), 60)
            assert await writer.close() == 0
        finally:
            await writer.close(0)
        return writer

    return asyncio.run(main())


async def until(true: Callable[[], object]) -> None:
    """Return once `true` says so; `run` gives up after a minute."""
    while not true():  # noqa: ASYNC110  (some of it is the threads')
        await asyncio.sleep(0.001)


def test_done_comes_after_the_group_is_durable_in_order_on_the_loop(path: Path) -> None:
    """The database is locked all the while: what is acknowledged is in the log, and there alone."""
    done: list[tuple[int, threading.Thread]] = []

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(5):
                writer.submit(answered(number), lambda number=number: note(number))
            assert (done, writer.backlog, writer.unacknowledged) == ([], 5, 5)
            await until(lambda: len(done) == 5)
            assert (writer.backlog, writer.unacknowledged) == (5, 0)
            (segment,) = Files(path).segments()
            assert segment.read_bytes().count(b"CallAnswered") == 5
            other.execute("ROLLBACK")
        await writer.drain()
        assert writer.backlog == 0

    def note(number: int) -> None:
        done.append((number, threading.current_thread()))

    run(path, use)
    assert done == [(number, threading.main_thread()) for number in range(5)]
    assert len(books.read(path, live_call.load_live)) == 5


def test_what_is_submitted_together_is_one_group(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        for number in range(100):
            writer.submit(answered(number))
        await writer.drain()
        assert (writer.counts.batches, writer.counts.records, writer.backlog) == (1, 100, 0)

    run(path, use)


def test_a_group_has_a_limit(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        for number in range(25):
            writer.submit(answered(number))
        await writer.drain()
        assert writer.counts.batches == 3

    run(path, use, batch_limit=10)
    assert len(books.read(path, live_call.load_live)) == 25


def test_a_barrier_is_for_what_was_submitted_before_it(path: Path) -> None:
    """It waits neither for the window nor for the pause between two transactions."""

    async def use(writer: Writer, health: Health) -> None:
        for number in range(3):
            writer.submit(answered(number))
            await writer.barrier()
            assert len(books.rows(path, "SELECT * FROM live_call")) == number + 1
        await writer.barrier()

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


def test_k06_a_locked_database_loses_nothing_and_holds_nobody_back(path: Path) -> None:
    done: list[int] = []

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("BEGIN EXCLUSIVE")
            for number in range(6):
                writer.submit(books.closed(number), lambda number=number: done.append(number))
                await until(lambda number=number: number in done)
            assert writer.healthy
            await until(lambda: writer.refusal() is not None)
            assert "the database takes no records for" in writer.refusal()
            other.execute("ROLLBACK")
        await until(lambda: writer.refusal() is None)
        await writer.drain()
        assert health.told == []

    counts = run(path, use, limits=Limits(seconds=0.05)).counts
    assert done == list(range(6))
    assert (counts.records, counts.duplicates, counts.rejected) == (6, 0, 0)
    assert counts.failures > 0
    report = books.read(path, ledger.verify)
    assert report.ok
    assert report.entries == 6


def test_a_price_list_that_is_taken_over_is_waited_for(path: Path) -> None:
    """Only a transaction that nobody has announced is taken for a database that is stuck."""

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            with lock.long_write(path):
                other.execute("BEGIN IMMEDIATE")
                writer.submit(books.closed(1))
                await until(lambda: writer.counts.failures > 10)
                assert writer.refusal() is None
            assert writer.refusal() is not None
            other.execute("ROLLBACK")

    run(path, use, limits=Limits(seconds=0.01))


@pytest.mark.parametrize("limits", [Limits(records=5), Limits(size=5_000)], ids=["records", "bytes"])
def test_a_database_that_is_too_far_behind_takes_no_new_calls(path: Path, limits: Limits) -> None:
    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("BEGIN IMMEDIATE")
            writer.submit(books.closed(0))
            await until(lambda: not writer.unacknowledged)
            assert writer.refusal() is None
            for number in range(1, 10):
                writer.submit(books.closed(number))
            await until(lambda: not writer.unacknowledged)
            assert "the database is behind by 10 records" in writer.refusal()
            other.execute("ROLLBACK")
        await writer.drain()
        assert writer.refusal() is None

    run(path, use, limits=limits._replace(seconds=3_600))


def test_a_database_that_is_gone_takes_no_new_calls(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        writer.submit(books.closed(1))
        await writer.drain()
        os.rename(path, away)
        writer.submit(books.closed(2))
        await until(lambda: writer.refusal() is not None)
        assert writer.refusal() == "the database was removed or replaced"
        assert path.name not in os.listdir(path.parent), "no new, empty one was made"
        os.rename(away, path)
        await writer.drain()
        assert writer.refusal() is None

    away = path.with_name("away")
    run(path, use)
    assert books.read(path, ledger.verify).entries == 2


def test_another_database_in_its_place_gets_nothing(path: Path) -> None:
    """Not even one that is a copy of it: the log says more than such a copy has seen."""

    async def main() -> int:
        writer = Writer(path, asyncio.get_running_loop(), window_ms=0, pace=Pace(retry_ms=(1, 5)))
        shutil.copy(path, copy)
        writer.submit(books.closed(1))
        await writer.drain()
        os.rename(copy, path)
        for ending in ("-wal", "-shm"):
            os.unlink(f"{path}{ending}")
        writer.submit(books.closed(2))
        await asyncio.wait_for(until(lambda: writer.counts.failures > 2), 60)
        assert writer.refusal() == "the database was removed or replaced"
        return await writer.close(0)

    copy = path.with_name("copy")
    assert asyncio.run(main()) == 0
    assert books.rows(path, "SELECT * FROM cdr") == []


def test_k04_a_full_disk_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged while the log has no room, and all of it once there is. Each group fills a
    segment, so that every one has to be made."""
    done: list[int] = []
    written = os.pwrite

    def full(descriptor: int, data: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def use(writer: Writer, health: Health) -> None:
        writer.submit(books.closed(0))
        await writer.drain()
        monkeypatch.setattr(os, "pwrite", full)
        for number in range(1, 50):
            writer.submit(books.closed(number), lambda number=number: done.append(number))
        await health.changed()
        assert (done, writer.backlog, writer.unacknowledged) == ([], 49, 49)
        assert writer.refusal() == "the redo log cannot be written, 49 records wait"
        monkeypatch.setattr(os, "pwrite", written)
        await writer.drain()
        assert writer.refusal() is None

    run(path, use, segment_bytes=1)
    assert done == list(range(1, 50))
    report = books.read(path, ledger.verify)
    assert report.ok
    assert report.entries == 50


@pytest.mark.parametrize(
    ("device", "said"), [("full", "No space left"), ("null", "Invalid argument")], ids=["write", "fdatasync"]
)
def test_k03_a_segment_that_fails_while_the_engine_writes_it_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, device: str, said: str
) -> None:
    """/dev/full takes no byte; /dev/null takes them all, and cannot be synced. What comes after the failure
    is in the next segment, with all before that the database lacks."""
    done: list[int] = []
    place = RedoLog.place
    fails = [False]

    def placed(redo: RedoLog) -> Place | None:
        found = place(redo)
        if found is None or not fails[0]:
            return found
        fails[0] = False
        return found._replace(path=Path("/dev") / device)

    monkeypatch.setattr(RedoLog, "place", placed)

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(6):
                # A segment takes two: the third begins one, of which the engine is then told.
                if number == 2:
                    fails[0] = True
                writer.submit(books.closed(number), lambda number=number: done.append(number))
                await until(lambda number=number: number in done)
            held = [one.read_bytes().count(b"CallClosed") for one in Files(path).segments()]
            assert max(held) == 3, "all that the database lacked, in one that is larger for it"
            other.execute("ROLLBACK")
        await writer.drain()
        assert health.told == [False, True]

    counts = run(path, use, segment_bytes=TWO_CALLS, limits=Limits(seconds=3_600)).counts
    assert done == list(range(6))
    assert (counts.records, counts.duplicates, counts.redo_failures) == (6, 0, 1)
    assert books.read(path, ledger.verify).entries == 6


def test_what_the_engine_does_itself_is_told_without_being_asked(path: Path) -> None:
    """Nobody holds anything of that call: only the second half of a Release is left to do."""
    gone: list[int] = []

    class Gone(Release):
        def __call__(self) -> None:
            raise AssertionError("the engine does that")

        def released(self) -> None:
            gone.append(self.call)

    async def use(writer: Writer, health: Health) -> None:
        writer.begin_turn()
        writer.submit(books.closed(1), Gone(EPOCH + 1))
        await asyncio.sleep(0)
        assert writer.unacknowledged == 1, "handed over at the end of the turn"
        writer.end_turn()
        await until(lambda: gone)

    run(path, use, engine=Engine(epoch=1, seed=bytes(32)))
    assert gone == [EPOCH + 1]


def test_updates_are_left_out_while_the_store_is_behind(path: Path) -> None:
    waited: list[bool] = []

    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            writer.submit(answered(1))
            await writer.drain()
            other.execute("BEGIN IMMEDIATE")
            writer.submit(CallUpdated(EPOCH + 1, b"kept"))
            await until(lambda: writer.refusal() is not None)
            writer.submit(CallUpdated(EPOCH + 1, b"left out"))
            assert (writer.counts.dropped, writer.backlog) == (1, 1)
            writer.submit(CallUpdated(EPOCH + 1, b"waited for"), lambda: waited.append(True))
            assert writer.backlog == 2
            other.execute("ROLLBACK")
        await writer.drain()

    run(path, use, limits=Limits(seconds=0.01))
    assert waited == [True]
    assert books.read(path, live_call.load_live)[0].state == b"waited for"


def test_close_gives_up_when_it_was_told_how_long(path: Path) -> None:
    """What is durable then is applied at the next start."""

    async def main() -> int:
        writer = Writer(path, asyncio.get_running_loop(), window_ms=0, pace=Pace(5, retry_ms=(1, 5)))
        other.execute("BEGIN IMMEDIATE")
        writer.submit(books.closed(1))
        writer.submit(books.closed(2))
        await asyncio.wait_for(until(lambda: not writer.unacknowledged), 60)
        lost = await writer.close(0.05)
        with pytest.raises(RuntimeError, match="closed"):
            writer.submit(books.closed(3))
        return lost

    with books.connect(path) as other:
        assert asyncio.run(main()) == 0
    assert books.rows(path, "SELECT * FROM cdr") == []
    assert replay.replay(path).records == 2
    assert books.read(path, ledger.verify).entries == 2


def test_nothing_is_left_of_a_log_that_is_applied(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        writer.submit(books.closed(1))

    run(path, use)
    assert not replay.is_needed(path)
    assert [file for file in path.parent.iterdir() if "redo" in file.name] == []


def test_it_shares_the_chain_with_other_writers(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        web = database.open(path)
        for number in range(20):
            writer.submit(books.closed(number))
            async with web.writing() as conn:
                assert await ledger.post(conn, books.payment(str(number), 5), "web")
        await web.close()

    run(path, use, pace=Pace(busy_timeout_ms=5_000))
    report = books.read(path, ledger.verify)
    assert report.ok
    assert report.entries == 40


def test_the_schema_changing_below_it_is_a_failure_and_no_loss(path: Path) -> None:
    async def use(writer: Writer, health: Health) -> None:
        with books.connect(path) as other:
            other.execute("ALTER TABLE posting RENAME TO hidden")
            writer.submit(books.closed(1))
            await until(lambda: writer.counts.failures)
            other.execute("ALTER TABLE hidden RENAME TO posting")
        await writer.drain()

    run(path, use)
    assert books.read(path, ledger.verify).entries == 1
