"""Accounts and what is done to them as a whole. Their sections and authorizations have files of their own."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from sipguard.manage import account, account_delete, account_list, account_move, navigation
from sipguard.manage.account import AccountInfo
from sipguard.manage.account_form import AccountChanges, NewAccount
from sipguard.manage.account_list import Filter, Sort
from sipguard.manage.account_move import AccountMove
from sipguard.manage.navigation import Node
from sipguard.manage.page import LIMIT
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/accounts", tags=["accounts"], route_class=StrictRoute)

AgentId = Annotated[
    str | None, Query(description="Below whom; none: below the login's own account, or in all.")
]
Scope = Annotated[Literal["direct", "all"], Query(description="The first level, or the subtree.")]


def _filter(
    q: Annotated[
        str | None, Query(max_length=200, description="Part of the id, the name or the memo.")
    ] = None,
    id_prefix: Annotated[
        str | None, Query(max_length=64, description="What the id begins with, in just these letters.")
    ] = None,
    category: Literal["agent", "account"] | None = None,
    locked: bool | None = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
) -> Filter:
    return Filter(q, id_prefix, category, locked, currency)


Which = Annotated[Filter, Depends(_filter)]


@router.get("", responses=responses(404))
async def list_accounts(
    desk: CurrentDesk,
    actor: CurrentActor,
    which: Which,
    agent_id: AgentId = None,
    scope: Scope = "direct",
    sort: Annotated[Sort, Query(description='Accounts with equal values by id; "-": downwards.')] = Sort.ID,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[AccountInfo]:
    """Sub-accounts."""
    query = account_list.list_direct if scope == "direct" else account_list.list_all
    async with desk.reading(actor) as view:
        return Listing.of(await query(view, agent_id, which, sort=sort, after=cursor, limit=limit))


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


@router.get("/{account_id}/children", responses=responses(404))
async def list_children(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: str,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[Node]:
    """The first level below an account, in the small rows of the navigation tree."""
    async with desk.reading(actor) as view:
        return Listing.of(await navigation.below(view, account_id, after=cursor, limit=limit))


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


@router.delete("/{account_id}", status_code=204, responses=responses(404, 409))
async def delete_account(desk: CurrentDesk, actor: CurrentActor, account_id: str) -> None:
    """Close an account for good (authorization 1). 409 lists what stands in the way."""
    async with desk.writing(actor, "account.delete") as act:
        await account_delete.delete(act, account_id)


@router.post("/{account_id}/move", responses=responses(404, 409, 412, 428))
async def move_account(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    account_id: str,
    form: AccountMove,
    expected: IfMatch,
) -> AccountInfo:
    """Hang an account and all below it under another agent (authorization 1)."""
    async with desk.writing(actor, "account.move") as act:
        moved = await account_move.move(act, account_id, form, expected)
    put(response, moved.etag)
    return moved


@router.post("/{account_id}/lock", responses=responses(404))
async def lock_account(
    desk: CurrentDesk, actor: CurrentActor, response: Response, account_id: str
) -> AccountInfo:
    """Refuse all calls of an account and of all below it, from now on (authorization 1)."""
    async with desk.writing(actor, "account.lock") as act:
        locked = await account.lock(act, account_id, True)
    put(response, locked.etag)
    return locked


@router.post("/{account_id}/unlock", responses=responses(404))
async def unlock_account(
    desk: CurrentDesk, actor: CurrentActor, response: Response, account_id: str
) -> AccountInfo:
    """Let an account call again (authorization 1)."""
    async with desk.writing(actor, "account.unlock") as act:
        unlocked = await account.lock(act, account_id, False)
    put(response, unlocked.etag)
    return unlocked
