"""Double entry: ledger accounts, the journal of entries and their postings, and the proof that it adds up.

A balance is the sum of its postings and changes only together with them, by the same amount, in the same
transaction. The proxy posts through writer.py, everybody else through `post`; both link one hash chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Integer, LargeBinary, Table, Text, func, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.ledger import Entry, LedgerKind, Posting
from sipguard.model.money import Micros
from sipguard.store import feed, journal
from sipguard.store.database import StoreError
from sipguard.store.metadata import insert_row, metadata, plainly

ledger_account = Table(
    "ledger_account",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("account_key", ForeignKey("account.key")),
    Column("routing_gateway_key", ForeignKey("routing_gateway.key")),
    Column("currency", Text, nullable=False),
    Column("balance_micros", Integer, nullable=False),
)

journal_entry = Table(
    "journal_entry",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("idempotency_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("memo", Text, nullable=False),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

posting = Table(
    "posting",
    metadata,
    Column("entry", ForeignKey("journal_entry.key"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("ledger", ForeignKey("ledger_account.key"), nullable=False),
    Column("amount_micros", Integer, nullable=False),
)


_LISTED = 100  # in a report: enough to start from, however much is wrong


class KeyConflictError(StoreError):
    """An entry with this idempotency key exists, and says something else."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A ledger account whose stored balance is not the sum of its postings."""

    ledger: int
    stored_micros: Micros
    summed_micros: Micros


@dataclass(slots=True)
class VerifyReport:
    """What a replay of the whole journal found."""

    entries: int = 0
    postings: int = 0
    residual_micros: dict[str, Micros] = field(default_factory=dict)
    """Sum of all postings by currency: 0, or money was made or lost."""
    unbalanced: list[int] = field(default_factory=list)
    """Keys of the entries whose postings do not sum to zero in every currency, the first hundred."""
    drifts: list[Drift] = field(default_factory=list)
    broken_link: int | None = None
    """Key of the first entry that is missing, altered, or not linked to the one before it."""
    unreadable: str | None = None
    """Why the replay could not be finished: the file is damaged."""

    @property
    def ok(self) -> bool:
        return not (
            self.unbalanced
            or self.drifts
            or self.broken_link is not None
            or self.unreadable is not None
            or any(self.residual_micros.values())
        )


async def insert(
    conn: AsyncConnection,
    kind: LedgerKind,
    currency: str,
    *,
    account_key: int | None = None,
    routing_gateway_key: int | None = None,
) -> int:
    """Open an empty ledger account, of the house where it names no owner; its key."""
    return await insert_row(
        conn,
        ledger_account,
        kind=kind.value,
        currency=currency,
        account_key=account_key,
        routing_gateway_key=routing_gateway_key,
        balance_micros=0,
    )


async def of_house(conn: AsyncConnection, kind: LedgerKind) -> int:
    """The ledger account of that kind that the house itself holds. Raises StoreError where there is none."""
    return await conn.run_sync(read_of_house, kind)


def read_of_house(conn: Connection, kind: LedgerKind) -> int:
    """The same for a thread."""
    house = ledger_account.c.account_key.is_(None) & ledger_account.c.routing_gateway_key.is_(None)
    found = conn.execute(select(ledger_account.c.key).where(house, ledger_account.c.kind == kind.value))
    keys: Sequence[int] = found.scalars().all()
    if len(keys) != 1:
        raise StoreError(f"the house has {len(keys)} {kind} ledger accounts, not 1: load a data set first")
    return keys[0]


async def balances(conn: AsyncConnection) -> dict[int, Micros]:
    """Balance of every ledger account."""
    query = select(ledger_account.c.key, ledger_account.c.balance_micros)
    return dict((await conn.execute(query)).all())


def read_balances(conn: Connection) -> Iterator[tuple[int, Micros]]:
    """Every ledger account with a balance; for a thread, there may be millions."""
    yield from plainly(conn, "SELECT key, balance_micros FROM ledger_account WHERE balance_micros <> 0")


async def post(conn: AsyncConnection, entry: Entry, origin: str) -> bool:
    """Write an entry; False where it was written before: then nothing changes.

    `conn` holds the write lock (Database.writing). `origin` says who posts ("web", "dataset"). The change
    feed gets a row, so that the proxy follows. Raises ValueError where the postings do not sum to zero in
    every currency or name no ledger account, KeyConflictError where the key was used for something else.
    """
    currencies = await _currencies(conn, {posted.ledger for posted in entry.postings})
    journal.check(entry, currencies)
    before = await conn.run_sync(read_entry, entry.key)
    if before is not None:
        if before != entry:
            raise KeyConflictError(f"entry {entry.key}: this key was used before, with other content")
        return False

    newest = select(journal_entry.c.key, journal_entry.c.hash).order_by(journal_entry.c.key.desc()).limit(1)
    last_key, previous = (await conn.execute(newest)).one_or_none() or (0, journal.GENESIS)
    key = last_key + 1
    pairs = [(posted.ledger, posted.amount_micros) for posted in entry.postings]
    await conn.execute(
        insert_into(journal_entry).values(
            key=key,
            idempotency_key=entry.key,
            kind=entry.kind,
            at_ms=entry.at_ms,
            origin=origin,
            memo=entry.memo,
            previous_hash=previous,
            hash=journal.link(previous, key, entry.key, entry.kind, entry.at_ms, origin, entry.memo, pairs),
        )
    )
    for position, (ledger, micros) in enumerate(pairs):
        values = {"entry": key, "position": position, "ledger": ledger, "amount_micros": micros}
        await conn.execute(insert_into(posting).values(values))
        await conn.execute(
            update(ledger_account)
            .where(ledger_account.c.key == ledger)
            .values(balance_micros=ledger_account.c.balance_micros + micros)
        )
    await feed.record(conn, "ledger", "post", entry.key)
    return True


