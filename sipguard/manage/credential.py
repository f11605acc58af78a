"""Passwords of phones and trunks: given and taken away, with a row in the change feed for the daemon."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.desk import Act
from sipguard.model.credential import hashed
from sipguard.store import credential, feed, gateway, phone

PASSWORD_BYTES = 15
"""Of a made-up password: 20 characters of 6 bits."""


@dataclass(frozen=True, slots=True)
class Told:
    """What has to be typed into a phone or a trunk, told once."""

    id: str
    username: str
    password: str | None
    """None where the client chose it."""


class UnknownError(Exception):
    """There is no such user, phone or gateway; the message says which."""


async def set_password(
    conn: AsyncConnection,
    username: str,
    password: str,
    realm: str,
    phone_id: str | None = None,
    gateway_id: str | None = None,
) -> None:
    """Make `username` known by `password`. Whose it is need not be told of a user that there is already.

    `conn` holds the write lock. Raises UnknownError.
    """
    phone_key = mapping_gateway_key = None
    if phone_id is not None:
        phone_key = await conn.scalar(select(phone.phone.c.key).where(phone.phone.c.id == phone_id))
        if phone_key is None:
            raise UnknownError(f"there is no phone {phone_id}")
    elif gateway_id is not None:
        table = gateway.mapping_gateway
        mapping_gateway_key = await conn.scalar(select(table.c.key).where(table.c.id == gateway_id))
        if mapping_gateway_key is None:
            raise UnknownError(f"there is no mapping gateway {gateway_id}")
    else:
        known = {one.username: one for one in await credential.all_credentials(conn)}.get(username)
        if known is None:
            raise UnknownError(f"there is no user {username}: say whose it is with --phone or --gateway")
        phone_key, mapping_gateway_key = known.phone_key, known.mapping_gateway_key
    told = hashed(username, realm, password, phone_key=phone_key, mapping_gateway_key=mapping_gateway_key)
    await credential.put(conn, told)
    await feed.record(conn, "credential", "set", username)


async def remove(conn: AsyncConnection, username: str) -> None:
    """Forget a user. `conn` holds the write lock. Raises UnknownError."""
    if not await credential.remove(conn, username):
        raise UnknownError(f"there is no user {username}")
    await feed.record(conn, "credential", "remove", username)


async def give(
    act: Act,
    id: str,
    username: str,
    password: str | None,
    *,
    phone_key: int | None = None,
    mapping_gateway_key: int | None = None,
) -> Told:
    """Make a phone, or a mapping gateway, known by a password; None: one is made up."""
    made_up = secrets.token_urlsafe(PASSWORD_BYTES) if password is None else None
    told = hashed(
        username,
        act.desk.rules.realm,
        password or made_up or "",
        phone_key=phone_key,
        mapping_gateway_key=mapping_gateway_key,
    )
    await credential.put(act.conn, told)
    return Told(id, username, made_up)


async def take(act: Act, username: str, noun: str, id: str) -> None:
    """Have a phone, or a mapping gateway, known by no password any more."""
    owner = await owner_key(act, noun, id)
    await credential.remove(act.conn, username)
    await act.changed(noun, id, owner, username=None)


async def owner_key(act: Act, noun: str, id: str) -> int | None:
    """The account whose a phone, or a mapping gateway, is."""
    table = phone.phone if noun == "phone" else gateway.mapping_gateway
    found: int | None = await act.conn.scalar(select(table.c.account_key).where(table.c.id == id))
    return found
