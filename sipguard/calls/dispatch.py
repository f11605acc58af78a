"""Event of the engine -> step. Nothing else happens here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipguard.calls.admission import on_invite, on_request
from sipguard.calls.exchange import Exchange, log
from sipguard.calls.forks import on_changed, on_unwanted
from sipguard.calls.lost import on_lost
from sipguard.calls.progress import on_answered, on_ended, on_failed
from sipguard.sip.events import (
    Answered,
    Changed,
    Ended,
    Event,
    Failed,
    Invite,
    Lost,
    Probed,
    Request,
    Resolve,
    Unwanted,
)


def on_probed(exchange: Exchange, event: Probed) -> None:
    """A gateway was asked whether it is there."""
    exchange.gateways.probed(event)


def on_resolve(exchange: Exchange, event: Resolve) -> None:
    """An end of a call is to be reached by its name."""
    if exchange.naming is not None:
        exchange.naming.resolve(event)


_STEPS: dict[type, Callable[[Exchange, Any], None]] = {
    Invite: on_invite,
    Request: on_request,
    Failed: on_failed,
    Probed: on_probed,
    Resolve: on_resolve,
    Answered: on_answered,
    Ended: on_ended,
    Changed: on_changed,
    Unwanted: on_unwanted,
    Lost: on_lost,
}


def dispatcher(exchange: Exchange) -> Callable[[Event], None]:
    """The function that the driver calls for each event. It never raises: one call's bug is not another's."""

    def dispatch(event: Event) -> None:
        try:
            _STEPS[type(event)](exchange, event)
        except Exception:
            log.exception("call.step_failed", of=type(event).__name__, call=getattr(event, "call", None))
            if isinstance(event, Invite | Request):
                exchange.engine.reject(event.call, 500, "Server Internal Error")

    return dispatch
