"""The login that asks: its own account, and what it may do."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sipguard.manage import account
from sipguard.manage.account import AccountInfo
from sipguard.model.actor import Role
from sipguard.model.authorization import slugs
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.problem import responses

router = APIRouter(prefix="/me", tags=["session"], route_class=StrictRoute)


class Me(BaseModel):
    """Who asks."""

    username: str
    role: Role
    read_only: bool = Field(description="An API key that may only read.")
    account: AccountInfo | None = Field(description="Of role account: the account that the login is.")
    authorizations: list[str] = Field(description="What it may do at this moment, along its whole chain.")


@router.get("", responses=responses())
async def get_me(desk: CurrentDesk, actor: CurrentActor) -> Me:
    """Who asks."""
    async with desk.reading(actor) as view:
        return Me(
            username=actor.name,
            role=actor.role,
            read_only=actor.read_only,
            account=await account.own(view),
            authorizations=list(slugs(await view.effective())),
        )
