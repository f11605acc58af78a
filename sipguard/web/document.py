"""The OpenAPI document: what the framework finds in the routes, and what holds of all of them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from sipguard.web.access import COOKIE, CSRF_HEADER

METHODS = ("get", "post", "put", "patch", "delete")

_OPEN = frozenset({("/api/v1/session", "post")})
"""What needs nobody to be known yet."""

_DESCRIPTION = f"""\
Everything is JSON. Money is an integer of micro-units (10^-6 of the currency); times are Unix seconds,
or milliseconds where a name ends in _ms. Unknown fields are refused, nothing is converted.

Sign in with POST /api/v1/session, which sets a cookie; changes then need the session's csrf_token in the
header {CSRF_HEADER}. Programs send an API key: `Authorization: Bearer sg_...`.

An account sees itself and what is below it. What is out of sight is answered as what does not exist. Errors
are problem+json (RFC 9457). Changes need If-Match with the ETag of what was read. Lists come in pages: give
`next_cursor` back as `cursor`. Wherever there is GET, there is HEAD."""

_SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}


def install(app: FastAPI) -> None:
    """Have the application give this document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # so says FastAPI's manual


def document(app: FastAPI) -> dict[str, Any]:
    """The document of the application as it is wired now."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_DESCRIPTION,
        routes=app.routes,
    )
    for path, item in made["paths"].items():
        for method in METHODS:
            if method in item:
                _complete(path, method, item[method])
    components = made.setdefault("components", {})
    components["securitySchemes"] = _SECURITY
    for unused in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(unused, None)
    return made


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    # The framework's own idea of invalid requests; ours are 400.
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    for status, response in responses.items():
        headers = response.setdefault("headers", {}) if status in _STATUS_HEADERS else None
        if headers is not None:
            headers.update(_STATUS_HEADERS[status])
    operation["security"] = [] if (path, method) in _OPEN else [{"key": []}, {"session": []}]


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


_STATUS_HEADERS = {
    "401": {"WWW-Authenticate": _header("How to say who you are.")},
    "405": {"Allow": _header("The methods that there are.")},
    "429": {"Retry-After": _header("Seconds to wait.", "integer")},
    "503": {"Retry-After": _header("Seconds to wait.", "integer")},
}
