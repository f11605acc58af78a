"""The eight authorizations: held, granted, reported."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from sipguard.manage import authorization, authorization_report
from sipguard.manage.authorization import HeldInfo
from sipguard.manage.authorization_form import Grant
from sipguard.manage.authorization_report import Excess, HolderInfo
from sipguard.manage.page import LIMIT
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(tags=["authorizations"], route_class=StrictRoute)


@router.get("/accounts/{account_id}/authorizations", responses=responses(404))
async def get_authorizations(
    desk: CurrentDesk, actor: CurrentActor, response: Response, account_id: str
) -> HeldInfo:
    """What an account was granted, what is left from above, and what it may do."""
    async with desk.reading(actor) as view:
        found = await authorization.held(view, account_id)
    put(response, found.etag)
    return found


@router.put("/accounts/{account_id}/authorizations", responses=responses(404, 409, 412, 428))
async def grant_authorizations(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    account_id: str,
    form: Grant,
    expected: IfMatch,
) -> HeldInfo:
    """Grant just these and take back all others (authorization 1). Nobody grants what it does not hold."""
    async with desk.writing(actor, "account.grant") as act:
        granted = await authorization.grant(act, account_id, form, expected)
    put(response, granted.etag)
    return granted


@router.get("/authorizations", responses=responses())
async def list_holders(
    desk: CurrentDesk,
    actor: CurrentActor,
    unused_days: Annotated[
        int | None, Query(ge=0, le=36_500, description="Only grants that were not used for so many days.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[HolderInfo]:
    """Who holds what, and when it was used last. With `unused_days` a page may be empty and others follow."""
    async with desk.reading(actor) as view:
        return Listing.of(
            await authorization_report.holders(view, unused_days=unused_days, after=cursor, limit=limit)
        )


@router.get("/authorizations/excesses", responses=responses())
async def list_excesses(
    desk: CurrentDesk, actor: CurrentActor, cursor: Cursor = None, limit: Limit = LIMIT
) -> Listing[Excess]:
    """Accounts that hold more, or have higher limits, than the agent above them. The least is what counts."""
    async with desk.reading(actor) as view:
        return Listing.of(await authorization_report.excesses(view, after=cursor, limit=limit))
