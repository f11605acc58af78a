"""The navigation tree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from sipguard.manage import navigation
from sipguard.manage.page import LIMIT, LIMIT_MAX
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/tree", tags=["accounts"], route_class=StrictRoute)


class TreeNode(BaseModel):
    """An account as the navigation tree shows it."""

    id: str
    name: str
    locked: bool
    direct_count: int
    has_children: bool


@router.get("", responses=responses(404))
async def list_tree_level(
    desk: CurrentDesk,
    actor: CurrentActor,
    agent_id: Annotated[
        str | None, Query(description="Below whom; none: the top of what the login sees.")
    ] = None,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT,
) -> Listing[TreeNode]:
    """One level of the tree of agents, by id."""
    async with desk.reading(actor) as view:
        found = await navigation.below(view, agent_id, after=cursor, limit=limit)
    return Listing(
        items=[
            TreeNode(
                id=node.id,
                name=node.name,
                locked=node.locked,
                direct_count=node.direct_count,
                has_children=node.has_children,
            )
            for node in found.items
        ],
        next_cursor=found.next_cursor,
    )
