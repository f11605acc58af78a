"""Secrets of the house that outlive a restart: made once, at random, when first asked for."""

from __future__ import annotations

import secrets

from sqlalchemy import Column, LargeBinary, Table, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.store.metadata import metadata

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

NONCE_KEY = "nonce_key"
"""Signs the nonces of digest authentication."""

_BYTES = 32


async def of(conn: AsyncConnection, name: str) -> bytes:
    """The 32 bytes of this secret. `conn` holds the write lock (Database.writing)."""
    known: bytes | None = await conn.scalar(select(secret.c.value).where(secret.c.name == name))
    if known is not None:
        return known
    made = secrets.token_bytes(_BYTES)
    await conn.execute(insert(secret).values(name=name, value=made))
    return made
