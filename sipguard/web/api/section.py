"""Number sections of accounts, and the destination sets that they name."""

from __future__ import annotations

from fastapi import APIRouter, Response

from sipguard.manage import destination_set, section
from sipguard.manage.destination_set import SetInfo
from sipguard.manage.page import LIMIT
from sipguard.manage.section import SectionsInfo
from sipguard.manage.section_form import NewSet, SectionChanges, Sections, SetChanges
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(tags=["sections"], route_class=StrictRoute)


@router.get("/accounts/{account_id}/sections", responses=responses(404))
async def get_sections(
    desk: CurrentDesk, actor: CurrentActor, response: Response, account_id: str
) -> SectionsInfo:
    """Which numbers an account and all below may call, and call from."""
    async with desk.reading(actor) as view:
        found = await section.get(view, account_id)
    put(response, found.etag)
    return found


@router.put("/accounts/{account_id}/sections", responses=responses(404, 412, 428))
async def replace_sections(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    account_id: str,
    form: Sections,
    expected: IfMatch,
) -> SectionsInfo:
    """Replace all rules (authorization 1)."""
    async with desk.writing(actor, "account.sections") as act:
        changed = await section.modify(act, account_id, form, expected, whole=True)
    put(response, changed.etag)
    return changed


@router.patch("/accounts/{account_id}/sections", responses=responses(404, 412, 428))
async def modify_sections(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    account_id: str,
    form: SectionChanges,
    expected: IfMatch,
) -> SectionsInfo:
    """Replace the rules of the directions that are given (authorization 1)."""
    async with desk.writing(actor, "account.sections") as act:
        changed = await section.modify(act, account_id, form, expected)
    put(response, changed.etag)
    return changed


@router.get("/destination-sets", responses=responses())
async def list_sets(
    desk: CurrentDesk,
    actor: CurrentActor,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[SetInfo]:
    """The sets that sections may name: one's own and the operator's."""
    async with desk.reading(actor) as view:
        return Listing.of(await destination_set.list_sets(view, after=cursor, limit=limit))


@router.post("/destination-sets", status_code=201, responses=responses(409))
async def create_set(desk: CurrentDesk, actor: CurrentActor, response: Response, form: NewSet) -> SetInfo:
    """Make a set of one's own (authorization 1)."""
    async with desk.writing(actor, "destination_set.create") as act:
        made = await destination_set.create(act, form)
    put(response, made.etag)
    response.headers["Location"] = f"/api/v1/destination-sets/{made.id}"
    return made


@router.get("/destination-sets/{set_id}", responses=responses(404))
async def get_set(desk: CurrentDesk, actor: CurrentActor, response: Response, set_id: str) -> SetInfo:
    """One set: one's own of that id, else the operator's."""
    async with desk.reading(actor) as view:
        found = await destination_set.get(view, set_id)
    put(response, found.etag)
    return found


@router.put("/destination-sets/{set_id}", responses=responses(404, 412, 428))
async def modify_set(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    set_id: str,
    form: SetChanges,
    expected: IfMatch,
) -> SetInfo:
    """Change a set of one's own, and the sections of all accounts that name it (authorization 1)."""
    async with desk.writing(actor, "destination_set.modify") as act:
        changed = await destination_set.modify(act, set_id, form, expected)
    put(response, changed.etag)
    return changed


@router.delete("/destination-sets/{set_id}", status_code=204, responses=responses(404, 409))
async def delete_set(desk: CurrentDesk, actor: CurrentActor, set_id: str) -> None:
    """Delete a set of one's own that no sections name (authorization 1)."""
    async with desk.writing(actor, "destination_set.delete") as act:
        await destination_set.delete(act, set_id)
