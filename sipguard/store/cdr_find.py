"""Finding call records among a hundred million: block by block, and only where there may be one.

Which blocks may hold a record is known for the time window and for accounts; all else is compared row by
row. The newest block is not listed yet and always read.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.cdr import Cdr, Outcome
from sipguard.store.cdr import cdr, from_row, sip_hash
from sipguard.store.cdr_block import (
    BLOCK_BITS,
    cdr_block,
    cdr_block_account,
    cdr_block_call_id,
    cdr_retention,
)

_PROBED_ACCOUNTS = 50
"""Up to so many accounts are looked up in a block one by one; for more its list is read through."""


class Wanted(NamedTuple):
    """Which records; None: any. All that is given has to hold."""

    account_ids: tuple[str, ...] | None = None
    """Accounts that called."""
    called: str | None = None
    """Front of the called number as judged; of the one received, without +, where none was judged."""
    calling: str | None = None
    """Front of the calling number, likewise."""
    gateway_id: str | None = None
    """A mapping gateway that brought the call, or a routing gateway that was asked."""
    outcome: Outcome | None = None
    status: tuple[int, int] | None = None
    """First and last SIP status, both included."""
    reason: str | None = None
    sip_call_id: str | None = None
    from_ms: int | None = None
    """Unix milliseconds, included."""
    till_ms: int | None = None
    """Unix milliseconds, not included."""
    by: Literal["invited", "ended"] = "invited"
    """Which moment of a call has to lie between these two."""


class Stored(NamedTuple):
    """A record with its number in the order of writing."""

    sequence: int
    cdr: Cdr


async def newest(
    conn: AsyncConnection, wanted: Wanted, *, limit: int, before: int | None = None
) -> list[Stored]:
    """The newest records in the order of writing, newest first; `before`: older than this sequence."""
    query = _query(wanted)
    if before is not None:
        query = query.where(cdr.c.sequence < before)
    if wanted.sip_call_id is not None:
        return await _of_call_id(conn, query, wanted.sip_call_id, limit)
    found: list[Stored] = []
    block = await _newest_block(conn)
    if before is not None and block is not None and (before - 1) >> BLOCK_BITS < block:
        block = await _next_down(conn, wanted, ((before - 1) >> BLOCK_BITS) + 1)
    while block is not None and len(found) < limit:
        rows = query.where(_in(block)).order_by(cdr.c.sequence.desc()).limit(limit - len(found))
        found += await _read(conn, rows)
        block = await _next_down(conn, wanted, block)
    return found


async def by_sip_call_id(conn: AsyncConnection, sip_call_id: str, *, limit: int = 100) -> list[Cdr]:
    """The records of a SIP Call-ID, newest first: more than one where a caller tried again with it."""
    return [stored.cdr for stored in await newest(conn, Wanted(sip_call_id=sip_call_id), limit=limit)]


class Page(NamedTuple):
    """Records in the order of writing, and how far they reach."""

    records: list[Stored]
    through: int
    """Everything up to this sequence was looked at."""
    newest: int
    """The newest sequence there is."""


async def after(conn: AsyncConnection, wanted: Wanted, sequence: int) -> Page | None:
    """The next records behind a sequence: of one block, so that memory stays small; None: there are no more.

    A page may be empty. Every record that is written later has a greater sequence, so one who goes on from
    `through` another day misses none and gets none twice.
    """
    last = await conn.scalar(select(func.max(cdr.c.sequence))) or 0
    block = await _next_up(conn, wanted, (sequence + 1) >> BLOCK_BITS)
    if block << BLOCK_BITS > last or sequence >= last:
        return None
    query = _query(wanted).where(_in(block), cdr.c.sequence > sequence)
    if wanted.sip_call_id is not None:
        hashed = cdr.c.sip_hash == sip_hash(wanted.sip_call_id)
        query = query.where(hashed, cdr.c.sip_call_id == wanted.sip_call_id)
    found = await _read(conn, query.order_by(cdr.c.sequence))
    return Page(found, min(last, _last(block)), last)


def _query(wanted: Wanted) -> Select[Any]:
    """Rows by everything but the block and the Call-ID."""
    moment = cdr.c.invited_ms if wanted.by == "invited" else cdr.c.ended_ms
    conditions: list[ColumnElement[bool]] = []
    if wanted.account_ids is not None:
        conditions.append(cdr.c.account_id.in_(_one_by_one(wanted.account_ids)))
    for column, received, front in (
        (cdr.c.called, cdr.c.called_received, wanted.called),
        (cdr.c.calling, cdr.c.calling_received, wanted.calling),
    ):
        if front is not None:
            number = func.coalesce(column, func.ltrim(received, "+"))
            conditions.append(func.substr(number, 1, len(front)) == front)
    if wanted.gateway_id is not None:
        tried = func.json_each(cdr.c.tries).table_valued("value")
        conditions.append(
            or_(
                cdr.c.mapping_gateway_id == wanted.gateway_id,
                cdr.c.routing_gateway_id == wanted.gateway_id,
                select(1).where(tried.c.value.op("->>")(literal(0)) == wanted.gateway_id).exists(),
            )
        )
    if wanted.outcome is not None:
        conditions.append(cdr.c.outcome == wanted.outcome.value)
    if wanted.status is not None:
        conditions.append(cdr.c.status.between(*wanted.status))
    if wanted.reason is not None:
        conditions.append(cdr.c.reason == wanted.reason)
    if wanted.from_ms is not None:
        conditions.append(moment >= wanted.from_ms)
    if wanted.till_ms is not None:
        conditions.append(moment < wanted.till_ms)
    return select(cdr).where(*conditions)


async def _of_call_id(
    conn: AsyncConnection, query: Select[Any], sip_call_id: str, limit: int
) -> list[Stored]:
    """By the lists of all full blocks, one probe in each, and by reading the rest."""
    hashed = sip_hash(sip_call_id)
    query = query.where(cdr.c.sip_call_id == sip_call_id).order_by(cdr.c.sequence.desc()).limit(limit)
    listed_through = _last(await _listed_last(conn))
    found = await _read(conn, query.where(cdr.c.sequence > listed_through, cdr.c.sip_hash == hashed))
    # Not as a join: SQLite would read the whole list from its beginning and look each row's block up.
    probed = cdr_block_call_id.c.block.in_(select(cdr_block.c.block))
    sequences = select(cdr_block_call_id.c.sequence).where(probed, cdr_block_call_id.c.sip_hash == hashed)
    return (found + await _read(conn, query.where(cdr.c.sequence.in_(sequences))))[:limit]


async def _newest_block(conn: AsyncConnection) -> int | None:
    last = await conn.scalar(select(func.max(cdr.c.sequence)))
    return None if last is None else last >> BLOCK_BITS


async def _listed_last(conn: AsyncConnection) -> int:
    """The last block that is full and listed; without any, the one before the first record's."""
    dropped = select((cdr_retention.c.dropped_through + 1).op(">>")(literal(BLOCK_BITS)) - 1)
    listed: int | None = await conn.scalar(select(func.max(cdr_block.c.block)))
    return listed if listed is not None else int(await conn.scalar(dropped) or 0)


