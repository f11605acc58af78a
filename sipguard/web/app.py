"""The application of the web process: what is put together with what."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, FastAPI

import sipguard
from sipguard.manage.desk import Desk
from sipguard.manage.stats import Figures
from sipguard.web import document, pages, problem, reference
from sipguard.web.api import (
    alert,
    call,
    card,
    gateway,
    hierarchy,
    live,
    login,
    payment,
    phone,
    rate_table,
    session,
)
from sipguard.web.gate import Gate
from sipguard.web.live import Live
from sipguard.web.pace import Pace

PREFIX = "/api/v1"
ROUTERS: tuple[APIRouter, ...] = (
    session.router,
    login.router,
    *hierarchy.ROUTERS,
    payment.router,
    phone.router,
    gateway.router,
    card.router,
    rate_table.router,
    live.router,
    call.router,
    alert.router,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast the API may be asked; None: as fast as it can."""

    source_per_second: float | None = None
    source_burst: int = 4_000
    actor_per_second: float | None = None
    actor_burst: int = 2_000


def build(desk: Desk, limits: Limits = Limits()) -> FastAPI:
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
    app.state.figures = Figures(desk.proxy, desk.store)
    app.state.live = Live(app.state.figures.of)
    app.state.actor_pace = Pace(limits.actor_per_second, limits.actor_burst)
    problem.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.include_router(reference.router())
    app.include_router(pages.router())  # the last: it takes every path that is left
    document.install(app)
    app.add_middleware(Gate, pace=Pace(limits.source_per_second, limits.source_burst))
    return app
