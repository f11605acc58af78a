"""Signing in, and who somebody is afterwards: sessions of people, API keys of programs.

A session token and the secret of a key are 256 random bits; the database holds their SHA-256, which needs no
slow hash because nobody guesses them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage import password as passwords
from sipguard.manage.desk import Desk
from sipguard.manage.errors import ConflictError, InvalidError, ManageError
from sipguard.model.actor import Actor, Role, Via
from sipguard.store.login import api_key, login, login_attempt, session
from sipguard.store.metadata import insert_row

IDLE_MS = 30 * 60_000
"""A session that nobody uses for so long is over."""
SESSION_MS = 12 * 3_600_000
"""A session is over after so long, used or not."""
SEEN_EVERY_MS = 60_000
"""How exactly it is kept when a session was last used: not a write per request."""


class SignInError(ManageError):
    """The same for a wrong name, a wrong password, a locked login."""

    def __init__(self) -> None:
        super().__init__("the username or the password is wrong")


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is known to whoever holds its token."""

    actor: Actor
    csrf_token: str
    expires_ms: int


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a new session is known by."""

    token: str
    session: Session


async def add(
    conn: AsyncConnection, username: str, password: str, role: Role, account_key: int | None, now_ms: int
) -> int:
    """Make a login; its key. `conn` holds the write lock. Raises ConflictError, InvalidError."""
    check_password(password)
    taken = await conn.scalar(select(login.c.key).where(login.c.username.collate("NOCASE") == username))
    if taken is not None:
        raise ConflictError(f"there is a login {username} already")
    return await insert_row(
        conn,
        login,
        username=username,
        role=role.value,
        account_key=account_key,
        password_hash=await passwords.hashed(password),
        locked=False,
        must_change=False,
        created_ms=now_ms,
        changed_ms=now_ms,
    )


def check_password(password: str) -> None:
    """Raises InvalidError. Length counts, composition does not (NIST SP 800-63B section 5.1.1.2)."""
    if not 10 <= len(password) <= 256:
        raise InvalidError.of("password", f"has {len(password)} characters, expected 10 to 256")
    if len(set(password)) < 4:
        raise InvalidError.of("password", "is made of fewer than 4 different characters")


async def sign_in(desk: Desk, username: str, password: str, source: str, user_agent: str) -> SignedIn:
    """A new session. Raises SignInError."""
    now_ms = desk.clock_ms()
    async with desk.store.reading() as conn:
        found = (
            await conn.execute(select(login).where(login.c.username.collate("NOCASE") == username))
        ).one_or_none()
    right = await passwords.verify(None if found is None else found.password_hash, password)
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    expires_ms = now_ms + SESSION_MS
    done = right and found is not None and not found.locked
    async with desk.store.writing() as conn:
        outcome = "done" if done else "refused"
        await insert_row(
            conn, login_attempt, at_ms=now_ms, username=username[:64], source=source, outcome=outcome
        )
        if done and found is not None:
            await conn.execute(delete(session).where(session.c.expires_ms <= now_ms))
            await conn.execute(
                insert(session).values(
                    token_hash=_sha256(token),
                    login_key=found.key,
                    csrf_token=csrf_token,
                    created_ms=now_ms,
                    seen_ms=now_ms,
                    expires_ms=expires_ms,
                    source=source,
                    user_agent=user_agent[:200],
                )
            )
    if not done or found is None:
        raise SignInError
    return SignedIn(token, Session(_actor(found, Via.SESSION), csrf_token, expires_ms))


async def of_session(desk: Desk, token: str) -> Session | None:
    """Whose token this is; None where it is nobody's any more."""
    now_ms = desk.clock_ms()
    query = (
        select(login, session.c.csrf_token, session.c.expires_ms, session.c.seen_ms)
        .join(session, session.c.login_key == login.c.key)
        .where(session.c.token_hash == _sha256(token))
    )
    async with desk.store.reading() as conn:
        row = (await conn.execute(query)).one_or_none()
    if row is None or row.locked or now_ms >= min(row.expires_ms, row.seen_ms + IDLE_MS):
        return None
    if now_ms - row.seen_ms >= SEEN_EVERY_MS:
        async with desk.store.writing() as conn:
            mine = session.c.token_hash == _sha256(token)
            await conn.execute(update(session).where(mine).values(seen_ms=now_ms))
    return Session(_actor(row, Via.SESSION), row.csrf_token, row.expires_ms)


async def sign_out(desk: Desk, token: str) -> None:
    async with desk.store.writing() as conn:
        await conn.execute(delete(session).where(session.c.token_hash == _sha256(token)))


async def of_key(desk: Desk, text: str) -> Actor | None:
    """Whose API key this is ("sg_ID_SECRET"); None where it is nobody's, or its time is over."""
    prefix, _, rest = text.partition("_")
    id, _, secret = rest.partition("_")
    if prefix != "sg" or not id or not secret:
        return None
    query = (
        select(login, api_key.c.secret_hash, api_key.c.read_only, api_key.c.expires_ms)
        .join(api_key, api_key.c.login_key == login.c.key)
        .where(api_key.c.id == id)
    )
    async with desk.store.reading() as conn:
        row = (await conn.execute(query)).one_or_none()
    if row is None or row.locked or not hmac.compare_digest(row.secret_hash, _sha256(secret)):
        return None
    if row.expires_ms is not None and desk.clock_ms() >= row.expires_ms:
        return None
    return _actor(row, Via.KEY, read_only=row.read_only)


async def add_key(
    conn: AsyncConnection,
    login_key: int,
    name: str,
    now_ms: int,
    *,
    read_only: bool = False,
    expires_ms: int | None = None,
) -> str:
    """Make an API key; its text, which is told once and kept nowhere. `conn` holds the write lock."""
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    await insert_row(
        conn,
        api_key,
        id=id,
        login_key=login_key,
        name=name,
        secret_hash=_sha256(secret),
        read_only=read_only,
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    return f"sg_{id}_{secret}"


def _actor(row: Any, via: Via, read_only: bool = False) -> Actor:
    return Actor(row.username, Role(row.role), via, row.key, row.account_key, read_only)


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
