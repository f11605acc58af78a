"""Further ends that answer a call: a gateway forks it, or answers when it was given up already."""

from __future__ import annotations

from sipguard.calls import unfinished
from sipguard.calls.exchange import Exchange
from sipguard.sip.events import Changed, Unwanted
from sipguard.store.writer import CallMoved


def on_changed(exchange: Exchange, event: Changed) -> None:
    """Keep the new dialog state, so that a restart knows the call as it is now. Where another fork has
    answered, its 2xx goes to the caller once a restart would know that leg, too; the call is charged once.
    """
    call = exchange.current.find(event.call)
    if call is None or call.ending:
        return  # the hang-up that follows ends every leg
    moved = CallMoved(event.call, event.dialog)
    if not event.answered:
        exchange.writer.submit(moved)
        return

    def go() -> None:
        exchange.engine.release_fork(event.call, exchange.clock.now().monotonic_ns)
        exchange.kick()

    if call.permit.emergency and not exchange.writer.healthy:
        go()  # it costs nothing, and somebody needs help
        exchange.writer.submit(moved)
    else:
        exchange.writer.submit(moved, go)


def on_unwanted(exchange: Exchange, event: Unwanted) -> None:
    """An answer of a gateway that was given up, or of a fork of a call that is over, is being ended: a kill
    before its BYE has arrived must not leave it up."""
    unfinished.keep_unwanted(exchange, event.call, event.dialog)
