"""The header Idempotency-Key on requests that make something (draft-ietf-httpapi-idempotency-key-header).

    @router.post("", status_code=201, responses=responses(404, 409, 422))
    async def pay(once: OnceRequired, form: NewPayment) -> PaymentInfo:
        return await once.run("payment.create", lambda act: payment.create(act, form))

`run` is the transaction of the command. A second request with the same key and body changes nothing and is
answered as the first; with another body it is refused (422). Keys are bound to the login. Not for answers
that hold a secret which is told once: they are kept in the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import TypeAdapter

from sipguard.manage import idempotency
from sipguard.manage.desk import Act, Desk
from sipguard.model.actor import Actor
from sipguard.model.authorization import Authorization
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import parse
from sipguard.web.problem import ProblemError

T = TypeVar("T")

HEADER = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Once:
    """A request that is done once."""

    desk: Desk
    actor: Actor
    response: Response
    key: str | None
    request_hash: bytes
    status: int

    async def run(
        self,
        action: str,
        command: Callable[[Act], Awaitable[T]],
        *,
        authorization: Authorization | None = None,
        location: Callable[[T], str] | None = None,
    ) -> T:
        """Carry out `command` in a transaction of its own, or raise AnsweredError with the earlier answer.

        `location`: the URL of what was made, for the header of that name. Raises as `desk.writing` does.
        """
        async with self.desk.writing(self.actor, action, authorization) as act:
            if self.key is not None:
                await idempotency.recall(act, self.key, self.request_hash)
            made = await command(act)
            headers = {}
            if location is not None:
                headers["Location"] = location(made)
            if isinstance(etag := getattr(made, "etag", None), str):
                headers["ETag"] = f'"{etag}"'
            if self.key is not None:
                body = b"" if made is None else TypeAdapter(type(made)).dump_json(made)
                answer = idempotency.Answer(self.status, headers, body)
                await idempotency.keep(act, self.key, self.request_hash, answer)
        self.response.headers.update(headers)
        return made


async def _once(
    desk: CurrentDesk,
    actor: CurrentActor,
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Any string that no other request has: the request is done once, however often it is"
            " sent. Kept for 48 hours."
        ),
    ] = None,
) -> Once:
    key = None if idempotency_key is None else idempotency.key_of(idempotency_key)
    route = request.scope.get("route")
    status = getattr(route, "status_code", None) or 200
    return Once(desk, actor, response, key, await _hash(request), status)


async def _once_required(
    desk: CurrentDesk,
    actor: CurrentActor,
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Needed: any string that no other request has. The request is done once, however"
            " often it is sent. Kept for 48 hours."
        ),
    ] = None,
) -> Once:
    if idempotency_key is None:
        raise ProblemError(400, f"the header {HEADER} is missing: money moves once, however often it is sent")
    return await _once(desk, actor, request, response, idempotency_key)


async def _hash(request: Request) -> bytes:
    """The same for requests that mean the same: spaces and the order of keys make no difference."""
    body = await request.body()
    text = json.dumps(parse(body) if body else None, sort_keys=True, separators=(",", ":"))
    line = f"{request.method} {request.url.path}?{request.url.query}\n{text}"
    return hashlib.sha256(line.encode(errors="surrogatepass")).digest()


OnceIfAsked = Annotated[Once, Depends(_once)]
"""For requests that may have a key."""
OnceRequired = Annotated[Once, Depends(_once_required)]
"""For requests that must have one: all that move money."""
