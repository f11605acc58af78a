"""Sessions of people: a random token in a cookie, of which the database holds the SHA-256.

The token is 256 random bits, so its hash needs no slow function: nobody guesses it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.desk import Act, Desk
from sipguard.manage.errors import NotFoundError
from sipguard.model.actor import Actor, Role, Via
from sipguard.store.login import login, session

SEEN_EVERY_MS = 60_000
"""How exactly it is kept when a session was last used: not a write per request."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is known to whoever holds its token."""

    actor: Actor
    csrf_token: str
    expires_ms: int
    must_change: bool
    """Nothing may be done before the password was changed."""
    totp: bool
    """Whether the login has a second factor."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session, and the token that it is known by."""

    token: str
    session: Session


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as the list of them shows it."""

    id: str
    """By which it can be ended; not what it is known by."""
    created_ms: int
    seen_ms: int
    source: str
    user_agent: str


async def begin(
    conn: AsyncConnection, desk: Desk, login_row: Any, source: str, user_agent: str, now_ms: int
) -> SignedIn:
    """A new session of a login. `conn` holds the write lock."""
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    expires_ms = now_ms + desk.rules.session_ms
    await conn.execute(delete(session).where(session.c.expires_ms <= now_ms))
    await conn.execute(
        session.insert().values(
            token_hash=_sha256(token),
            login_key=login_row.key,
            csrf_token=csrf_token,
            created_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=expires_ms,
            source=source,
            user_agent=user_agent[:200],
        )
    )
    return SignedIn(token, _session(login_row, csrf_token, expires_ms))


async def of_token(desk: Desk, token: str) -> Session | None:
    """Whose token this is; None where it is nobody's any more."""
    now_ms = desk.clock_ms()
    query = (
        select(login, session.c.csrf_token, session.c.expires_ms, session.c.seen_ms)
        .join(session, session.c.login_key == login.c.key)
        .where(session.c.token_hash == _sha256(token))
    )
    async with desk.store.reading() as conn:
        row = (await conn.execute(query)).one_or_none()
    if row is None or row.locked or now_ms >= min(row.expires_ms, row.seen_ms + desk.rules.session_idle_ms):
        return None
    if now_ms - row.seen_ms >= SEEN_EVERY_MS:
        async with desk.store.writing() as conn:
            mine = session.c.token_hash == _sha256(token)
            await conn.execute(update(session).where(mine).values(seen_ms=now_ms))
    return _session(row, row.csrf_token, row.expires_ms)


async def end(desk: Desk, token: str) -> None:
    """Whoever has the token is nobody any more."""
    async with desk.store.writing() as conn:
        await conn.execute(delete(session).where(session.c.token_hash == _sha256(token)))


async def rotate(conn: AsyncConnection, desk: Desk, token: str, now_ms: int) -> SignedIn:
    """A new token for a session whose login has changed; every other session of the login is over.

    `conn` holds the write lock. Who has got hold of the old token has nothing (OWASP ASVS 7.2.4).
    """
    query = (
        select(login, session.c.source, session.c.user_agent)
        .join(session, session.c.login_key == login.c.key)
        .where(session.c.token_hash == _sha256(token))
    )
    row = (await conn.execute(query)).one()
    await end_all(conn, row.key)
    return await begin(conn, desk, row, row.source, row.user_agent, now_ms)


async def end_all(conn: AsyncConnection, login_key: int) -> None:
    """All sessions of a login are over. `conn` holds the write lock."""
    await conn.execute(delete(session).where(session.c.login_key == login_key))


async def listed(conn: AsyncConnection, login_key: int, now_ms: int) -> list[SessionInfo]:
    """The sessions of a login, the newest first."""
    mine = (session.c.login_key == login_key) & (session.c.expires_ms > now_ms)
    rows = await conn.execute(select(session).where(mine).order_by(session.c.created_ms.desc()))
    return [
        SessionInfo(_id(row.token_hash), row.created_ms, row.seen_ms, row.source, row.user_agent)
        for row in rows
    ]


async def end_one(act: Act, login_key: int, id: str) -> None:
    """End the session of that id. Raises NotFoundError."""
    rows = await act.conn.execute(select(session.c.token_hash).where(session.c.login_key == login_key))
    found = [token_hash for (token_hash,) in rows if _id(token_hash) == id]
    if not found:
        raise NotFoundError("session", id)
    await act.conn.execute(delete(session).where(session.c.token_hash == found[0]))


def _session(row: Any, csrf_token: str, expires_ms: int) -> Session:
    actor = Actor(row.username, Role(row.role), Via.SESSION, row.key, row.account_key)
    return Session(actor, csrf_token, expires_ms, row.must_change, row.totp_secret is not None)


def _id(token_hash: bytes) -> str:
    # A hash of the hash: the list of sessions must not tell what a database would be searched by.
    return hashlib.sha256(token_hash).hexdigest()[:16]


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
