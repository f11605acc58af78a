"""The audit log."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from sipguard.manage import audit
from sipguard.manage.audit import AuditInfo, Filter
from sipguard.manage.page import LIMIT
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/audit", tags=["audit"], route_class=StrictRoute)

Word = Annotated[str | None, Query(max_length=200)]
Milliseconds = Annotated[int | None, Query(ge=0, le=2**53, description="Unix milliseconds.")]


def _filter(
    by: Annotated[str | None, Query(max_length=200, description="A username.")] = None,
    noun: Word = None,
    action: Word = None,
    id: Word = None,
    outcome: Literal["done", "refused"] | None = None,
    authorization: Annotated[int | None, Query(ge=1, le=8)] = None,
    since_ms: Milliseconds = None,
    until_ms: Milliseconds = None,
) -> Filter:
    return Filter(by, noun, action, id, outcome, authorization, since_ms, until_ms)


@router.get("", responses=responses(404))
async def list_audit(
    desk: CurrentDesk,
    actor: CurrentActor,
    which: Annotated[Filter, Depends(_filter)],
    account_id: Annotated[str | None, Query(description="Of which account; none: of all in scope.")] = None,
    scope: Annotated[Literal["own", "all"], Query(description="Without or with all below it.")] = "all",
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[AuditInfo]:
    """Who did or tried what, the newest first. Whoever stands above the reader is not named."""
    async with desk.reading(actor) as view:
        return Listing.of(await audit.list_entries(view, account_id, scope, which, after=cursor, limit=limit))
