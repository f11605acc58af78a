"""Calls that are there now, and the records of those that were."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from sipguard.manage import call, cdr
from sipguard.manage.call import CallInfo
from sipguard.manage.cdr import CdrInfo
from sipguard.manage.page import LIMIT
from sipguard.model.cdr import Outcome
from sipguard.store.cdr_find import Wanted
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(tags=["calls"], route_class=StrictRoute)

AccountId = Annotated[str | None, Query(description="Of this account and everything below it.")]
CallNumber = Annotated[int, Path(ge=1, lt=2**63, description="Our own number of the call.")]
Digits = Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$", description="How the number begins.")]
Milliseconds = Annotated[int | None, Query(ge=0, le=253_402_300_799_999, description="Unix milliseconds.")]


@router.get("/calls", responses=responses(404))
async def list_calls(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: AccountId = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[CallInfo]:
    """Present calls, the oldest first."""
    async with desk.reading(actor) as view:
        return Listing.of(await call.list_calls(view, account_id, after=cursor, limit=limit))


@router.delete("/calls/{number}", status_code=204, responses=responses(404))
async def hang_up_call(desk: CurrentDesk, actor: CurrentActor, number: CallNumber) -> None:
    """End a call: BYE to both sides (administrators, support; authorization 1 for calls below)."""
    async with desk.writing(actor, "call.hangup") as act:
        await call.hang_up(act, number)


@router.get("/cdrs", responses=responses(404))
async def list_cdrs(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: AccountId = None,
    called: Digits = None,
    calling: Digits = None,
    outcome: Outcome | None = None,
    reason: Annotated[str | None, Query(max_length=64, description="Why it was refused or cut.")] = None,
    sip_call_id: Annotated[str | None, Query(max_length=512)] = None,
    from_ms: Milliseconds = None,
    till_ms: Milliseconds = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[CdrInfo]:
    """Call records, the newest first: every attempt, refused ones too."""
    wanted = Wanted(
        called=called,
        calling=calling,
        outcome=outcome,
        reason=reason,
        sip_call_id=sip_call_id,
        from_ms=from_ms,
        till_ms=till_ms,
    )
    async with desk.reading(actor) as view:
        return Listing.of(await cdr.list_cdrs(view, wanted, account_id, after=cursor, limit=limit))


@router.get("/cdrs/{number}", responses=responses(404))
async def get_cdr(desk: CurrentDesk, actor: CurrentActor, number: CallNumber) -> CdrInfo:
    """One record: its numbers, times, levels, and why it was refused."""
    async with desk.reading(actor) as view:
        return await cdr.get(view, number)
