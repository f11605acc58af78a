"""Calls that are there now, as the proxy tells them; ended by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import select

from sipguard.control import ControlError, NotRunningError
from sipguard.manage import page
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import NotFoundError, UnavailableError
from sipguard.manage.page import Page
from sipguard.model.actor import Role
from sipguard.model.authorization import Authorization
from sipguard.store.account import account


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A present call. Times are Unix milliseconds."""

    call: str
    """Our own number of it; as text, because numbers of JSON are not exact that far."""
    sip_call_id: str
    account_id: str
    called: str
    calling: str | None
    mapping_gateway_id: str
    routing_gateway_id: str | None
    """None where the reader may not know it."""
    invited_ms: int
    answered_ms: int | None
    """None: it is being set up."""
    granted_seconds: int
    """Paid for until now, from the answer on."""


async def list_calls(
    view: View, account_id: str | None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[CallInfo]:
    """The oldest first; of an account with everything below it, where one is named.

    Raises NotFoundError, UnavailableError where no proxy answers, InvalidError for a cursor that is none.
    """
    top = await view.top_id(account_id)
    args: dict[str, Any] = {"limit": page.check_limit(limit) + 1, "after": 0}
    if after is not None:
        (args["after"],) = page.position(after, (int,))
    if top is not None:
        args["account"] = top
    rows = cast("list[Mapping[str, Any]]", await _ask(view, "calls", args))
    items = [_info(row, view.actor.sees_all) for row in rows[:limit]]
    return Page(items, page.cursor(int(items[-1].call)) if len(rows) > limit else None)


async def hang_up(act: Act, call: int) -> None:
    """End a call in scope; both sides get a BYE, what it has cost is charged.

    Administrators and support end any, accounts those of accounts below (authorization 1). Raises
    ForbiddenError, NotFoundError, UnavailableError.
    """
    account_key = await _account_of(act, call)
    if act.actor.role is not Role.SUPPORT:
        await act.require(Authorization.ACCOUNT)
    await _ask(act, "hangup", {"call": call})
    act.desk.screens.forget()
    await act.changed("call", str(call), account_key)


async def _account_of(view: View, call: int) -> int:
    """The key of the account that has a present call. Raises NotFoundError, for one out of scope alike."""
    try:
        rows = cast("list[Mapping[str, Any]]", await _ask(view, "calls", {"call": call}))
    except NotFoundError:
        rows = []
    key = -1
    if rows:
        mine = select(account.c.key).where(account.c.id == rows[0]["account_id"])
        key = await view.conn.scalar(mine) or -1
    if not rows or not await view.sees(key):
        raise NotFoundError("call", call)
    return key


async def _ask(view: View, command: str, args: dict[str, Any]) -> object:
    proxy = view.desk.proxy
    if proxy is None:
        raise UnavailableError("no proxy runs that could know its calls")
    try:
        # A list may be a second old. A single call is about to be ended: of that one it has to be true.
        if command == "calls" and "call" not in args:
            return await view.desk.screens.share(proxy.ask, command, **args)
        return await proxy.ask(command, **args)
    except NotRunningError as error:
        raise UnavailableError(str(error)) from None
    except ControlError as error:
        # All that it refuses of these is a name or a number that it does not know.
        raise NotFoundError(
            "account" if "account" in args else "call", args.get("account") or args.get("call")
        ) from error


def _info(row: Mapping[str, Any], staff: bool) -> CallInfo:
    values = {name: row[name] for name in CallInfo.__slots__} | {"call": str(row["call"])}
    if not staff:
        values["routing_gateway_id"] = None
    return CallInfo(**values)
