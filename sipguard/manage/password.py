"""Passwords of logins: argon2id (RFC 9106), in threads, few at a time because each takes memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakKeyDictionary

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sipguard.manage.errors import InvalidError, ManageError

# The second recommended set of RFC 9106 section 4, which argon2-cffi takes as its default, too.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
_NOBODY = _HASHER.hash("a password that nobody has")
"""What is checked for names that there are none of: a wrong name takes as long as a wrong password."""

AT_A_TIME = 2
WAITING_MAX = 16
"""Who comes behind so many is told to come back: a flood must not become a queue of minutes."""

LENGTH_MIN = 10
LENGTH_MAX = 256
"""Longer ones add no strength and cost time."""

_COMMON = frozenset(
    """
    1234567890 0123456789 12345678910 123456789012 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc qwertyuiop
    qwertyuiop123 qwerty123456 qwerty12345 asdfghjkl123 zaq12wsxcde3 password12 password123 password1234
    password12345 passw0rd123 p@ssw0rd123 p@ssword123 passwordpassword letmein123 letmein1234 welcome123
    welcome1234 welcome2024 welcome2025 welcome2026 changeme123 changeme1234 administrator administrator1
    admin12345 admin123456 administration superadmin superadmin1 rootpassword secretpassword mysecretpassword
    iloveyou12 iloveyou123 sunshine123 football123 baseball123 princess123 trustno1trustno1 abcdefghij
    abcdefghijk abcd123456 abc1234567 a123456789 q123456789 qazwsxedcrfv default123 test123456 testtest123
    vos3000vos3000 vos3000admin voipvoip123 sipguard123 sipguardsipguard correcthorsebatterystaple
    """.split()  # noqa: SIM905  (a list of 60 strings is not easier to read)
)
"""The long ones of the lists that guessers begin with."""


class BusyError(ManageError):
    """Too many passwords are being checked."""

    def __init__(self) -> None:
        super().__init__("too many are signing in at this moment: try again")


class _Queue:
    """At most AT_A_TIME at work and WAITING_MAX behind them."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_A_TIME)
        self._present = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises BusyError."""
        if self._present >= AT_A_TIME + WAITING_MAX:
            raise BusyError
        self._present += 1
        try:
            async with self._slots:
                yield
        finally:
            self._present -= 1


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()


def _turn() -> AbstractAsyncContextManager[None]:
    return _queues.setdefault(asyncio.get_running_loop(), _Queue()).turn()


def check(password: str, username: str) -> None:
    """Raises InvalidError. Length counts, composition does not (NIST SP 800-63B section 5.1.1.2)."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise InvalidError.of(
            "password", f"has {len(password)} characters, expected {LENGTH_MIN} to {LENGTH_MAX}"
        )
    folded = password.casefold()
    if len(set(folded)) < 4:
        raise InvalidError.of("password", "is made of fewer than 4 different characters")
    if len(folded.replace(username.casefold(), "")) < LENGTH_MIN // 2:
        raise InvalidError.of("password", "is little more than the username")
    if folded in _COMMON:
        raise InvalidError.of("password", "is one of those that are guessed first")


async def hashed(password: str) -> str:
    """What is kept of a password. Raises BusyError."""
    async with _turn():
        return await asyncio.to_thread(_HASHER.hash, password)


async def verify(password_hash: str | None, password: str) -> bool:
    """Whether the password is that of the hash. None, for nobody's, takes as long and is never right.

    Raises BusyError.
    """
    async with _turn():
        try:
            await asyncio.to_thread(_HASHER.verify, password_hash or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether it was made with weaker parameters than are used now."""
    return _HASHER.check_needs_rehash(password_hash)
