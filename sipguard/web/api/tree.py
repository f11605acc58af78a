"""The navigation tree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from sipguard.manage import account_list, navigation
from sipguard.manage.navigation import Node
from sipguard.manage.page import LIMIT
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.api.account import AgentId, Scope, Which
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/tree", tags=["accounts"], route_class=StrictRoute)


class AccountPath(BaseModel):
    """From the top of what the login sees down to an account."""

    ids: list[str]


class SubAccountCounts(BaseModel):
    """How many accounts stand below an agent."""

    direct: int
    all: int


class AccountCount(BaseModel):
    """How many accounts a list has in all its pages."""

    count: int


@router.get("", responses=responses(404))
async def list_tree_level(
    desk: CurrentDesk,
    actor: CurrentActor,
    agent_id: Annotated[
        str | None, Query(description="Below whom; none: the top of what the login sees.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[Node]:
    """One level of the tree of agents, by id."""
    async with desk.reading(actor) as view:
        return Listing.of(await navigation.below(view, agent_id, after=cursor, limit=limit))


@router.get("/counts", responses=responses(404))
async def count_tree(desk: CurrentDesk, actor: CurrentActor, agent_id: AgentId = None) -> SubAccountCounts:
    """How many accounts stand below an agent, on the first level and in all."""
    async with desk.reading(actor) as view:
        found = await navigation.counts(view, agent_id)
    return SubAccountCounts(direct=found.direct, all=found.all)


@router.get("/count", responses=responses(404))
async def count_accounts(
    desk: CurrentDesk, actor: CurrentActor, which: Which, agent_id: AgentId = None, scope: Scope = "direct"
) -> AccountCount:
    """How many accounts a list with these filters has."""
    async with desk.reading(actor) as view:
        return AccountCount(count=await account_list.count(view, agent_id, scope, which))


@router.get("/path/{account_id}", responses=responses(404))
async def get_account_path(desk: CurrentDesk, actor: CurrentActor, account_id: str) -> AccountPath:
    """The agents between the top of what the login sees and an account, itself last."""
    async with desk.reading(actor) as view:
        return AccountPath(ids=await navigation.path(view, account_id))
