"""Many at once on the same few ledgers, through the real redo log and database: each counts, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from sipguard.model.ledger import Entry, Posting
from sipguard.store import database, ledger
from sipguard.store.writer import CallClosed, Writer
from tests.store import books
from tests.store.books import AGENT_BALANCE, AGENT_REVENUE, CASH, CUSTOMER_BALANCE, EPOCH, REVENUE

Work: TypeAlias = Coroutine[Any, Any, "bool | None"]

CHARGES, PAYMENTS, TRANSFERS, COPIES = 500, 20, 20, 64


def charged(sequence: int) -> CallClosed:
    """A call whose charge is unlike any other's, so that two lost updates cannot make up for each other."""
    told = books.closed(sequence)
    return CallClosed(
        told.cdr, books.charge(EPOCH + sequence, customer_pays=2_000 + sequence, agent_pays=sequence)
    )


def transfer(number: int) -> Entry:
    """From the agent to its customer."""
    micros = 7 * number
    return Entry(
        f"transfer:{number}",
        "transfer",
        1_000,
        (Posting(AGENT_BALANCE, -micros), Posting(CUSTOMER_BALANCE, micros)),
    )


async def submit(writer: Writer, record: CallClosed) -> None:
    """Return when it is durable."""
    durable = asyncio.get_running_loop().create_future()
    writer.submit(record, lambda: durable.set_result(None))
    await durable


async def post(path: Path, entry: Entry) -> bool:
    """Write an entry as another process does, by a connection of its own."""
    opened = database.open(path)
    try:
        async with opened.writing() as conn:
            return await ledger.post(conn, entry, "test")
    finally:
        await opened.close()


def at_once(path: Path, work: Callable[[Writer], list[Work]]) -> list[bool | None]:
    """What became of everything that `work` begins, once it is all in the database."""

    async def main() -> list[bool | None]:
        writer = Writer(path, asyncio.get_running_loop(), window_ms=0, batch_limit=7)
        try:
            return await asyncio.wait_for(asyncio.gather(*work(writer)), 60)
        finally:
            with suppress(TimeoutError):
                await writer.barrier()
            await writer.close()

    return asyncio.run(main())


def test_l06_l07_500_charges_and_20_payments_and_transfers_at_once(path: Path) -> None:
    """No update is lost, every sum is exact, and no value is made or lost over the tree."""
    payments = [books.payment(str(number), 1_000_000 + number) for number in range(PAYMENTS)]
    transfers = [transfer(number) for number in range(1, TRANSFERS + 1)]

    def work(writer: Writer) -> list[Work]:
        charges = [submit(writer, charged(number)) for number in range(1, CHARGES + 1)]
        return [*charges[::2], *(post(path, entry) for entry in payments + transfers), *charges[1::2]]

    at_once(path, work)
    paid_in = sum(entry.postings[1].amount_micros for entry in payments)
    moved = sum(entry.postings[1].amount_micros for entry in transfers)
    agent_paid = sum(range(1, CHARGES + 1))
    customer_paid = 2_000 * CHARGES + agent_paid
    balances = books.read(path, ledger.balances)
    assert balances[CUSTOMER_BALANCE] == paid_in + moved - customer_paid
    assert balances[AGENT_BALANCE] == -moved - agent_paid
    assert balances[AGENT_REVENUE] == customer_paid
    assert balances[REVENUE] == agent_paid
    assert balances[CASH] == -paid_in
    assert sum(balances.values()) == 0, "L-07"
    report = books.read(path, ledger.verify)
    assert report.ok
    assert report.entries == CHARGES + PAYMENTS + TRANSFERS


def test_l05_64_copies_of_a_record_are_one_charge(path: Path) -> None:
    def work(writer: Writer) -> list[Work]:
        return [submit(writer, charged(5)) for _ in range(COPIES)]

    at_once(path, work)
    assert books.rows(path, "SELECT count(*) FROM journal_entry") == [(1,)]
    assert books.read(path, ledger.balances)[CUSTOMER_BALANCE] == -2_005
    assert books.read(path, ledger.verify).ok


def test_l05_64_copies_of_a_payment_are_one_payment(path: Path) -> None:
    """Each by a connection of its own; all but one are told that nothing changed."""
    payment = books.payment("once", 5_000)
    written = at_once(path, lambda _: [post(path, payment) for _ in range(COPIES)])
    assert written.count(True) == 1
    assert written.count(False) == COPIES - 1
    assert books.read(path, ledger.balances)[CUSTOMER_BALANCE] == 5_000
