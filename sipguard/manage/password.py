"""Passwords of logins: argon2id (RFC 9106), in threads, few at a time because each takes memory."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The second recommended set of RFC 9106 section 4, which argon2-cffi takes as its default, too.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
_NOBODY = _HASHER.hash("a password that nobody has")
"""What is checked for names that there are none of: a wrong name takes as long as a wrong password."""
_AT_A_TIME = asyncio.Semaphore(2)


async def hashed(password: str) -> str:
    """What is kept of a password."""
    async with _AT_A_TIME:
        return await asyncio.to_thread(_HASHER.hash, password)


async def verify(password_hash: str | None, password: str) -> bool:
    """Whether the password is that of the hash. None, for nobody's, takes as long and is never right."""
    async with _AT_A_TIME:
        try:
            await asyncio.to_thread(_HASHER.verify, password_hash or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with weaker parameters than are used now."""
    return _HASHER.check_needs_rehash(password_hash)
