"""Credentials of phones and mapping gateways: HA1 hashes, never a password."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Column, Connection, ForeignKey, Table, Text, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.credential import Credential
from sipguard.store.gateway import mapping_gateway
from sipguard.store.metadata import metadata
from sipguard.store.phone import phone

credential = Table(
    "credential",
    metadata,
    Column("username", Text, primary_key=True),
    Column("realm", Text, nullable=False),
    Column("ha1_md5", Text, nullable=False),
    Column("ha1_sha256", Text, nullable=False),
    Column("ha1_sha512_256", Text, nullable=False),
    Column("phone_key", ForeignKey("phone.key")),
    Column("mapping_gateway_key", ForeignKey("mapping_gateway.key")),
)


class Listed(NamedTuple):
    """A credential as people are shown it."""

    username: str
    realm: str
    phone_id: str | None
    mapping_gateway_id: str | None


async def all_credentials(conn: AsyncConnection) -> list[Credential]:
    return await conn.run_sync(read_credentials)


def read_credentials(conn: Connection, username: str | None = None) -> list[Credential]:
    """All, or that of a username; for a thread."""
    query = select(*(credential.c[name] for name in Credential.__slots__))
    if username is not None:
        query = query.where(credential.c.username == username)
    return [Credential(*row) for row in conn.execute(query)]


async def listed(conn: AsyncConnection) -> list[Listed]:
    """All of them by name, with the ids of whose they are."""
    query = (
        select(credential.c.username, credential.c.realm, phone.c.id, mapping_gateway.c.id)
        .outerjoin(phone, credential.c.phone_key == phone.c.key)
        .outerjoin(mapping_gateway, credential.c.mapping_gateway_key == mapping_gateway.c.key)
        .order_by(credential.c.username)
    )
    return [Listed._make(row) for row in await conn.execute(query)]


async def put(conn: AsyncConnection, told: Credential) -> None:
    """Add a credential, or replace the one of this username: its hashes, and whose it is."""
    values = {name: getattr(told, name) for name in Credential.__slots__}
    statement = insert(credential).values(values)
    await conn.execute(statement.on_conflict_do_update(index_elements=["username"], set_=values))


async def remove(conn: AsyncConnection, username: str) -> bool:
    """Forget one; False where there is none."""
    return bool((await conn.execute(delete(credential).where(credential.c.username == username))).rowcount)
