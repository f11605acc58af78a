"""Signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from sipguard.manage import login
from sipguard.manage.values import Form
from sipguard.model.actor import Role
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
    return _info(signed.session)


@router.get("", responses=responses())
async def current(session: CurrentSession) -> SessionInfo:
    """Who is signed in."""
    return _info(session)


@router.delete("", status_code=204, responses=responses())
async def sign_out(desk: CurrentDesk, request: Request, response: Response) -> None:
    """Sign out; the session is over."""
    await session_of(request)
    await login.sign_out(desk, request.cookies[COOKIE])
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def _info(session: login.Session) -> SessionInfo:
    actor = session.actor
    return SessionInfo(
        username=actor.name, role=actor.role, csrf_token=session.csrf_token, expires_ms=session.expires_ms
    )