async def entry(conn: AsyncConnection, key: str) -> Entry | None:
    """The entry with that idempotency key."""
    return await conn.run_sync(read_entry, key)


def read_entry(conn: Connection, key: str) -> Entry | None:
    """The same for a thread."""
    head = conn.execute(select(journal_entry).where(journal_entry.c.idempotency_key == key)).one_or_none()
    if head is None:
        return None
    rows = conn.execute(
        select(posting.c.ledger, posting.c.amount_micros)
        .where(posting.c.entry == head.key)
        .order_by(posting.c.position)
    )
    return Entry(key, head.kind, head.at_ms, tuple(Posting(*row) for row in rows), head.memo)


async def verify(conn: AsyncConnection) -> VerifyReport:
    """Replay the whole journal and compare. `conn` is in a read transaction; memory does not grow with it."""
    report = VerifyReport()
    try:
        await _replay(conn, report)
    except DatabaseError as error:
        report.unreadable = str(error.orig)
    except (LookupError, TypeError, ValueError) as error:
        # STRICT and foreign keys hold for what is written, not for what a damaged page reads as.
        report.unreadable = f"a row makes no sense: {error!r}"
    return report


async def _currencies(conn: AsyncConnection, ledgers: set[int]) -> dict[int, str]:
    query = select(ledger_account.c.key, ledger_account.c.currency).where(ledger_account.c.key.in_(ledgers))
    return dict((await conn.execute(query)).all())


async def _replay(conn: AsyncConnection, report: VerifyReport) -> None:
    stored = (await conn.execute(select(ledger_account))).all()
    replay = _Replay(report, {row.key: row.currency for row in stored})
    query = (
        select(journal_entry, posting)
        .outerjoin(posting, posting.c.entry == journal_entry.c.key)
        .order_by(journal_entry.c.key, posting.c.position)
    )
    async with conn.stream(query, execution_options={"yield_per": 2_000}) as rows:
        async for row in rows:
            replay.take(row)
    replay.end_entry()
    if report.broken_link is None:
        orphaned = posting.c.entry.not_in(select(journal_entry.c.key))
        report.broken_link = await conn.scalar(select(func.min(posting.c.entry)).where(orphaned))
    for row in stored:
        if row.balance_micros != replay.sums[row.key]:
            report.drifts.append(Drift(row.key, row.balance_micros, replay.sums[row.key]))


class _Replay:
    """Follows the journal row by row: one row per posting, each with its whole entry."""

    def __init__(self, report: VerifyReport, currencies: dict[int, str]) -> None:
        self._report = report
        self._currencies = currencies
        self.sums = dict.fromkeys(currencies, 0)
        report.residual_micros = dict.fromkeys(sorted(set(currencies.values())), 0)
        self._entry: Any = None
        self._pairs: list[tuple[int, Micros]] = []
        self._in_place = True
        self._expected_key = 1
        self._previous = journal.GENESIS

    def take(self, row: Any) -> None:
        if self._entry is None or row.key != self._entry.key:
            self.end_entry()
            self._entry, self._pairs, self._in_place = row, [], True
        if row.ledger is not None:
            # A seek in a damaged page can end at a row that does not belong here.
            self._in_place = self._in_place and (row.entry, row.position) == (row.key, len(self._pairs))
            self._pairs.append((row.ledger, row.amount_micros))

    def end_entry(self) -> None:
        """The entry is complete: add it up and see whether it is linked to the one before."""
        entry, report = self._entry, self._report
        if entry is None:
            return
        report.entries += 1
        report.postings += len(self._pairs)
        residual: dict[str, Micros] = {}
        for ledger, micros in self._pairs:
            self.sums[ledger] += micros
            currency = self._currencies[ledger]
            residual[currency] = residual.get(currency, 0) + micros
        for currency, micros in residual.items():
            report.residual_micros[currency] += micros
        if any(residual.values()) and len(report.unbalanced) < _LISTED:
            report.unbalanced.append(entry.key)
        if report.broken_link is None and not self._is_linked(entry):
            report.broken_link = self._expected_key
        self._expected_key, self._previous = entry.key + 1, entry.hash

    def _is_linked(self, entry: Any) -> bool:
        found = (entry.key, entry.previous_hash, entry.hash)
        told = (entry.key, entry.idempotency_key, entry.kind, entry.at_ms, entry.origin, entry.memo)
        linked = journal.link(self._previous, *told, self._pairs)
        return self._in_place and found == (self._expected_key, self._previous, linked)
