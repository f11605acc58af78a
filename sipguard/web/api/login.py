"""Logins and API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from sipguard.manage import api_key, login
from sipguard.manage.api_key import ApiKeyInfo, KeyForm, NewApiKey
from sipguard.manage.login import LoginInfo
from sipguard.manage.login_form import LoginChanges, NewLogin, PasswordReset
from sipguard.manage.page import LIMIT
from sipguard.web.access import CurrentActor, CurrentDesk
from sipguard.web.body import StrictRoute
from sipguard.web.conditional import IfMatch, put
from sipguard.web.listing import Cursor, Limit, Listing
from sipguard.web.problem import responses

router = APIRouter(prefix="/logins", tags=["logins"], route_class=StrictRoute)


@router.get("", responses=responses(404))
async def list_logins(
    desk: CurrentDesk,
    actor: CurrentActor,
    account_id: Annotated[str | None, Query(description="Of one account; none: all in scope.")] = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Listing[LoginInfo]:
    """Logins by name."""
    async with desk.reading(actor) as view:
        return Listing.of(await login.list_all(view, account_id, after=cursor, limit=limit))


@router.post("", status_code=201, responses=responses(404, 409))
async def create_login(
    desk: CurrentDesk, actor: CurrentActor, response: Response, form: NewLogin
) -> LoginInfo:
    """Make a login (authorization 1; those without an account only administrators)."""
    made = await login.create(desk, actor, form)
    put(response, made.etag)
    response.headers["Location"] = f"/api/v1/logins/{made.username}"
    return made


@router.get("/{username}", responses=responses(404))
async def get_login(desk: CurrentDesk, actor: CurrentActor, response: Response, username: str) -> LoginInfo:
    """One login."""
    async with desk.reading(actor) as view:
        found = await login.get(view, username)
    put(response, found.etag)
    return found


@router.patch("/{username}", responses=responses(404, 409, 412, 428))
async def modify_login(
    desk: CurrentDesk,
    actor: CurrentActor,
    response: Response,
    username: str,
    form: LoginChanges,
    expected: IfMatch,
) -> LoginInfo:
    """Lock or unlock it, give it another role (authorization 1)."""
    async with desk.writing(actor, "login.modify") as act:
        changed = await login.modify(act, username, form, expected)
    put(response, changed.etag)
    return changed


@router.delete("/{username}", status_code=204, responses=responses(404, 409))
async def delete_login(desk: CurrentDesk, actor: CurrentActor, username: str) -> None:
    """Take it away, with its sessions and keys (authorization 1)."""
    async with desk.writing(actor, "login.delete") as act:
        await login.remove(act, username)


@router.put("/{username}/password", responses=responses(404, 409))
async def reset_password(
    desk: CurrentDesk, actor: CurrentActor, response: Response, username: str, form: PasswordReset
) -> LoginInfo:
    """Give somebody else a new password (authorization 1); for one's own: PUT /session/password."""
    changed = await login.set_password(desk, actor, username, form.password, form.must_change)
    put(response, changed.etag)
    return changed


@router.delete("/{username}/totp", responses=responses(404, 409))
async def remove_totp_of(
    desk: CurrentDesk, actor: CurrentActor, response: Response, username: str
) -> LoginInfo:
    """Take somebody's second factor away, who has lost it (authorization 1)."""
    async with desk.writing(actor, "login.totp") as act:
        changed = await login.remove_totp(act, username)
    put(response, changed.etag)
    return changed


@router.get("/{username}/keys", responses=responses(404))
async def list_api_keys(desk: CurrentDesk, actor: CurrentActor, username: str) -> list[ApiKeyInfo]:
    """The API keys of a login, the newest first."""
    async with desk.reading(actor) as view:
        return await api_key.listed(view, username)


@router.post("/{username}/keys", status_code=201, responses=responses(404))
async def create_api_key(desk: CurrentDesk, actor: CurrentActor, username: str, form: KeyForm) -> NewApiKey:
    """Make an API key: of one's own, signed in, or of a login in scope (authorization 1)."""
    async with desk.writing(actor, "api_key.create", personal=username == actor.name) as act:
        return await api_key.create(act, username, form)


@router.delete("/{username}/keys/{key_id}", status_code=204, responses=responses(404))
async def revoke_api_key(desk: CurrentDesk, actor: CurrentActor, username: str, key_id: str) -> None:
    """An API key is good for nothing from now on."""
    async with desk.writing(actor, "api_key.revoke", personal=username == actor.name) as act:
        await api_key.revoke(act, username, key_id)
