"""Approvals of sub-agents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from sipguard.manage import approval
from sipguard.manage.approval import ApprovalInfo, Ask, Decision, State
from sipguard.manage.page import LIMIT
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/approvals", tags=["approvals"], route_class=StrictRoute)

Number = Annotated[int, Path(ge=0, le=2**63 - 1)]


@router.get("", responses=responses())
async def list_approvals(
    desk: CurrentDesk,
    actor: CurrentActor,
    state: State | None = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[ApprovalInfo]:
    """What was asked for, the newest first."""
    async with desk.reading(actor) as view:
        return Listing.of(await approval.list_approvals(view, state=state, after=cursor, limit=limit))


@router.post("", status_code=201, responses=responses(404, 409))
async def ask_approval(desk: CurrentDesk, actor: CurrentActor, response: Response, form: Ask) -> ApprovalInfo:
    """Ask an administrator for what makes a sub-agent (authorization 1)."""
    async with desk.writing(actor, "approval.ask") as act:
        asked = await approval.ask(act, form)
    response.headers["Location"] = f"/api/v1/approvals/{asked.number}"
    return asked


@router.get("/{number}", responses=responses(404))
async def get_approval(desk: CurrentDesk, actor: CurrentActor, number: Number) -> ApprovalInfo:
    """One of them."""
    async with desk.reading(actor) as view:
        return await approval.get(view, number)


@router.post("/{number}/approve", responses=responses(404, 409))
async def approve(desk: CurrentDesk, actor: CurrentActor, number: Number, form: Decision) -> ApprovalInfo:
    """Have it done (administrators)."""
    async with desk.writing(actor, "approval.approve") as act:
        return await approval.approve(act, number, form)


@router.post("/{number}/refuse", responses=responses(404, 409))
async def refuse(desk: CurrentDesk, actor: CurrentActor, number: Number, form: Decision) -> ApprovalInfo:
    """Refuse it (administrators)."""
    async with desk.writing(actor, "approval.refuse") as act:
        return await approval.refuse(act, number, form)


@router.post("/{number}/withdraw", responses=responses(404, 409))
async def withdraw(desk: CurrentDesk, actor: CurrentActor, number: Number) -> ApprovalInfo:
    """Think better of it."""
    async with desk.writing(actor, "approval.withdraw") as act:
        return await approval.withdraw(act, number)
