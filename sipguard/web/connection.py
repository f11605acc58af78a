"""HTTP connections of the web process: what is not clearly one request is refused, the slow are not awaited.

llhttp (by httptools) is strict where parsers that disagree let requests be smuggled: two Content-Length, one
beside Transfer-Encoding, folded headers, bare line feeds are errors (RFC 9112 sections 5.2, 6.1, 6.3). Here
are the limits that uvicorn leaves to a proxy in front: time, sizes, the number of connections. Where there
are too many, the one that has done nothing for the longest time goes: idle ones keep nobody out.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""From the first byte of a request, or the opening of a connection, to the end of its headers."""
BODY_SECONDS = 30.0
"""From there to the end of its body."""
HEAD_BYTES = 32_768
HEADERS_MAX = 100
URL_BYTES = 16_384
CONNECTIONS = 2_000


class Connection(HttpToolsProtocol):
    """One connection."""

    connections_max = CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._begun = False
        self._refusal = HTTPStatus.BAD_REQUEST
        self._active = self.loop.time()
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            self._make_room()
        self._await("headers", HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._active = self.loop.time()
        self._unset_keepalive_if_required()
        if not self._begun and self._timer is None:
            self._await("headers", HEAD_SECONDS)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(HTTPStatus.BAD_REQUEST, "there is nothing to upgrade to")
        except httptools.HttpParserError as error:
            self._refuse(self._refusal, str(error.__context__ or error))

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        self._begun = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            self._refusal = HTTPStatus.REQUEST_URI_TOO_LONG
            raise ValueError("the URL is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES or len(self.headers) > HEADERS_MAX:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError("the headers are too long")

    def on_headers_complete(self) -> None:
        names = [name for name, _ in self.headers]
        if names.count(b"host") != 1 and self.parser.get_http_version() == "1.1":
            raise ValueError("a request has one Host header")  # RFC 9112 section 3.2
        if b"transfer-encoding" in names and self.parser.get_http_version() == "1.0":
            raise ValueError("HTTP/1.0 has no Transfer-Encoding")  # section 6.1
        self._await("body", BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._begun = False
        self._stop_waiting()
        super().on_message_complete()

    # Time and room

    def _await(self, what: str, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._late, what)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self, what: str) -> None:
        self._timer = None
        if self._begun:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the {what} did not come in time")
        else:
            self.transport.close()

    def _make_room(self) -> None:
        others = [one for one in self.connections if one is not self and isinstance(one, Connection)]
        idle = [one for one in others if one.cycle is None or one.cycle.response_complete]
        if idle:
            oldest = min(idle, key=lambda one: one._active)
            self.connections.discard(oldest)
            oldest.transport.abort()
        else:
            self.connections.discard(self)
            self.transport.abort()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer and close; only close where an answer is on its way already."""
        self._stop_waiting()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_problem(status, detail))
        self.transport.close()


def _problem(status: HTTPStatus, detail: str) -> bytes:
    told: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    body = json.dumps(told | {"detail": detail}).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
