"""A call attempt as policy sees it."""

from __future__ import annotations

import msgspec


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """What an INVITE says, read once. Nothing in it is trusted but source address and `user`."""

    source_host: str
    """Where the datagram came from, as text without a port; IPv6 without brackets or scope."""
    source_port: int
    request_user: str
    """User part of the request URI, still escaped; undecodable bytes as U+FFFD."""
    from_user: str
    """User part of the From URI, still escaped; empty where absent."""
    sip_call_id: str
    user: str = ""
    """The user that has proved to be it by its password; empty where the source address has to tell."""
    asserted_user: str = ""
    """User part of the first P-Asserted-Identity, read only where a trunk is trusted; empty where absent."""
    certificate: tuple[str, ...] = ()
    """Names that the peer has proved by a certificate over TLS (model/certificate.py)."""
    redirected_to: str = ""
    """What a gateway (3xx) named instead of the number of `request_user`, which goes on to say whose call it
    is: neither tech prefix nor rewrite rules of the trunk are about it. Empty: nobody did."""
