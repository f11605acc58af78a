"""What everybody may do to their own login, signed in as themselves: password, second factor, sessions.

Each of them makes a new token of the session, because what the session may do has changed with it.
"""

from __future__ import annotations

from sqlalchemy import select

from sipguard.manage import lockout, login, session, totp
from sipguard.manage import password as passwords
from sipguard.manage.desk import Act, Desk
from sipguard.manage.errors import InvalidError
from sipguard.manage.session import Session, SignedIn
from sipguard.manage.totp import Enrolment
from sipguard.store import login as store


async def change_password(
    desk: Desk, mine: Session, token: str, source: str, current: str, password: str
) -> SignedIn:
    """A new password for oneself. Every other session of the login is over.

    Raises InvalidError where the current one is wrong, or the new one no good; WaitError, BusyError.
    """
    await _prove(desk, mine, source, current)
    if password == current:
        raise InvalidError.of("password", "is the one that it was")
    passwords.check(password, mine.actor.name)
    password_hash = await passwords.hashed(password)
    async with desk.writing(mine.actor, "login.password", personal=True) as act:
        row = await login.found(act, mine.actor.name)
        await login.write_password(act, row, password_hash, must_change=False)
        return await session.rotate(act.conn, desk, token, act.now_ms)


async def enrol_totp(desk: Desk, mine: Session, source: str, current: str) -> Enrolment:
    """A secret for an authenticator; it counts once `confirm_totp` was given a code of it.

    Raises InvalidError, ConflictError, WaitError, BusyError.
    """
    await _prove(desk, mine, source, current)
    async with desk.writing(mine.actor, "login.totp", personal=True) as act:
        return await totp.enrol(act, _key(mine), mine.actor.name)


async def confirm_totp(desk: Desk, mine: Session, token: str, code: str) -> tuple[SignedIn, list[str]]:
    """From now on signing in needs a code. Raises InvalidError, ConflictError."""
    async with desk.writing(mine.actor, "login.totp", personal=True) as act:
        codes = await totp.confirm(act, _key(mine), mine.actor.name, code)
        return await session.rotate(act.conn, desk, token, act.now_ms), codes


async def remove_totp(desk: Desk, mine: Session, token: str, source: str, current: str) -> SignedIn:
    """The password alone is enough again. Raises InvalidError, WaitError, BusyError."""
    await _prove(desk, mine, source, current)
    async with desk.writing(mine.actor, "login.totp", personal=True) as act:
        await totp.remove(act.conn, _key(mine))
        await _changed(act, {"totp": "removed"})
        return await session.rotate(act.conn, desk, token, act.now_ms)


async def end_session(desk: Desk, mine: Session, id: str) -> None:
    """End one of one's sessions. Raises NotFoundError."""
    async with desk.writing(mine.actor, "session.end", personal=True) as act:
        await session.end_one(act, _key(mine), id)
        await act.changed("session", id, act.actor.account_key)


async def _prove(desk: Desk, mine: Session, source: str, current: str) -> None:
    """Whoever finds an open browser does not know the password. Guesses are slowed down as at the sign-in."""
    async with desk.store.writing() as conn:
        now_ms = desk.clock_ms()
        number = await lockout.begin(conn, mine.actor.name, source, None, now_ms)
        query = select(store.login.c.password_hash).where(store.login.c.key == mine.actor.login_key)
        password_hash = await conn.scalar(query)
    if not await passwords.verify(password_hash, current):
        raise InvalidError.of("current_password", "is wrong")
    async with desk.store.writing() as conn:
        await lockout.succeeded(conn, number, now_ms)


async def _changed(act: Act, after: dict[str, object]) -> None:
    await act.changed("login", act.actor.name, act.actor.account_key, after=after)


def _key(mine: Session) -> int:
    if mine.actor.login_key is None:
        raise ValueError("a session belongs to a login")
    return mine.actor.login_key
