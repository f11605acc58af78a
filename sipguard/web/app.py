"""The application of the web process: what is put together with what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI, Request, Response

import sipguard
from sipguard.manage.desk import Desk
from sipguard.web import pages, problem
from sipguard.web.api import account, session, tree

PREFIX = "/api/v1"
ROUTERS: tuple[APIRouter, ...] = (session.router, account.router, tree.router)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer, unless its route says otherwise."""


def build(desk: Desk) -> FastAPI:
    """An application over a desk, whose store the caller closes."""
    app = FastAPI(
        title="sipguard",
        version=sipguard.__version__,
        summary="Management of accounts, gateways, rates and money.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
    )
    app.state.desk = desk
    problem.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.include_router(pages.router())  # the last: it takes every path that is left

    @app.middleware("http")
    async def secured(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await proceed(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app
