"""What webhooks are still to be told: kept, so that no restart and no receiver that is down loses it."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Integer, Table, Text, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import metadata

KEPT = 10_000
"""Messages that may wait; the oldest go first."""

alert_delivery = Table(
    "alert_delivery",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_ms", Integer, nullable=False),
)


class Delivery(msgspec.Struct, frozen=True):
    """A message for one receiver. Times are Unix milliseconds."""

    key: int
    url: str
    body: str
    at_ms: int
    """When it was written."""
    attempts: int
    """That failed."""
    next_ms: int
    """When it is tried next."""


async def add(conn: AsyncConnection, url: str, body: str, at_ms: int) -> None:
    """Have a message sent as soon as may be."""
    await conn.execute(
        insert(alert_delivery).values(url=url, body=body, at_ms=at_ms, attempts=0, next_ms=at_ms)
    )
    newest = select(func.max(alert_delivery.c.key)).scalar_subquery()
    await conn.execute(delete(alert_delivery).where(alert_delivery.c.key <= newest - KEPT))


async def due(conn: AsyncConnection, now_ms: int, limit: int) -> list[Delivery]:
    """Those whose time has come, the oldest first."""
    query = select(alert_delivery).where(alert_delivery.c.next_ms <= now_ms)
    rows = await conn.execute(query.order_by(alert_delivery.c.key).limit(limit))
    return [Delivery(*row) for row in rows]


async def done(conn: AsyncConnection, key: int) -> None:
    """It has arrived, or is given up."""
    await conn.execute(delete(alert_delivery).where(alert_delivery.c.key == key))


async def failed(conn: AsyncConnection, key: int, next_ms: int) -> None:
    """It has not arrived, and is tried again."""
    await conn.execute(
        update(alert_delivery)
        .where(alert_delivery.c.key == key)
        .values(attempts=alert_delivery.c.attempts + 1, next_ms=next_ms)
    )
