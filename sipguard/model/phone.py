"""Phones: endpoints that register, call by their password, and are called at numbers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sipguard.model.gateway import NumberPlan
from sipguard.model.rewrite import RewriteRule


class CallerCheck(StrEnum):
    """What becomes of a call whose From names a number that is not the phone's own."""

    FORCE = "force"
    """It is judged and recorded as a call from the phone's first number."""
    REFUSE = "refuse"
    """It is refused."""


class PhoneLock(StrEnum):
    """Which calls of a phone are barred. Emergency calls are not (policy.emergency)."""

    NONE = "none"
    OUTGOING = "outgoing"
    """Calls from it."""
    INCOMING = "incoming"
    """Calls to it."""
    ALL = "all"
    """Both, and it cannot register."""

    @property
    def bars_outgoing(self) -> bool:
        return self in (PhoneLock.OUTGOING, PhoneLock.ALL)

    @property
    def bars_incoming(self) -> bool:
        return self in (PhoneLock.INCOMING, PhoneLock.ALL)


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone of an account. A limit of None means no limit; 0 means none allowed."""

    key: int
    """Internal row key; never shown."""
    id: str
    """Unique, never changes."""
    account_key: int
    numbers: tuple[str, ...]
    """E.164 digits without '+', at which it is called; the first is what it calls from. May be empty: a phone
    that only calls."""
    sources: tuple[str, ...]
    """Networks in CIDR form from which it may register and call; none: from anywhere."""
    number_plan: NumberPlan
    """How it writes the numbers that it dials."""
    lock: PhoneLock
    call_limit: int | None
    """Concurrent calls, those to it and those from it."""
    cps_limit: int | None
    """Calls from it per second."""
    contact_limit: int
    """Contacts that it may register at a time, at least 1."""
    caller_check: CallerCheck = CallerCheck.FORCE
    called_rewrite: tuple[RewriteRule, ...] = ()
    """Change what it dials, before the number is read by its plan and judged."""
