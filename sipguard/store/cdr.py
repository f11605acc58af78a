"""Call detail records: written once by the writer, read here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Column, ForeignKey, Integer, Select, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.cdr import Cdr, GatewayTry, LevelCharge, Outcome
from sipguard.store.account import subtree
from sipguard.store.metadata import metadata

# The columns of all three are the fields of model.cdr, in their order (store.writer relies on the names).
cdr = Table(
    "cdr",
    metadata,
    Column("call", Integer, primary_key=True),
    Column("sip_call_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("account_id", Text),
    Column("mapping_gateway_id", Text),
    Column("routing_gateway_id", Text),
    Column("called_received", Text, nullable=False),
    Column("called", Text),
    Column("called_sent", Text),
    Column("calling_received", Text, nullable=False),
    Column("calling", Text),
    Column("invited_ms", Integer, nullable=False),
    Column("ringing_ms", Integer),
    Column("answered_ms", Integer),
    Column("ended_ms", Integer, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", Text),
    Column("q850", Integer),
    Column("ended_by", Text, nullable=False),
    Column("refusal_level", Text),
    Column("refusal_rule", Text),
    Column("refusal_observed", Text),
    Column("refusal_required", Text),
    Column("cost_micros", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("user_agent", Text, nullable=False),
)

cdr_level = Table(
    "cdr_level",
    metadata,
    Column("call", ForeignKey("cdr.call"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("ledger", Integer, nullable=False),
    Column("income_ledger", Integer, nullable=False),
    Column("rate_key", Integer),
    Column("rate_micros", Integer, nullable=False),
    Column("billed_seconds", Integer, nullable=False),
    Column("charge_micros", Integer, nullable=False),
    Column("balance_micros", Integer, nullable=False),
    Column("tax_ppm", Integer, nullable=False),
    Column("tax_micros", Integer, nullable=False),
)

cdr_try = Table(
    "cdr_try",
    metadata,
    Column("call", ForeignKey("cdr.call"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("gateway_id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("cause", Text, nullable=False),
)


async def newest(conn: AsyncConnection, *, limit: int, below: str | None = None) -> list[Cdr]:
    """The newest records, newest first; `below`: only of that account id and everything under it."""
    return await _read(conn, _of(select(cdr), below).order_by(cdr.c.call.desc()).limit(limit))


async def count(conn: AsyncConnection, *, below: str | None = None) -> int:
    """How many there are; `below` as for `newest`."""
    return int(await conn.scalar(_of(select(func.count()).select_from(cdr), below)) or 0)


async def by_call(conn: AsyncConnection, call: int) -> Cdr | None:
    """The record of our own call id."""
    found = await _read(conn, select(cdr).where(cdr.c.call == call))
    return found[0] if found else None


async def by_sip_call_id(conn: AsyncConnection, sip_call_id: str) -> list[Cdr]:
    """The records of a SIP Call-ID, newest first: more than one where a caller tried again with it."""
    return await _read(conn, select(cdr).where(cdr.c.sip_call_id == sip_call_id).order_by(cdr.c.call.desc()))


def _of(query: Select[Any], below: str | None) -> Select[Any]:
    return query if below is None else query.where(cdr.c.account_id.in_(select(subtree(below).c.id)))


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[Cdr]:
    rows = (await conn.execute(query)).mappings().all()
    calls = [row["call"] for row in rows]
    levels = await _parts(conn, cdr_level, calls)
    tries = await _parts(conn, cdr_try, calls)
    return [
        Cdr(
            **{**row, "outcome": Outcome(row["outcome"])},
            levels=tuple(LevelCharge(**part) for part in levels[row["call"]]),
            tries=tuple(GatewayTry(**part) for part in tries[row["call"]]),
        )
        for row in rows
    ]


_Parts: TypeAlias = dict[int, list[dict[str, Any]]]


async def _parts(conn: AsyncConnection, table: Table, calls: Sequence[int]) -> _Parts:
    """Rows of a table below the cdr, by call and in their order, without what only ties them to it."""
    parts: _Parts = defaultdict(list)
    untold = {"call"} if table is cdr_level else {"call", "position"}
    for first in range(0, len(calls), 500):  # SQLite binds a limited number of parameters in one statement
        few = calls[first : first + 500]
        query = select(table).where(table.c.call.in_(few)).order_by(table.c.call, table.c.position)
        for row in (await conn.execute(query)).mappings():
            parts[row["call"]].append({name: value for name, value in row.items() if name not in untold})
    return parts
