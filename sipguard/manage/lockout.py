"""How guessing is slowed down without keeping anybody else out.

Who fails too often waits: at first a second, then twice as long each time. What waits is a name from one
address, or an address whatever the name; never a name alone, because then anybody could keep its owner out
by failing on purpose. A browser that its owner has signed in with before has a count of its own, so that not
even failures from the same address hurt it.

An attempt counts as failed from its beginning, so that many at once gain nothing.
"""

from __future__ import annotations

import ipaddress

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.errors import ManageError
from sipguard.store.login import login_attempt
from sipguard.store.metadata import insert_row

WINDOW_MS = 15 * 60_000
"""Failures before that are forgotten."""
FREE = 5
"""Failures of one name from one place that cost nothing: people mistype."""
FREE_PLACE = 50
"""Failures from one place under any name: an office behind one address has many people."""
WAIT_MAX_MS = 15 * 60_000
WAIT_PLACE_MAX_MS = 60_000
KEPT_MS = 90 * 86_400_000
"""How long attempts are kept to be shown."""


class WaitError(ManageError):
    """Too many failures. The same whether there is such a login or not."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__("too many attempts that failed: wait")
        self.wait_seconds = -(-wait_ms // 1000)


def place_of(source: str) -> str:
    """What one party can easily have all of: an IPv4 address, the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


async def begin(conn: AsyncConnection, username: str, source: str, device: str | None, now_ms: int) -> int:
    """Note an attempt; its key. `conn` holds the write lock. Raises WaitError.

    `device`: a browser that this login is known to use, whose failures are counted apart.
    """
    place = device or place_of(source)
    table = login_attempt
    here = table.c.network == place
    mine = table.c.username == username[:64]
    wait_ms = await _wait_ms(conn, (mine, here), now_ms, FREE, WAIT_MAX_MS)
    if device is None:
        wait_ms = max(wait_ms, await _wait_ms(conn, (here,), now_ms, FREE_PLACE, WAIT_PLACE_MAX_MS))
    if wait_ms > 0:
        raise WaitError(wait_ms)
    return await insert_row(
        conn, table, at_ms=now_ms, username=username[:64], source=source, network=place, outcome="refused"
    )


async def succeeded(conn: AsyncConnection, attempt: int, now_ms: int) -> None:
    """What was begun was right. `conn` holds the write lock."""
    table = login_attempt
    await conn.execute(update(table).where(table.c.key == attempt).values(outcome="done"))
    await conn.execute(delete(table).where(table.c.at_ms < now_ms - KEPT_MS))


async def latest(conn: AsyncConnection, username: str, limit: int = 20) -> list[tuple[int, str, str]]:
    """The newest attempts under a name: at_ms, source, outcome."""
    table = login_attempt
    query = (
        select(table.c.at_ms, table.c.source, table.c.outcome)
        .where(table.c.username == username)
        .order_by(table.c.at_ms.desc(), table.c.key.desc())
        .limit(limit)
    )
    return [(at_ms, source, outcome) for at_ms, source, outcome in await conn.execute(query)]


async def _wait_ms(
    conn: AsyncConnection, which: tuple[ColumnElement[bool], ...], now_ms: int, free: int, most_ms: int
) -> int:
    table = login_attempt
    recent = (*which, table.c.at_ms > now_ms - WINDOW_MS)
    # Who has just been right has begun anew.
    right = select(func.max(table.c.key)).where(*recent, table.c.outcome == "done").scalar_subquery()
    query = select(func.count(), func.max(table.c.at_ms)).where(
        *recent, table.c.outcome == "refused", table.c.key > func.coalesce(right, 0)
    )
    failed, last_ms = (await conn.execute(query)).one()
    if failed < free:
        return 0
    wait_ms: int = min(most_ms, 1_000 << min(failed - free, 20))
    return int(last_ms) + wait_ms - now_ms
