"""Signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from sipguard.manage import login
from sipguard.manage.desk import Desk
from sipguard.manage.values import Form
from sipguard.model.actor import Role
from sipguard.model.authorization import slugs
from sipguard.web.access import COOKIE, CurrentDesk, CurrentSession, session_of
from sipguard.web.body import StrictRoute
from sipguard.web.problem import responses

router = APIRouter(prefix="/session", tags=["session"], route_class=StrictRoute)


class Credentials(Form):
    """What somebody signs in with."""

    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)


class SessionInfo(BaseModel):
    """Who is signed in."""

    username: str
    role: Role
    csrf_token: str = Field(description="To be sent as X-CSRF-Token with every change.")
    expires_ms: int = Field(description="Unix milliseconds.")
    account_id: str | None = Field(description="Of role account: the account that the login is.")
    authorizations: list[str] = Field(description="What it may do at this moment, along its whole chain.")


@router.post("", status_code=201, responses=responses())
async def sign_in(desk: CurrentDesk, request: Request, response: Response, form: Credentials) -> SessionInfo:
    """Sign in. The session is in a cookie that scripts cannot read."""
    source = request.client.host if request.client else ""
    signed = await login.sign_in(
        desk, form.username, form.password, source, request.headers.get("user-agent", "")
    )
    response.set_cookie(
        COOKIE, signed.token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
    )
    return await _info(desk, signed.session)


@router.get("", responses=responses())
async def current(desk: CurrentDesk, session: CurrentSession) -> SessionInfo:
    """Who is signed in."""
    return await _info(desk, session)


@router.delete("", status_code=204, responses=responses())
async def sign_out(desk: CurrentDesk, request: Request, response: Response) -> None:
    """Sign out; the session is over."""
    await session_of(request)
    await login.sign_out(desk, request.cookies[COOKIE])
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


async def _info(desk: Desk, session: login.Session) -> SessionInfo:
    actor = session.actor
    async with desk.reading(actor) as view:
        authorizations = slugs(await view.effective())
        account_id = await view.account_id()
    return SessionInfo(
        username=actor.name,
        role=actor.role,
        csrf_token=session.csrf_token,
        expires_ms=session.expires_ms,
        account_id=account_id,
        authorizations=list(authorizations),
    )
