"""API keys: who a program is. "sg_ID_SECRET", of which the database holds the SHA-256 of the secret."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from pydantic import Field
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage import login as logins
from sipguard.manage.desk import Act, Desk, View
from sipguard.manage.errors import ForbiddenError, InvalidError, NotFoundError
from sipguard.manage.values import Form, Name
from sipguard.model.actor import Actor, Role, Via
from sipguard.store.login import api_key, login
from sipguard.store.metadata import insert_row

SEEN_EVERY_MS = 60_000
"""How exactly it is kept when a key was last used: not a write per request."""

_NONE = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class ApiKeyInfo:
    """A key as it is listed; what it is used by is kept nowhere."""

    id: str
    name: str
    read_only: bool
    nouns: list[str] | None
    """What it is for, as in ["accounts", "payments"]; None: everything that its login may do."""
    created_ms: int
    expires_ms: int | None
    seen_ms: int | None
    """When it was last used, to the minute."""


@dataclass(frozen=True, slots=True)
class NewApiKey(ApiKeyInfo):
    """A key that was just made."""

    text: str
    """To be sent as a bearer token. Told once."""


class KeyForm(Form):
    """A key to be."""

    name: Name = Field(description="What it is for, so that people know it when they see it listed.")
    read_only: bool = False
    nouns: list[str] | None = Field(
        None, max_length=50, description="Parts of the API that it is for, by their tags; null: all."
    )
    expires_ms: int | None = Field(
        None, ge=0, le=253_402_300_799_000, description="Unix milliseconds; null: never."
    )


async def of_text(desk: Desk, text: str) -> Actor | None:
    """Whose key this is; None where it is nobody's, or its time is over."""
    prefix, _, rest = text.partition("_")
    id, _, secret = rest.partition("_")
    if prefix != "sg" or not id or not secret:
        return None
    query = (
        select(login, *(api_key.c[name].label(f"key_{name}") for name in _NEEDED))
        .join(api_key, api_key.c.login_key == login.c.key)
        .where(api_key.c.id == id)
    )
    async with desk.store.reading() as conn:
        row = (await conn.execute(query)).one_or_none()
    now_ms = desk.clock_ms()
    right = hmac.compare_digest(_NONE if row is None else row.key_secret_hash, _sha256(secret))
    if row is None or not right or row.locked:
        return None
    if row.key_expires_ms is not None and now_ms >= row.key_expires_ms:
        return None
    if now_ms - (row.key_seen_ms or 0) >= SEEN_EVERY_MS:
        async with desk.store.writing() as conn:
            await conn.execute(update(api_key).where(api_key.c.id == id).values(seen_ms=now_ms))
    nouns = None if row.key_nouns is None else frozenset(row.key_nouns)
    return Actor(row.username, Role(row.role), Via.KEY, row.key, row.account_key, row.key_read_only, nouns)


async def insert(conn: AsyncConnection, login_key: int, form: KeyForm, now_ms: int) -> NewApiKey:
    """Make a key. `conn` holds the write lock."""
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    values = form.model_dump()
    await insert_row(
        conn,
        api_key,
        id=id,
        login_key=login_key,
        secret_hash=_sha256(secret),
        created_ms=now_ms,
        **values,
    )
    return NewApiKey(id=id, created_ms=now_ms, seen_ms=None, text=f"sg_{id}_{secret}", **values)


async def listed(view: View, username: str) -> list[ApiKeyInfo]:
    """The keys of a login, the newest first. Raises NotFoundError."""
    row = await logins.found(view, username)
    query = select(api_key).where(api_key.c.login_key == row.key).order_by(api_key.c.key.desc())
    return [
        ApiKeyInfo(**{name: one[name] for name in ApiKeyInfo.__slots__})
        for one in (await view.conn.execute(query)).mappings()
    ]


async def create(act: Act, username: str, form: KeyForm) -> NewApiKey:
    """Make a key for a login: its own, or one in scope (authorization 1).

    Raises ForbiddenError, NotFoundError, InvalidError. Keys do not make keys of their own login, and none
    that may do more than they: who has found one would never lose it.
    """
    row = await logins.managed(act, username)
    if act.actor.via is Via.KEY and (row.key == act.actor.login_key or act.actor.nouns is not None):
        raise ForbiddenError("a key does not make keys for its own login: sign in")
    if form.expires_ms is not None and form.expires_ms <= act.now_ms:
        raise InvalidError.of("expires_ms", "is over already")
    made = await insert(act.conn, row.key, form, act.now_ms)
    await act.changed("api_key", made.id, row.account_key, login=row.username, after=form.model_dump())
    return made


async def revoke(act: Act, username: str, id: str) -> None:
    """A key is good for nothing from now on. Raises ForbiddenError, NotFoundError."""
    row = await logins.managed(act, username)
    mine = (api_key.c.login_key == row.key) & (api_key.c.id == id)
    if (await act.conn.execute(delete(api_key).where(mine))).rowcount == 0:
        raise NotFoundError("api_key", id)
    await act.changed("api_key", id, row.account_key, login=row.username)


_NEEDED = ("secret_hash", "read_only", "expires_ms", "seen_ms", "nouns")


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
