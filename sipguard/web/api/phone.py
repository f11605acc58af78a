"""Phones and the number ranges that their numbers come from."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from sipguard.manage import number_range, phone
from sipguard.manage.credential import Told
from sipguard.manage.number_range import NumberRangeInfo
from sipguard.manage.number_range_form import NewNumberRange
from sipguard.manage.page import LIMIT
from sipguard.manage.phone import PhoneInfo, RegistrationInfo
from sipguard.manage.phone_form import NewPassword, NewPhone, PhoneChanges
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.listing import Cursor, Limit, Listing, OfAccount
from sipguard.web.once import OnceIfAsked
from sipguard.web.problem import responses

router = APIRouter(tags=["phones"], route_class=StrictRoute)


class Secret(BaseModel):
    """What somebody has to type into the phone."""

    id: str
    username: str
    password: str | None = Field(description="Told this once, nowhere kept; null where the client chose it.")


class NewPhoneInfo(BaseModel):
    """A phone that was just made."""

    phone: PhoneInfo
    credential: Secret


@router.get("/phones", responses=responses(404))
async def list_phones(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: OfAccount = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[PhoneInfo]:
    """Phones by id."""
    async with desk.reading(actor) as view:
        return Listing.of(await phone.list_phones(view, account_id, after=cursor, limit=limit))


@router.post("/phones", status_code=201, responses=responses(404, 409))
async def create_phone(
    desk: CurrentDesk, actor: CurrentActor, response: Response, form: NewPhone
) -> NewPhoneInfo:
    """Make a phone (authorization 2). Numbers have to lie in number ranges that the account may use."""
    async with desk.writing(actor, "phone.create") as act:
        made, told = await phone.create(act, form)
    put(response, made.etag)
    response.headers["Location"] = f"/api/v1/phones/{made.id}"
    return NewPhoneInfo(phone=made, credential=_secret(told))


@router.get("/phones/{phone_id}", responses=responses(404))
async def get_phone(desk: CurrentDesk, actor: CurrentActor, response: Response, phone_id: str) -> PhoneInfo:
    """One phone."""
    async with desk.reading(actor) as view:
        found = await phone.get(view, phone_id)
    put(response, found.etag)
    return found


@router.patch("/phones/{phone_id}", responses=responses(404, 409, 412, 428))
async def modify_phone(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    phone_id: str,
    form: PhoneChanges,
    expected: IfMatch,
) -> PhoneInfo:
    """Change what is given, leave the rest (authorization 2)."""
    async with desk.writing(actor, "phone.modify") as act:
        changed = await phone.modify(act, phone_id, form, expected)
    put(response, changed.etag)
    return changed


@router.delete("/phones/{phone_id}", status_code=204, responses=responses(404, 409, 412, 428))
async def remove_phone(desk: CurrentDesk, actor: CurrentActor, phone_id: str, expected: IfMatch) -> None:
    """Remove a phone (authorization 2) that no call is up with."""
    async with desk.writing(actor, "phone.remove") as act:
        await phone.remove(act, phone_id, expected)


@router.post("/phones/{phone_id}/password", responses=responses(404, 409))
async def set_phone_password(
    desk: CurrentDesk, actor: CurrentActor, phone_id: str, form: NewPassword
) -> Secret:
    """Give a phone another password (authorization 2)."""
    async with desk.writing(actor, "phone.set_password") as act:
        return _secret(await phone.set_password(act, phone_id, form))


@router.get("/phones/{phone_id}/registrations", responses=responses(404))
async def list_registrations(
    desk: CurrentDesk, actor: CurrentActor, phone_id: str
) -> Listing[RegistrationInfo]:
    """Where a phone is registered, as of a second ago."""
    async with desk.reading(actor) as view:
        return Listing(items=await phone.registrations(view, phone_id), next_cursor=None)


@router.get("/number-ranges", responses=responses(404))
async def list_number_ranges(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: OfAccount = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[NumberRangeInfo]:
    """Number ranges by id."""
    async with desk.reading(actor) as view:
        return Listing.of(await number_range.list_ranges(view, account_id, after=cursor, limit=limit))


@router.post("/number-ranges", status_code=201, responses=responses(404, 409, 422))
async def create_number_range(once: OnceIfAsked, form: NewNumberRange) -> NumberRangeInfo:
    """Give numbers to an account below (authorization 2), out of those that its agents may hand out."""
    return await once.run(
        "number_range.create",
        lambda act: number_range.create(act, form),
        location=lambda made: f"/api/v1/number-ranges/{made.id}",
    )


@router.get("/number-ranges/{range_id}", responses=responses(404))
async def get_number_range(desk: CurrentDesk, actor: CurrentActor, range_id: str) -> NumberRangeInfo:
    """One number range."""
    async with desk.reading(actor) as view:
        return await number_range.get(view, range_id)


@router.delete("/number-ranges/{range_id}", status_code=204, responses=responses(404, 409))
async def remove_number_range(desk: CurrentDesk, actor: CurrentActor, range_id: str) -> None:
    """Take a range away (authorization 2); refused while phones have its numbers."""
    async with desk.writing(actor, "number_range.remove") as act:
        await number_range.remove(act, range_id)


def _secret(told: Told) -> Secret:
    return Secret(id=told.id, username=told.username, password=told.password)
