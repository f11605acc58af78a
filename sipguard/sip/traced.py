"""One SIP message as a trace has it, and how secrets are taken out of it."""

from __future__ import annotations

import re
from typing import NamedTuple

Address = tuple[str, int]
"""IP address as text, IPv6 without brackets, and port."""


class Traced(NamedTuple):
    """A message between sipguard and a peer."""

    unix_us: int
    """When it came or left, in microseconds."""
    transport: str
    """"udp", "tcp" or "tls"."""
    source: Address
    destination: Address
    data: bytes
    sip_call_id: str
    """As the caller knows the call; empty where there is none."""


_CREDENTIALS = re.compile(
    rb"^((?:Proxy-)?Authorization[ \t]*:)((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE | re.MULTILINE
)
_RESPONSE = re.compile(rb'(\bresponse\s*=\s*"?)([0-9A-Za-z]+)', re.IGNORECASE)
_SCHEME = re.compile(rb"(\s*\S+\s+)(.*)", re.DOTALL)


def masked(data: bytes) -> bytes:
    """The message with `x` for every character of a digest response (RFC 7616), and of other credentials.

    From a response a password can be guessed at leisure. Nothing is moved: all lengths stay as they are.
    """
    if b"uthorization" not in data and b"UTHORIZATION" not in data:
        return data
    return _CREDENTIALS.sub(_without_secret, data)


def _without_secret(field: re.Match[bytes]) -> bytes:
    label, value = field.groups()
    scheme = _SCHEME.fullmatch(value)
    if scheme is None:
        return bytes(field[0])
    name, rest = scheme.groups()
    if name.strip().lower() == b"digest":
        return bytes(label + name + _RESPONSE.sub(lambda found: found[1] + b"x" * len(found[2]), rest))
    return bytes(label + name + re.sub(rb"[^\s]", b"x", rest))
