"""Errors as problem+json (RFC 9457): one shape for every answer that is not a success."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match

from sipguard.manage.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    ManageError,
    NotFoundError,
    StaleError,
    UnavailableError,
)
from sipguard.manage.idempotency import AnsweredError, ReusedError
from sipguard.manage.lockout import WaitError
from sipguard.manage.password import BusyError
from sipguard.manage.sign_in import CodeNeededError, SignInError
from sipguard.manage.values import problems

MEDIA_TYPE = "application/problem+json"

CHALLENGE = 'Bearer realm="sipguard"'
"""Goes with every 401 (RFC 9110 section 15.5.2)."""

EVERYWHERE = (404, 405, 413, 415, 429, 500, 503)
"""Statuses that any request may be answered with: by the gate, or because of what it is sent to."""


class FieldProblem(BaseModel):
    """One thing that is wrong with what was sent."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """What every error answers."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    problems: list[FieldProblem] | None = None
    """Of 400: everything that is wrong."""
    authorization: int | None = None
    """Of 403: the number of the authorization that is missing."""
    standing_in_the_way: list[str] | None = None
    """Of 409: what would have to go first."""
    code_needed: bool | None = None
    """Of 401 at the sign-in: the password was right, now the code of the authenticator."""


class ProblemError(Exception):
    """Raised by the web layer itself, for matters that management knows nothing of."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: the errors that a route may answer, beside those that all may."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": ProblemDetails,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for status in sorted({400, 401, 403, *EVERYWHERE, *statuses})
    }


_STATUS: dict[type[ManageError], int] = {
    SignInError: 401,
    CodeNeededError: 401,
    WaitError: 429,
    BusyError: 503,
    NotFoundError: 404,
    ForbiddenError: 403,
    InvalidError: 400,
    ConflictError: 409,
    StaleError: 412,
    ReusedError: 422,
    UnavailableError: 503,
}


def install(app: FastAPI) -> None:
    """Have every error of the application answered here."""

    @app.exception_handler(ManageError)
    async def managed(_request: Request, error: ManageError) -> Response:
        return of(error)

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return answer(error.status, error.detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        # The first part of each place is "body", "query", ...: where, which a client knows.
        return of(InvalidError(problems(error.errors(), skip=1)))

    @app.exception_handler(AnsweredError)
    async def answered(_request: Request, error: AnsweredError) -> Response:
        kept = error.answer
        headers = {**kept.headers, "Idempotency-Replayed": "true"}
        return Response(kept.body, kept.status, headers, "application/json" if kept.body else None)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_allowed(app, request)))
        return answer(error.status_code, str(error.detail), headers=headers)


def _allowed(app: FastAPI, request: Request) -> set[str]:
    """What the resource takes, by all of its routes: each knows its own methods alone (RFC 9110, 10.2.1)."""
    found: set[str] = set()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in app.routes):
            found |= {method, "HEAD"} if method == "GET" else {method}
    return found


def of(error: ManageError) -> Response:
    """The answer to an error of management."""
    more: dict[str, object] = {}
    if isinstance(error, InvalidError):
        more["problems"] = [{"field": field, "message": message} for field, message in error.problems]
    if isinstance(error, ForbiddenError) and error.authorization is not None:
        more["authorization"] = error.authorization
    if isinstance(error, ConflictError) and error.standing_in_the_way:
        more["standing_in_the_way"] = list(error.standing_in_the_way)
    headers = {}
    if isinstance(error, CodeNeededError):
        more["code_needed"] = True
    if isinstance(error, WaitError):
        headers["Retry-After"] = str(error.wait_seconds)
    if isinstance(error, (BusyError, UnavailableError)):
        headers["Retry-After"] = "1"
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    return answer(status, str(error), more, headers)


def answer(
    status: int, detail: str, more: dict[str, object] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """One problem+json response."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body | (more or {}), status, headers, MEDIA_TYPE)
