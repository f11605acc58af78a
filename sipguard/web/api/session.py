"""Signing in and out, and what everybody does to their own login."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from sipguard.manage import lockout, own_login, session
from sipguard.manage.desk import Desk
from sipguard.manage.login_form import Password, PasswordChange
from sipguard.manage.session import Session, SessionInfo, SignedIn
from sipguard.manage.sign_in import Attempt, sign_in
from sipguard.manage.values import Form
from sipguard.model.actor import Role
from sipguard.model.authorization import slugs
from sipguard.web.access import COOKIE, CurrentDesk, CurrentSession, source_of
from sipguard.web.body import StrictRoute
from sipguard.web.problem import responses

router = APIRouter(prefix="/session", tags=["session"], route_class=StrictRoute)

DEVICE_COOKIE = "sipguard_device"
"""By which a browser is known again, so that strangers' guesses do not slow its owner down."""
_DEVICE_SECONDS = 365 * 86_400
_DEVICE_PATH = "/api/v1/session"


class Credentials(Form):
    """What somebody signs in with."""

    username: str = Field(min_length=1, max_length=64)
    password: Password
    code: str | None = Field(
        None, max_length=64, description="Of the authenticator, or a recovery code, where one is needed."
    )


class CurrentPassword(Form):
    """The proof that it is the owner who sits before the open page."""

    current_password: Password


class Code(Form):
    """A code of the authenticator."""

    code: str = Field(min_length=6, max_length=64)


class CurrentSessionInfo(BaseModel):
    """Who is signed in."""

    username: str
    role: Role
    csrf_token: str = Field(description="To be sent as X-CSRF-Token with every change.")
    expires_ms: int = Field(description="Unix milliseconds.")
    account_id: str | None = Field(description="Of role account: the account that the login is.")
    authorizations: list[str] = Field(description="What it may do at this moment, along its whole chain.")
    must_change: bool = Field(description="Nothing may be done before the password was changed.")
    totp: bool = Field(description="Whether there is a second factor.")


class AttemptInfo(BaseModel):
    """Somebody signed in under this name, or tried to."""

    at_ms: int
    source: str
    outcome: str = Field(description='"done" or "refused".')


class EnrolmentInfo(BaseModel):
    """A secret for an authenticator; it counts once a code of it was given."""

    secret: str
    uri: str = Field(description="otpauth://..., to be shown as a QR code.")


class ConfirmedTotp(BaseModel):
    """The second factor is in force."""

    session: CurrentSessionInfo
    recovery_codes: list[str] = Field(description="Good once each, for who has lost it. Told once.")


@router.post("", status_code=201, responses=responses())
async def begin_session(
    desk: CurrentDesk, request: Request, response: Response, form: Credentials
) -> CurrentSessionInfo:
    """Sign in. The session is in a cookie that scripts cannot read.

    401 with `code_needed`: the password is right, now the code of the authenticator. 429: after too many
    failures; wait.
    """
    attempt = Attempt(
        form.username,
        form.password,
        form.code,
        source_of(request),
        request.headers.get("user-agent", ""),
        request.cookies.get(DEVICE_COOKIE),
    )
    signed, device = await sign_in(desk, attempt)
    response.set_cookie(
        DEVICE_COOKIE,
        device,
        max_age=_DEVICE_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path=_DEVICE_PATH,
    )
    return await _put(desk, request, response, signed)


@router.get("", responses=responses())
async def current(desk: CurrentDesk, mine: CurrentSession) -> CurrentSessionInfo:
    """Who is signed in."""
    return await _info(desk, mine)


@router.delete("", status_code=204, responses=responses())
async def end_session(desk: CurrentDesk, _mine: CurrentSession, request: Request, response: Response) -> None:
    """Sign out; the session is over."""
    await session.end(desk, request.cookies[COOKIE])
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


@router.put("/password", responses=responses())
async def change_password(
    desk: CurrentDesk, mine: CurrentSession, request: Request, response: Response, form: PasswordChange
) -> CurrentSessionInfo:
    """Set another password; every other session is over, and this one has a new cookie and csrf_token."""
    signed = await own_login.change_password(
        desk, mine, request.cookies[COOKIE], source_of(request), form.current_password, form.password
    )
    return await _put(desk, request, response, signed)


@router.get("/sign-ins", responses=responses())
async def list_sign_ins(desk: CurrentDesk, mine: CurrentSession) -> list[AttemptInfo]:
    """The last times that somebody signed in under this name, or tried to; the newest first."""
    async with desk.reading(mine.actor) as view:
        rows = await lockout.latest(view.conn, mine.actor.name)
    return [AttemptInfo(at_ms=at_ms, source=source, outcome=outcome) for at_ms, source, outcome in rows]


@router.get("/sessions", responses=responses())
async def list_sessions(desk: CurrentDesk, mine: CurrentSession) -> list[SessionInfo]:
    """Where one is signed in."""
    async with desk.reading(mine.actor) as view:
        return await session.listed(view.conn, mine.actor.login_key or 0, view.now_ms)


@router.delete("/sessions/{session_id}", status_code=204, responses=responses(404))
async def end_other_session(desk: CurrentDesk, mine: CurrentSession, session_id: str) -> None:
    """Sign out somewhere else."""
    await own_login.end_session(desk, mine, session_id)


@router.post("/totp", status_code=201, responses=responses(409))
async def enrol_totp(
    desk: CurrentDesk, mine: CurrentSession, request: Request, form: CurrentPassword
) -> EnrolmentInfo:
    """Begin with an authenticator."""
    made = await own_login.enrol_totp(desk, mine, source_of(request), form.current_password)
    return EnrolmentInfo(secret=made.secret, uri=made.uri)


@router.put("/totp", responses=responses(409))
async def confirm_totp(
    desk: CurrentDesk, mine: CurrentSession, request: Request, response: Response, form: Code
) -> ConfirmedTotp:
    """Put the authenticator in force by a first code. The session has a new cookie and csrf_token."""
    signed, codes = await own_login.confirm_totp(desk, mine, request.cookies[COOKIE], form.code)
    return ConfirmedTotp(session=await _put(desk, request, response, signed), recovery_codes=codes)


@router.post("/totp/removal", responses=responses())
async def remove_totp(
    desk: CurrentDesk, mine: CurrentSession, request: Request, response: Response, form: CurrentPassword
) -> CurrentSessionInfo:
    """The password alone is enough again. The session has a new cookie and csrf_token."""
    signed = await own_login.remove_totp(
        desk, mine, request.cookies[COOKIE], source_of(request), form.current_password
    )
    return await _put(desk, request, response, signed)


async def _put(desk: Desk, request: Request, response: Response, signed: SignedIn) -> CurrentSessionInfo:
    response.set_cookie(
        COOKIE, signed.token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path="/"
    )
    return await _info(desk, signed.session)


async def _info(desk: Desk, mine: Session) -> CurrentSessionInfo:
    actor = mine.actor
    async with desk.reading(actor) as view:
        authorizations = slugs(await view.effective())
        account_id = await view.account_id()
    return CurrentSessionInfo(
        username=actor.name,
        role=actor.role,
        csrf_token=mine.csrf_token,
        expires_ms=mine.expires_ms,
        account_id=account_id,
        authorizations=list(authorizations),
        must_change=mine.must_change,
        totp=mine.totp,
    )
