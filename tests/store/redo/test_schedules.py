"""Whatever the order of appends, applications, crashes and restarts: the database is as if all that was
acknowledged had been written to it directly, each record once."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipguard.store.batch import BatchWriter, CallAnswered, CallMoved, CallUpdated, Record
from sipguard.store.redo import replay
from tests.store import books
from tests.store.redo.logs import Log

EXAMPLES = int(os.environ.get("SIPGUARD_SCHEDULES", "12"))
"""More of them take longer: each makes two databases."""

TABLES = ("cdr", "cdr_level", "cdr_try", "journal_entry", "posting", "ledger_account", "live_call")

CALLS = st.integers(0, 5)
RECORDS = st.one_of(
    CALLS.map(lambda call: CallAnswered(books.EPOCH + call, 2_000, b"dialog", b"first")),
    st.builds(lambda call, state: CallUpdated(books.EPOCH + call, bytes([state])), CALLS, st.integers(0, 3)),
    st.builds(lambda call, dialog: CallMoved(books.EPOCH + call, bytes([dialog])), CALLS, st.integers(4, 7)),
    CALLS.map(books.closed),
    CALLS.map(lambda call: books.refused(call + 10)),
    CALLS.map(lambda call: msgspec.structs.replace(books.closed(call), entry=books.charge(1, 5))),
)
STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(RECORDS, min_size=1, max_size=6)),
    st.tuples(st.just("append"), st.lists(RECORDS, min_size=1, max_size=6)),
    st.tuples(st.just("apply"), st.integers(1, 4)),
    st.tuples(st.just("crash"), st.integers(0, 40)),
    st.tuples(st.just("fail"), st.none()),
    st.tuples(st.just("pay"), st.integers(1, 9)),
)


def content(path: Path) -> list[object]:
    """All rows, but those of the journal by what they say: its links follow the order of writing."""
    return [
        sorted(
            books.rows(
                path, f"SELECT {'idempotency_key, kind' if table == 'journal_entry' else '*'} FROM {table}"
            )
        )
        for table in TABLES
        if table != "posting"
    ] + [
        sorted(
            books.rows(
                path,
                "SELECT idempotency_key, position, ledger, amount_micros FROM posting"
                " JOIN journal_entry ON key = entry",
            )
        )
    ]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=3, max_size=25))
def test_any_schedule_is_the_same_as_direct_writing(template: Path, steps: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, direct = (Path(shutil.copy(template, f"{folder}/{name}.db")) for name in ("log", "direct"))
        log = Log(path, segment_bytes=4_000)
        said: list[Record] = []
        for step, how in steps:
            match step, how:
                case "append", list(records):
                    log.append(*records)
                    said += records
                case "apply", int(groups):
                    log.apply(groups)
                case "pay", int(micros):
                    entry = books.payment(f"{len(said)}:{micros}", micros)
                    for database in (path, direct):
                        books.write(database, lambda conn, entry=entry: books.ledger.post(conn, entry, "web"))
                case "fail", _:
                    log.redo._give_up()  # as after a failed write: a new segment has it all once more
                case "crash", int(torn):
                    log.crash()
                    if torn and log.segments():
                        with log.segments()[-1].open("r+b") as segment:
                            segment.seek(log.redo._end)
                            segment.write(b"\xf5RG\n"[:torn].ljust(torn, b"\x07"))
                    replay.replay(path)
                    log = Log(path, segment_bytes=4_000)
        log.crash()
        replay.replay(path)
        with books.connect(direct) as connection:
            for record in said:
                BatchWriter(connection, "proxy").write([record])
        assert content(path) == content(direct)
        assert books.read(path, books.ledger.verify).ok
