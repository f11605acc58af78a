"""Signing in: name, password, second factor; a session comes of it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage import lockout, session, totp
from sipguard.manage import password as passwords
from sipguard.manage.desk import Desk
from sipguard.manage.errors import ManageError
from sipguard.manage.session import SignedIn
from sipguard.store.login import login, login_device


class SignInError(ManageError):
    """The same for a wrong name, a wrong password, a wrong code, a locked login."""

    def __init__(self) -> None:
        super().__init__("the username or the password is wrong")


class CodeNeededError(ManageError):
    """The password is right; now the code of the authenticator."""

    def __init__(self) -> None:
        super().__init__("give the code of your authenticator, too, or a recovery code")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody signs in with."""

    username: str
    password: str
    code: str | None
    """Of the authenticator, or a recovery code."""
    source: str
    """The address that it comes from."""
    user_agent: str
    device: str | None
    """What the browser was given when this login last used it."""


async def sign_in(desk: Desk, attempt: Attempt) -> tuple[SignedIn, str]:
    """A new session, and what the browser is known by from now on.

    Raises SignInError, CodeNeededError, WaitError, BusyError. An unknown name takes the same way as a wrong
    password, and as long.
    """
    now_ms = desk.clock_ms()
    async with desk.store.writing() as conn:
        found = (
            await conn.execute(select(login).where(login.c.username.collate("NOCASE") == attempt.username))
        ).one_or_none()
        device = await _device(conn, attempt, -1 if found is None else found.key)
        number = await lockout.begin(conn, attempt.username, attempt.source, device, now_ms)
    right = await passwords.verify(None if found is None else found.password_hash, attempt.password)
    if not right or found is None or found.locked:
        raise SignInError
    if found.totp_secret is not None and not attempt.code:
        raise CodeNeededError
    fresh_hash = (
        await passwords.hashed(attempt.password) if passwords.is_outdated(found.password_hash) else None
    )
    async with desk.store.writing() as conn:
        # Read again: it may have been locked or changed while the password was looked at.
        row = (await conn.execute(select(login).where(login.c.key == found.key))).one_or_none()
        if row is None or row.locked or row.password_hash != found.password_hash:
            raise SignInError
        if not await totp.accept(conn, row.key, attempt.code or "", now_ms):
            raise SignInError
        if fresh_hash is not None:
            mine = login.c.key == row.key
            await conn.execute(update(login).where(mine).values(password_hash=fresh_hash))
        await lockout.succeeded(conn, number, now_ms)
        signed = await session.begin(conn, desk, row, attempt.source, attempt.user_agent, now_ms)
        return signed, await _remember(conn, attempt, row.key, now_ms)


async def _device(conn: AsyncConnection, attempt: Attempt, login_key: int) -> str | None:
    """The name under which failures of a known browser are counted; None: it is none of this login's."""
    if not attempt.device:
        return None
    token_hash = _sha256(attempt.device)
    mine = (login_device.c.token_hash == token_hash) & (login_device.c.login_key == login_key)
    known = await conn.scalar(select(login_device.c.login_key).where(mine))
    return None if known is None else f"device:{token_hash.hex()[:16]}"


async def _remember(conn: AsyncConnection, attempt: Attempt, login_key: int, now_ms: int) -> str:
    if attempt.device and await _device(conn, attempt, login_key) is not None:
        mine = login_device.c.token_hash == _sha256(attempt.device)
        await conn.execute(update(login_device).where(mine).values(seen_ms=now_ms))
        return attempt.device
    token = secrets.token_urlsafe(32)
    await conn.execute(
        login_device.insert().values(token_hash=_sha256(token), login_key=login_key, seen_ms=now_ms)
    )
    return token


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
