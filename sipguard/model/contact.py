"""Where a phone can be reached now: the bindings of the location service (RFC 3261 section 10)."""

from __future__ import annotations

import msgspec

Q_MAX = 1000
"""The highest preference, and that of a contact that tells none."""


class Contact(msgspec.Struct, frozen=True, gc=False):
    """One binding. Calls go to where the REGISTER came from, or to another port there that the URI names."""

    phone_key: int
    uri: str
    key: str
    """Equal for equivalent URIs."""
    q: int
    """Preference in thousandths."""
    expires_ms: int
    """Unix milliseconds from which it is no more."""
    sip_call_id: str
    cseq: int
    instance: str
    """``+sip.instance`` (RFC 5626); empty: none."""
    reg_id: int | None
    path: tuple[str, ...]
    """Proxies on the way to it, in the order in which they are passed (RFC 3327)."""
    host: str
    port: int
    listener: int
    transport: str
    stream: int
    """The connection that it came over; 0: over UDP, or not of this run."""
    user_agent: str
    registered_ms: int
    """Unix milliseconds of the latest REGISTER."""
