"""What becomes of a REGISTER: the bindings of a phone before it and after it (RFC 3261 section 10.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from sipguard.model.contact import Q_MAX, Contact


class Asked(Protocol):
    """A contact that a request brings (sip.events.RegisterContact)."""

    @property
    def uri(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def q(self) -> int | None: ...
    @property
    def expires(self) -> int | None: ...
    @property
    def instance(self) -> str: ...
    @property
    def reg_id(self) -> int | None: ...


class Limits(NamedTuple):
    """What a registration may ask for, in seconds."""

    min_seconds: int
    max_seconds: int
    """Longer ones are shortened to it; also for those that name no time."""


class Problem(NamedTuple):
    """The answer to a request that changes nothing."""

    status: int
    phrase: str
    headers: tuple[tuple[str, str], ...] = ()


BAD_REQUEST = Problem(400, "Bad Contact")
OUT_OF_ORDER = Problem(500, "Out of Order")
"""A request that was overtaken by a later one (step 7): what the later one said stays."""


class Register(NamedTuple):
    """The parts of a REGISTER that decide."""

    asked: Sequence[Asked] | None
    """None: they cannot be read."""
    wildcard: bool
    expires: int | None
    source: Contact
    """A binding with all that the request says apart from its contacts; the rest is left to be filled in."""


def current(contacts: Sequence[Contact], now_ms: int) -> tuple[Contact, ...]:
    """Those that have not expired, as they are tried: by preference, then the latest first."""
    alive = (contact for contact in contacts if contact.expires_ms > now_ms)
    return tuple(sorted(alive, key=lambda contact: (-contact.q, -contact.registered_ms)))


def update(
    contacts: Sequence[Contact], register: Register, limits: Limits, most: int, now_ms: int
) -> tuple[Contact, ...] | Problem:
    """The bindings after a request: all of what it asks, or nothing.

    `most`: bindings that the phone may have. Beyond it the ones that were registered longest ago go, so that
    a phone that came back from another address is not kept out by what is left of it.
    """
    if register.asked is None:
        return BAD_REQUEST
    source = register.source
    bound = {contact.key: contact for contact in contacts if contact.expires_ms > now_ms}
    if register.wildcard:
        if register.expires != 0:
            return BAD_REQUEST  # step 6
        if any(_overtaken(contact, source) for contact in bound.values()):
            return OUT_OF_ORDER
        return ()
    for asked in register.asked:
        seconds = _seconds(asked, register, limits)
        if 0 < seconds < limits.min_seconds:
            return Problem(423, "Interval Too Brief", (("Min-Expires", str(limits.min_seconds)),))
        for known in [contact for contact in bound.values() if _is_same(contact, asked)]:
            if _overtaken(known, source):
                return OUT_OF_ORDER
            del bound[known.key]
        if seconds:
            bound[asked.key] = replace(
                source,
                uri=asked.uri,
                key=asked.key,
                q=Q_MAX if asked.q is None else asked.q,
                expires_ms=now_ms + min(seconds, limits.max_seconds) * 1000,
                instance=asked.instance,
                reg_id=asked.reg_id,
            )
    latest_first = sorted(bound.values(), key=lambda contact: -contact.registered_ms)
    return current(latest_first[:most], now_ms)


def _seconds(asked: Asked, register: Register, limits: Limits) -> int:
    """Step 7: the contact's own time, else that of the request, else ours."""
    if asked.expires is not None:
        return asked.expires
    return limits.max_seconds if register.expires is None else register.expires


def _is_same(contact: Contact, asked: Asked) -> bool:
    """Whether a binding is the one asked for: by its device and flow (RFC 5626 section 6), or its URI."""
    if contact.key == asked.key:
        return True
    return bool(asked.instance) and (
        asked.reg_id is not None and (contact.instance, contact.reg_id) == (asked.instance, asked.reg_id)
    )


def _overtaken(contact: Contact, source: Contact) -> bool:
    return contact.sip_call_id == source.sip_call_id and source.cseq <= contact.cseq
