"""Accounts made from CSV files, by jobs that are looked at while they run."""

from __future__ import annotations

import asyncio
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Request, Response

from sipguard.manage import account_import
from sipguard.manage.account_import import ImportInfo, NewImport
from sipguard.manage.desk import Desk
from sipguard.manage.page import LIMIT
from sipguard.model.authorization import Authorization
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/account-imports", tags=["accounts"], route_class=StrictRoute)
log = structlog.get_logger()

Number = Annotated[int, Path(ge=0, le=2**63 - 1)]


@router.post("", status_code=202, responses=responses())
async def import_accounts(
    desk: CurrentDesk, actor: CurrentActor, request: Request, response: Response, form: NewImport
) -> ImportInfo:
    """Begin a job (authorization 1). The same file again goes on with the same job while that is not done."""
    async with desk.writing(actor, "account.import") as act:
        job = await account_import.create(act, form)
    response.headers["Location"] = f"/api/v1/account-imports/{job.number}"
    _start(request, desk, job.number)
    return job


@router.get("", responses=responses())
async def list_imports(
    desk: CurrentDesk,
    actor: CurrentActor,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[ImportInfo]:
    """Jobs, the newest first, without what was wrong."""
    async with desk.reading(actor) as view:
        return Listing.of(await account_import.list_imports(view, after=cursor, limit=limit))


@router.get("/{number}", responses=responses(404))
async def get_import(desk: CurrentDesk, actor: CurrentActor, number: Number) -> ImportInfo:
    """How far a job is, and what is wrong with which line."""
    async with desk.reading(actor) as view:
        return await account_import.get(view, number)


@router.post("/{number}/resume", status_code=202, responses=responses(404))
async def resume_import(
    desk: CurrentDesk, actor: CurrentActor, request: Request, number: Number
) -> ImportInfo:
    """Go on with a job that stopped, or whose process ended (authorization 1). One that runs runs on."""
    async with desk.writing(actor, "account.import", Authorization.ACCOUNT) as act:
        job = await account_import.get(act, number)
    _start(request, desk, number)
    return job


def _start(request: Request, desk: Desk, number: int) -> None:
    """One task for a job, whoever asks for it how often."""
    tasks: dict[int, asyncio.Task[None]] = request.app.state.__dict__.setdefault("imports", {})
    if number not in tasks:
        tasks[number] = asyncio.create_task(_run(desk, number))
        tasks[number].add_done_callback(lambda _: tasks.pop(number, None))


async def _run(desk: Desk, number: int) -> None:
    try:
        async for _ in account_import.run(desk, number):
            await asyncio.sleep(0)
    except Exception:
        log.exception("import.failed", number=number)  # it stands where it stood, and can be resumed
