"""Who sends a request. A session's cookie, or an API key as a bearer token; never both, never in the URL."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Request

from sipguard.manage import api_key, session
from sipguard.manage.desk import Desk
from sipguard.manage.session import Session
from sipguard.model.actor import Actor
from sipguard.web.gate import too_many
from sipguard.web.pace import Pace
from sipguard.web.problem import CHALLENGE, ProblemError

COOKIE = "sipguard_session"
CSRF_HEADER = "X-CSRF-Token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def desk_of(request: Request) -> Desk:
    """The desk that the application was made with."""
    desk: Desk = request.app.state.desk
    return desk


async def actor_of(request: Request) -> Actor:
    """Who asks. Raises ProblemError 401, 403 for what a foreign page may have sent, or 429."""
    actor = await _known(request)
    pace: Pace = request.app.state.actor_pace
    if wait_seconds := pace.wait_seconds(actor.name):
        raise too_many(wait_seconds)
    return actor


async def _known(request: Request) -> Actor:
    desk = desk_of(request)
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme:
        actor = await api_key.of_text(desk, text.strip()) if scheme.lower() == "bearer" else None
        if actor is None:
            raise unauthorized("this key is nobody's, or not any more")
        if actor.nouns is not None and not actor.nouns & _tags(request):
            raise ProblemError(403, "this key is for other parts of the API")
        return actor
    mine = await session_of(request)
    if mine.must_change:
        raise ProblemError(403, "change your password first: PUT /api/v1/session/password")
    return mine.actor


async def session_of(request: Request) -> Session:
    """The session of the cookie. Raises ProblemError 401, 403."""
    token = request.cookies.get(COOKIE)
    mine = await session.of_token(desk_of(request), token) if token else None
    if mine is None:
        raise unauthorized("sign in first")
    if request.method not in _SAFE:
        _check_same_site(request, mine.csrf_token)
    return mine


def unauthorized(detail: str) -> ProblemError:
    """401 as RFC 9110 section 15.5.2 wants it."""
    return ProblemError(401, detail, {"WWW-Authenticate": CHALLENGE})


def source_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""


def _tags(request: Request) -> frozenset[str]:
    return frozenset(map(str, getattr(request.scope.get("route"), "tags", ())))


def _check_same_site(request: Request, csrf_token: str) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), csrf_token.encode()):
        raise ProblemError(403, f"the header {CSRF_HEADER} is missing or is not that of the session")
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise ProblemError(403, "this came from a page of another site")


CurrentDesk = Annotated[Desk, Depends(desk_of)]
CurrentActor = Annotated[Actor, Depends(actor_of)]
CurrentSession = Annotated[Session, Depends(session_of)]
