"""What mapping and routing gateways have in common: rights by field, addresses, and calls that are up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from sipguard.control import ControlError, NotRunningError
from sipguard.manage.errors import ConflictError, ForbiddenError, InvalidError, UnavailableError
from sipguard.manage.gateway_form import OPERATORS, needed
from sipguard.manage.leaf import Host
from sipguard.policy import number
from sipguard.store.live_call import live_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sipguard.manage.desk import Act
    from sipguard.manage.values import Form
    from sipguard.model.gateway import NumberPlan

CLOSED = "leads into a network that agents may not name"


async def require_for(act: Act, changed: Iterable[str]) -> None:
    """Whether the actor may change these fields. Raises ForbiddenError."""
    fields = frozenset(changed)
    if not act.actor.sees_all and (forbidden := sorted(fields & OPERATORS)):
        raise ForbiddenError(f"only an administrator may set {', '.join(forbidden)}")
    for authorization in needed(fields):
        await act.require(authorization)


def set_apart(form: Form) -> set[str]:
    """The fields of a form that are given as something else than by default."""
    fields = type(form).model_fields
    return {name for name in form.model_fields_set if getattr(form, name) != fields[name].default}


def check_host(act: Act, host: str, owned: bool) -> None:
    """Raises InvalidError for an address of a gateway of an agent that leads to where it may not.

    Names are checked by the daemon whenever they are resolved.
    """
    if not owned:
        return
    local = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    address = not Host(host).is_name
    if local or (address and not act.desk.rules.reach.permits(host)):
        raise InvalidError.of("host", CLOSED)


def check_plan(plan: NumberPlan) -> None:
    """Raises InvalidError for a plan by which no number could be read."""
    try:
        number.check_plan(plan)
    except ValueError as error:
        raise InvalidError.of("national_prefix", str(error)) from None


async def refuse_while_calls(act: Act, noun: str, id: str, name: str) -> None:
    """Whether no call goes through something, `name` as the daemon knows it.

    A call that is up is taken in again after a restart, and needs it then. Raises ConflictError,
    UnavailableError.
    """
    if act.desk.proxy is not None:
        try:
            if await act.desk.proxy.ask("calls", timeout_seconds=2.0, gateway=name, limit=1):
                raise ConflictError(f"calls are up through {noun} {id}: lock it, and end them first")
            return
        except NotRunningError:
            pass
        except ControlError as error:
            if "there is no gateway" in str(error):
                return  # it was made a moment ago
            raise UnavailableError(f"the daemon does not say whether calls are up: {error}") from None
    up = select(live_call.c.call).where(live_call.c.ended_ms.is_(None)).limit(1)
    if await act.conn.scalar(up) is not None:
        raise UnavailableError("the daemon is not running, and calls were up")
