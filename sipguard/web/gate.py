"""What every request passes before it reaches a route, and every answer on its way out.

Security headers, limits of size and pace, HEAD, and the last net: nothing that a route fails with is shown to
whoever asked. Plain ASGI, so that answers that go on for ever (server-sent events) are not held up.
"""

from __future__ import annotations

import math

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sipguard.web import problem
from sipguard.web.body import BYTES_MAX
from sipguard.web.pace import Pace
from sipguard.web.problem import ProblemError

log = structlog.get_logger()

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer, unless its route says otherwise."""

RETRY_SECONDS = 1
"""When to come back after the database was busy."""


class Gate:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, pace: Pace) -> None:
        self._app = app
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            client = scope.get("client")
            wait_seconds = self._pace.wait_seconds(client[0] if client else "")
            if wait_seconds:
                raise too_many(wait_seconds)
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return  # there is nobody left to answer
        except ProblemError as error:
            await exchange.fail(problem.answer(error.status, error.detail, headers=error.headers))
        except DBAPIError as error:
            log.error("web.database_failed", path=scope["path"], error=str(error.orig))
            await exchange.fail(
                problem.answer(
                    503, "the database does not answer", headers={"Retry-After": str(RETRY_SECONDS)}
                )
            )
        except Exception:
            log.exception("web.request_failed", method=scope["method"], path=scope["path"])
            await exchange.fail(problem.answer(500, "this went wrong inside sipguard; its log has more"))


def too_many(wait_seconds: float) -> ProblemError:
    """429 (RFC 6585 section 4)."""
    return ProblemError(429, "too many requests", {"Retry-After": str(math.ceil(wait_seconds))})


class _Exchange:
    """One request and its answer, as they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._head = scope["method"] == "HEAD"
        # RFC 9110 section 9.3.2: wherever there is GET, there is HEAD.
        self.scope: Scope = {**scope, "method": "GET"} if self._head else scope
        self._scope = scope
        self._receive = receive
        self._send = send
        self._bytes = 0
        self._started = False
        self._over = False

    async def receive(self) -> Message:
        """The next part of the body. Raises ProblemError 413 where it gets too long, announced or not."""
        if self._over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > BYTES_MAX:
            raise ProblemError(413, f"a body has at most {BYTES_MAX} bytes", {"Connection": "close"})
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            await self._send(message)
        elif not self._head:
            await self._send(message)
        elif not self._over:
            self._over = True
            await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, response: Response) -> None:
        """Answer instead of a route that could not; too late once something has left: then cut it off."""
        if self._started:
            raise ConnectionAbortedError
        await response(self._scope, self.receive, self.send)
