"""Gateways as they were when they were last looked at, so that a change is noticed over restarts, too."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Column, Table, Text, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import metadata

known_gateway = Table(
    "known_gateway",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("content", Text, nullable=False),
)


async def known(conn: AsyncConnection) -> dict[tuple[str, str], str]:
    """Content by kind and id; JSON."""
    return {(kind, id): content for kind, id, content in await conn.execute(select(known_gateway))}


async def keep(conn: AsyncConnection, changed: Mapping[tuple[str, str], str | None]) -> None:
    """These are so now; None: it is no more."""
    places = [{"of": kind, "named": id} for kind, id in changed]
    rows = [
        {"kind": kind, "id": id, "content": content}
        for (kind, id), content in changed.items()
        if content is not None
    ]
    if places:
        await conn.execute(_DELETE, places)
    if rows:
        await conn.execute(insert(known_gateway), rows)


_DELETE = delete(known_gateway).where(
    known_gateway.c.kind == bindparam("of"), known_gateway.c.id == bindparam("named")
)
