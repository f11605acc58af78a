"""Codes of an authenticator beside the password: TOTP (RFC 6238), and recovery codes for who has lost it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

import pyotp
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.store.login import login, recovery_code

STEP_SECONDS = 30
DRIFT_STEPS = 1
"""Clocks of phones are a little off (RFC 6238 section 5.2)."""
RECOVERY_CODES = 10


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret that waits for its first code."""

    secret: str
    """Base32, to be typed in."""
    uri: str
    """otpauth://..., to be shown as a QR code."""


async def enrol(act: Act, login_key: int, username: str) -> Enrolment:
    """Make a new secret; it counts once `confirm` was given a code of it. Raises ConflictError."""
    if (await _row(act.conn, login_key)).totp_secret is not None:
        raise ConflictError("a second factor is in use: remove it first")
    secret = pyotp.random_base32()
    await _set(act.conn, login_key, totp_pending=secret)
    await act.changed("login", username, act.actor.account_key, after={"totp": "pending"})
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name="sipguard"))


async def confirm(act: Act, login_key: int, username: str, code: str) -> list[str]:
    """Put the secret in force by a first code; the recovery codes. Raises ConflictError, InvalidError."""
    row = await _row(act.conn, login_key)
    if row.totp_pending is None:
        raise ConflictError("no second factor waits for a code: begin with a new secret")
    step = _step_of(row.totp_pending, code, act.now_ms, None)
    if step is None:
        raise InvalidError.of("code", "is not the one of now")
    await _set(act.conn, login_key, totp_secret=row.totp_pending, totp_pending=None, totp_last_step=step)
    await act.changed("login", username, act.actor.account_key, after={"totp": "in use"})
    return await new_recovery_codes(act.conn, login_key)


async def new_recovery_codes(conn: AsyncConnection, login_key: int) -> list[str]:
    """Codes that are good once each; earlier ones are void. Kept as hashes: they are random enough."""
    await conn.execute(delete(recovery_code).where(recovery_code.c.login_key == login_key))
    codes = [f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES)]
    rows = [{"login_key": login_key, "code_hash": _hash(code)} for code in codes]
    await conn.execute(insert(recovery_code), rows)
    return codes


async def remove(conn: AsyncConnection, login_key: int) -> None:
    """The password alone is enough again. `conn` holds the write lock."""
    await _set(conn, login_key, totp_secret=None, totp_pending=None, totp_last_step=None)
    await conn.execute(delete(recovery_code).where(recovery_code.c.login_key == login_key))


async def accept(conn: AsyncConnection, login_key: int, code: str, now_ms: int) -> bool:
    """Whether a code, of the authenticator or for recovery, is right; it is used up. `conn` writes."""
    row = await _row(conn, login_key)
    if row.totp_secret is None:
        return True
    step = _step_of(row.totp_secret, code, now_ms, row.totp_last_step)
    if step is not None:
        await _set(conn, login_key, totp_last_step=step)
        return True
    one = (recovery_code.c.login_key == login_key) & (recovery_code.c.code_hash == _hash(code))
    return (await conn.execute(delete(recovery_code).where(one))).rowcount == 1


def _step_of(secret: str, code: str, now_ms: int, last_step: int | None) -> int | None:
    """The step whose code it is; a step that was used, and every earlier one, is none (section 5.2)."""
    totp = pyotp.TOTP(secret)
    now = now_ms // 1000 // STEP_SECONDS
    found = None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        right = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if right and (last_step is None or step > last_step):
            found = step
    return found


async def _row(conn: AsyncConnection, login_key: int) -> Any:
    return (await conn.execute(login.select().where(login.c.key == login_key))).one()


async def _set(conn: AsyncConnection, login_key: int, **values: object) -> None:
    await conn.execute(update(login).where(login.c.key == login_key).values(values))


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.strip().lower().encode()).digest()
