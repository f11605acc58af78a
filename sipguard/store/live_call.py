"""Answered calls, kept so that a restart knows them again. Written by the writer, read at the start."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import Column, Integer, LargeBinary, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import metadata

live_call = Table(
    "live_call",
    metadata,
    Column("call", Integer, primary_key=True),
    Column("answered_ms", Integer, nullable=False),
    Column("ended_ms", Integer),
    Column("dialog", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
)


class LiveCall(NamedTuple):
    """An answered call, and what is needed to go on with it."""

    call: int
    answered_ms: int
    ended_ms: int | None
    """When its end was found, which may be later than it ended; None while it is up. Ended calls stay for
    a while: their retransmissions may still come."""
    dialog: bytes
    """For Engine.restore."""
    state: bytes
    """What the proxy keeps of its own."""


async def load_live(conn: AsyncConnection) -> list[LiveCall]:
    """Every call that is up, and the ended ones not pruned yet, oldest first."""
    return [LiveCall._make(row) for row in await conn.execute(select(live_call).order_by(live_call.c.call))]


async def prune(conn: AsyncConnection, ended_before_ms: int) -> int:
    """Forget the calls that ended before; how many."""
    return (await conn.execute(delete(live_call).where(live_call.c.ended_ms < ended_before_ms))).rowcount


async def name(conn: AsyncConnection, account_id: str) -> bool:
    """Whether a saved call that is up may be of an account or of one below it, by its id in the saved state.

    For when no daemon runs to be asked. A call that names the id otherwise counts too: who asks wants to be
    sure that there is none.
    """
    needle = msgspec.msgpack.encode(account_id)
    query = select(live_call.c.state).where(live_call.c.ended_ms.is_(None))
    return any(needle in state for state in (await conn.execute(query)).scalars())
