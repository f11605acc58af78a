"""One message to one receiver over HTTP, signed as the Standard Webhooks specification says (version 1).

Nothing is followed but the URL that is configured: no redirections, no proxies, no cookies. Whoever receives
has so many seconds in all, and is read no further than to the status.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ssl
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import h11

import sipguard

SECONDS = 10.0
"""For everything: the address, the connection, TLS, the answer."""
HEAD_BYTES = 16 * 1024


class Sent(NamedTuple):
    """What came of it."""

    status: int | None
    """HTTP status; None: there was none."""
    error: str
    """Why there was none; empty where there was."""

    @property
    def arrived(self) -> bool:
        """The receiver has it (2xx)."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The receiver wants nothing any more (410, RFC 9110 section 15.5.11)."""
        return self.status == 410


def signature(secret: str, message_id: str, at_s: int, body: bytes) -> str:
    """Value of the webhook-signature header: HMAC-SHA256 of ``id.timestamp.body``, in base64 behind "v1,"."""
    told = f"{message_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), told, hashlib.sha256).digest()).decode()


def send(url: str, secret: str, message_id: str, at_s: int, body: bytes, seconds: float = SECONDS) -> Sent:
    """Post `body`; `at_s`: now, Unix seconds. Blocks, so it is for a thread; never raises."""
    try:
        return asyncio.run(_post(url, _headers(secret, message_id, at_s, body), body, seconds))
    except TimeoutError:
        return Sent(None, f"no answer within {seconds:g} s")
    except (OSError, h11.ProtocolError, ValueError) as error:
        return Sent(None, str(error) or type(error).__name__)


async def _post(url: str, headers: Sequence[tuple[str, str]], body: bytes, seconds: float) -> Sent:
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    named = f"[{host}]" if ":" in host else host
    authority = named if port == (443 if tls else 80) else f"{named}:{port}"
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    asked = connection.send(
        h11.Request(method="POST", target=target, headers=[("Host", authority), *headers])
    )
    asked = (asked or b"") + (connection.send(h11.Data(data=body)) or b"")
    asked += connection.send(h11.EndOfMessage()) or b""
    async with asyncio.timeout(seconds):
        context = ssl.create_default_context() if tls else None
        reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=HEAD_BYTES)
        try:
            writer.write(asked)
            await writer.drain()
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(4096))
                elif isinstance(event, h11.Response):
                    return Sent(event.status_code, "")
                elif not isinstance(event, h11.InformationalResponse):
                    return Sent(None, "the receiver has closed the connection")
        finally:
            writer.transport.abort()


def _headers(secret: str, message_id: str, at_s: int, body: bytes) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("User-Agent", f"sipguard/{sipguard.__version__}"),
        ("Connection", "close"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(at_s)),
        ("webhook-signature", signature(secret, message_id, at_s, body)),
    ]


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64 behind "whsec_", or the text as it is."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
