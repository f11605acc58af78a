"""Request bodies, read strictly: JSON with no key twice and no NaN, and no other type."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from sipguard.web.problem import ProblemError

BYTES_MAX = 1_000_000


class StrictRequest(Request):
    """A request whose body is read once and by our rules."""

    async def json(self) -> Any:
        if not hasattr(self, "_strict"):
            self._strict = parse(await self.body())
        return self._strict


class StrictRoute(APIRoute):
    """A route whose body has to be JSON and says so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            read = StrictRequest(request.scope, request.receive)
            if _has_body(request):
                # Here, because the framework would make "it cannot be parsed" of every failure to read it.
                await read.json()
            return await handler(read)

        return strict


def parse(text: bytes) -> Any:
    """Raises ProblemError 400."""
    try:
        found = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_never)
        if b"\\ud" in text or b"\\uD" in text:
            # Half of a pair is no Unicode: neither a database nor a log takes it (RFC 8259 section 8.2).
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ProblemError(400, "the body is not JSON that can be used: half of a surrogate pair") from None
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, f"the body is not JSON that can be used: {error}") from None
    return found


def _has_body(request: Request) -> bool:
    """Raises ProblemError 413, 415 for one that is too long or of another type."""
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdecimal() or int(length) > BYTES_MAX:
        raise ProblemError(413, f"a body has at most {BYTES_MAX} bytes")
    has_body = length != "0" or "transfer-encoding" in request.headers
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and kind != "application/json":
        # A form on a foreign page can send text/plain without asking; it cannot send this.
        raise ProblemError(415, "a body has to be application/json")
    return has_body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"the key {twice!r} stands there twice")
    return found


def _never(word: str) -> Any:
    raise ValueError(f"{word} is no JSON number")
