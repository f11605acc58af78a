"""Accounts and the tree of agents."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from sipguard.manage import account
from sipguard.manage.account import AccountInfo
from sipguard.manage.account_form import AccountChanges, NewAccount
from sipguard.manage.page import LIMIT, LIMIT_MAX
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.listing import Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/accounts", tags=["accounts"], route_class=StrictRoute)


@router.get("", responses=responses(404))
async def list_accounts(
    desk: CurrentDesk,
    actor: CurrentActor,
    agent_id: Annotated[
        str | None, Query(description="Below whom; none: below the login's own account.")
    ] = None,
    scope: Annotated[
        Literal["direct", "all"], Query(description="The first level, or the subtree.")
    ] = "direct",
    cursor: Annotated[str | None, Query(description="next_cursor of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT,
) -> Listing[AccountInfo]:
    """Sub-accounts by id."""
    query = account.list_direct if scope == "direct" else account.list_all
    async with desk.reading(actor) as view:
        return Listing.of(await query(view, agent_id, after=cursor, limit=limit))


@router.post("", status_code=201, responses=responses(404, 409))
async def create_account(
    desk: CurrentDesk, actor: CurrentActor, response: Response, form: NewAccount
) -> AccountInfo:
    """Make an account (authorization 1)."""
    async with desk.writing(actor, "account.create") as act:
        made = await account.create(act, form)
    put(response, made.etag)
    response.headers["Location"] = f"/api/v1/accounts/{made.id}"
    return made


@router.get("/{account_id}", responses=responses(404))
async def get_account(
    desk: CurrentDesk, actor: CurrentActor, response: Response, account_id: str
) -> AccountInfo:
    """One account."""
    async with desk.reading(actor) as view:
        found = await account.get(view, account_id)
    put(response, found.etag)
    return found


@router.patch("/{account_id}", responses=responses(404, 409, 412, 428))
async def modify_account(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    account_id: str,
    form: AccountChanges,
    expected: IfMatch,
) -> AccountInfo:
    """Change what is given, leave the rest (authorization 1)."""
    async with desk.writing(actor, "account.modify") as act:
        changed = await account.modify(act, account_id, form, expected)
    put(response, changed.etag)
    return changed
