"""What goes on now, and what went on: figures of the proxy, a stream of them, series over time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from sipguard.control import ControlError
from sipguard.manage import series
from sipguard.manage.desk import Desk
from sipguard.manage.stats import Figures
from sipguard.model.actor import Actor
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.live import Live
from sipguard.web.problem import ProblemError, responses

router = APIRouter(tags=["figures"], route_class=StrictRoute)

STREAM_MESSAGES = 600
"""A stream ends after so many: the browser comes back by itself, and who is signed out by then does not."""


class SeriesPoint(BaseModel):
    """One step of a series. Calls count in the step in which they ended."""

    at: int = Field(description="Unix seconds at which the step begins.")
    attempts: int
    answered: int
    refused: int
    failed: int
    cancelled: int
    asr: float | None = Field(description="Answered calls per seizure, 0 to 1.")
    acd_seconds: float | None
    pdd_ms: float | None
    minutes: float
    charge_micros: dict[str, int]
    cost_micros: dict[str, int] = Field(description="What vendors charged; for the operator's people alone.")
    balance_micros: int | None
    sub_accounts: int | None


@router.get("/series", responses=responses(404))
async def get_series(
    desk: CurrentDesk,
    actor: CurrentActor,
    from_at: Annotated[int, Query(ge=0, le=253_402_300_799, description="Unix seconds.")],
    till_at: Annotated[int, Query(ge=0, le=253_402_300_799, description="Unix seconds, exclusive.")],
    scope: series.ScopeName = "agent",
    key: Annotated[str, Query(max_length=64, description="The id of the scope; empty for all.")] = "",
    step: Annotated[int, Query(ge=60, le=31 * 86_400, description="Seconds of a point.")] = 3600,
) -> list[SeriesPoint]:
    """Figures over time: calls, ASR, ACD, post-dial delay, minutes, money, balance, sub-accounts."""
    async with desk.reading(actor) as view:
        found = await series.seen(view, scope, key, from_at, till_at, step)
    return [SeriesPoint.model_validate(msgspec.structs.asdict(point)) for point in found]


@router.get("/stats", responses=responses(404))
async def get_stats(
    request: Request,
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: Annotated[str | None, Query(description="With everything below it.")] = None,
) -> dict[str, Any]:
    """The figures of this moment: of everything, or of one account."""
    try:
        subject = await _subject(desk, actor, account_id)
        figures: Figures = request.app.state.figures
        told = (await figures.of((subject,), gateways=None))[subject]
    except ControlError as error:
        raise ProblemError(503, str(error)) from None
    if "unavailable" in told:  # an account that was made a moment ago
        raise ProblemError(503, told["unavailable"])
    return told


@router.get(
    "/live",
    response_class=StreamingResponse,
    responses={**responses(404), 200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_stats(
    request: Request,
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: Annotated[str | None, Query(description="With everything below it.")] = None,
) -> StreamingResponse:
    """The figures of this moment, once a second, as server-sent events (HTML Living Standard, 9.2).

    Of gateways those 50 that matter most: out of service, or the fullest. /stats has all of them.
    """
    subject = await _subject(desk, actor, account_id)
    live: Live = request.app.state.live

    async def events() -> AsyncIterator[bytes]:
        left = STREAM_MESSAGES
        async for told in live.listen(subject):
            yield told
            left -= 1
            if not left:
                return

    return StreamingResponse(events(), media_type="text/event-stream")


async def _subject(desk: Desk, actor: Actor, account_id: str | None) -> str | None:
    """Whose figures: those of an account login are never those of everything. Raises NotFoundError."""
    async with desk.reading(actor) as view:
        return await view.top_id(account_id)
