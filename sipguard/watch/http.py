"""A small HTTP/1.1 server for the loop of the proxy (RFC 9110, RFC 9112): GET and HEAD, short answers.

h11 reads the protocol; what is here are the bounds, because calls share the loop with whoever connects:
connections, sizes, times and requests per second. A client that is slow, silent or hostile costs its
connection, and nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import h11
import structlog

log = structlog.get_logger()

HEAD_BYTES = 8 * 1024
"""Request line and headers: scrapers and browsers send less than one."""
READ_BYTES = 4 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler may look at."""

    path: str
    """As it was sent, without the query."""
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=())


Handler = Callable[[Request], Awaitable[Response]]


class Limits(NamedTuple):
    """What all clients together, and one of them, may have."""

    connections: int = 64
    """Further ones are closed at once."""
    head_seconds: float = 5.0
    """For one request to arrive, from its first byte."""
    idle_seconds: float = 30.0
    """For the next request on a connection."""
    write_seconds: float = 10.0
    """For the answer to be taken."""
    requests_per_second: int = 200
    """Of all clients; beyond it 503. Three Prometheus servers and a hundred people ask for less."""


def problem(status: int, detail: str, *headers: tuple[str, str]) -> Response:
    """An error as RFC 9457 has it."""
    import msgspec

    body = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}
    return Response(status, msgspec.json.encode(body), "application/problem+json", headers)


class Server:
    """Serves one listener. `start` it on the loop, `close` it before the loop ends."""

    def __init__(
        self,
        handler: Handler,
        *,
        names: frozenset[str] = frozenset(),
        token: str | None = None,
        open_paths: frozenset[str] = frozenset(),
        limits: Limits = Limits(),  # noqa: B008  (a value)
    ) -> None:
        """`names`: host names that requests may be for, beside IP addresses and localhost; a page that has
        its name resolved to our address (DNS rebinding) is for none of these. `token`: asked for as a bearer
        token (RFC 6750) but for `open_paths`; None: nobody has to prove anything.
        """
        self._handler, self._names, self._limits = handler, names, limits
        self._token = None if token is None else token.encode()
        self._open_paths = open_paths
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._second, self._requests = 0, 0
        self.refused = 0
        """Connections and requests that were one too many, since the start."""

    async def start(self, listener: socket.socket) -> None:
        """Serve on a bound socket, which is closed with this."""
        self._server = await asyncio.start_server(self._welcome, sock=listener, limit=HEAD_BYTES)

    async def close(self) -> None:
        """Stop listening, end every connection."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._clients)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= self._limits.connections:
            self.refused += 1
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._attend(reader, writer))
        self._clients[task] = writer
        task.add_done_callback(self._clients.pop)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, until one side has had enough."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        patience = 0.0
        try:
            while await self._serve(connection, reader, writer):
                connection.start_next_cycle()
            patience = self._limits.write_seconds
        except (OSError, TimeoutError):
            pass  # gone, or too slow
        except Exception:
            log.exception("stats.client_failed")
        finally:
            if patience:
                # What was answered leaves, if the client takes it in time.
                asyncio.get_running_loop().call_later(patience, writer.transport.abort)
                writer.close()
            else:
                writer.transport.abort()

    async def _serve(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """One request and its answer; whether there may be another."""
        head = False
        try:
            asked = await self._next(connection, reader)
            if asked is None:
                return False
            head = asked.method == b"HEAD"
            response = self._refusal(asked) or await self._answer(asked)
        except h11.RemoteProtocolError as error:
            response = problem(error.error_status_hint, "this is no request that is served here")
        if not _may_answer(connection):
            return False
        writer.write(_written(connection, response, head))
        async with asyncio.timeout(self._limits.write_seconds):
            await writer.drain()
        return _is_over(connection)

    async def _next(self, connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
        """The next request, whole; None: there is none any more."""
        asked: h11.Request | None = None
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._limits.idle_seconds) as deadline:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    data = await reader.read(READ_BYTES)
                    soon = loop.time() + self._limits.head_seconds
                    deadline.reschedule(min(soon, deadline.when() or soon))
                    connection.receive_data(data)
                elif isinstance(event, h11.Request):
                    asked = event
                elif isinstance(event, h11.EndOfMessage):
                    return asked
                elif isinstance(event, h11.Data):
                    raise h11.RemoteProtocolError("a request with a body", error_status_hint=413)
                else:
                    return None

    def _refusal(self, asked: h11.Request) -> Response | None:
        """Why a request is not answered, before it is looked at."""
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._requests = second, 0
        self._requests += 1
        if self._requests > self._limits.requests_per_second:
            self.refused += 1
            return problem(503, "too many requests in this second", ("Retry-After", "1"))
        if asked.method not in (b"GET", b"HEAD"):
            return problem(405, "only GET and HEAD are served here", ("Allow", "GET, HEAD"))
        headers = dict(asked.headers)
        if not self._known(headers.get(b"host", b"")):
            return problem(421, "this is not served under that host name")
        if self._token is not None and not self._is_open(asked.target):
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
                return problem(401, "a bearer token is needed", ("WWW-Authenticate", "Bearer"))
        return None

    def _is_open(self, target: bytes) -> bool:
        return target.split(b"?")[0].decode("latin-1") in self._open_paths

    def _known(self, host: bytes) -> bool:
        """Whether the Host of a request is an address, or a name of ours."""
        try:
            name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name in self._names:
            return True
        with suppress(ValueError):
            ipaddress.ip_address(name)
            return True
        return False

    async def _answer(self, asked: h11.Request) -> Response:
        try:
            target = urlsplit(asked.target.decode("ascii"))
            query = dict(parse_qsl(target.query, keep_blank_values=True, max_num_fields=20))
        except ValueError:
            return problem(400, "the target of this request cannot be read")
        if target.scheme or target.netloc or not target.path.startswith("/"):
            return problem(400, "the target of this request is no path")
        try:
            return await self._handler(Request(target.path, query))
        except Exception:
            log.exception("stats.request_failed", path=target.path)
            return problem(500, "the log of the daemon has more")


def _may_answer(connection: h11.Connection) -> bool:
    return connection.our_state in (h11.SEND_RESPONSE, h11.IDLE)


def _is_over(connection: h11.Connection) -> bool:
    """Both sides are done, and keep the connection."""
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


def _written(connection: h11.Connection, response: Response, head: bool) -> bytes:
    """A response as bytes; of HEAD without its body (RFC 9110 section 9.3.2)."""
    headers = [
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        *response.headers,
    ]
    if response.status in (400, 401, 413, 431, 503):
        headers.append(("Connection", "close"))
    told = h11.Response(
        status_code=response.status, headers=headers, reason=HTTPStatus(response.status).phrase
    )
    parts = [connection.send(told)]
    if not head:
        parts.append(connection.send(h11.Data(data=response.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)