async def _next_down(conn: AsyncConnection, wanted: Wanted, block: int) -> int | None:
    """The next older block that may hold a record."""
    if block - 1 > await _listed_last(conn):
        return block - 1
    query = _blocks(wanted).where(cdr_block.c.block < block)
    below: int | None = await conn.scalar(query.order_by(cdr_block.c.block.desc()).limit(1))
    return below


async def _next_up(conn: AsyncConnection, wanted: Wanted, block: int) -> int:
    """The first block from `block` on that may hold a record; beyond the newest where none does."""
    query = _blocks(wanted).where(cdr_block.c.block >= block)
    above: int | None = await conn.scalar(query.order_by(cdr_block.c.block).limit(1))
    return above if above is not None else max(block, await _listed_last(conn) + 1)


def _blocks(wanted: Wanted) -> Select[Any]:
    """The listed blocks that may hold a record, by what their lists say."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.from_ms is not None:
        conditions.append(cdr_block.c[f"last_{wanted.by}_ms"] >= wanted.from_ms)
    if wanted.till_ms is not None:
        conditions.append(cdr_block.c[f"first_{wanted.by}_ms"] < wanted.till_ms)
    if wanted.account_ids is not None:
        account_id = cdr_block_account.c.account_id
        # An expression is no column of the key: the list of the block is read through, once.
        compared = account_id if len(wanted.account_ids) <= _PROBED_ACCOUNTS else account_id.concat("")
        of_block = cdr_block_account.c.block == cdr_block.c.block
        conditions.append(select(1).where(of_block, compared.in_(_one_by_one(wanted.account_ids))).exists())
    return select(cdr_block.c.block).where(*conditions)


def _one_by_one(ids: tuple[str, ...]) -> Select[Any]:
    """Ids out of one parameter: there may be more of them than a statement may have parameters."""
    return select(func.json_each(msgspec.json.encode(ids).decode()).table_valued("value").c.value)


def _in(block: int) -> ColumnElement[bool]:
    return cdr.c.sequence.between(block << BLOCK_BITS, _last(block))


def _last(block: int) -> int:
    return ((block + 1) << BLOCK_BITS) - 1


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[Stored]:
    return [Stored(row[0], from_row(row)) for row in await conn.execute(query)]
