"""Calls that are ended from here because somebody wants it: an operator, or a lock. Answered ones are charged
and get a BYE on both sides, those that still ring are cancelled below and refused above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sipguard.calls import ending, settlement, unfinished
from sipguard.calls.call import Call
from sipguard.calls.ending import Ending
from sipguard.calls.exchange import Exchange
from sipguard.control import ControlError
from sipguard.store.writer import CallClosed

SLICE = 100
"""Calls that are ended in one go: about 10 ms, in which no other call is served."""

_AGAIN_NS = 50_000_000
"""When a call is looked at again whose answer is on its way from the engine."""


def hang_up(exchange: Exchange, call: Call, why: Ending) -> None:
    """End a call that may be answered or not."""
    if call.ending or exchange.current.find(call.id) is not call:
        return
    if call.answered_ms is not None:
        ending.end(exchange, call, why)
        return
    now_ns = exchange.clock.now().monotonic_ns
    if not exchange.engine.cancel(call.id, why.status, why.text, now_ns, why.reason):
        # Answered, or refused, a moment ago: the event that says so is on its way.
        exchange.alarms.at(now_ns + _AGAIN_NS, lambda _: hang_up(exchange, call, why), call.id)
        return
    exchange.kick()
    exchange.tally.failed += 1
    exchange.over(call)
    cdr = settlement.failed(call, now_ns, why.status, "sipguard", False, why.q850, why.name)
    exchange.writer.submit(CallClosed(cdr, None), unfinished.when_settled(exchange, call))


async def hang_up_all(exchange: Exchange, calls: Iterable[int], why: Ending) -> int:
    """End calls, a slice at a time, so that others are served meanwhile; how many there were."""
    ended = 0
    for number, call_id in enumerate(calls):
        if number and number % SLICE == 0:
            await asyncio.sleep(0)
        call = exchange.current.find(call_id)
        if call is not None and not call.ending:
            hang_up(exchange, call, why)
            ended += 1
    return ended


async def by_operator(exchange: Exchange, what: str, which: object) -> int:
    """The command of an operator; how many calls were ended.

    `what`: "call" (our id or a Call-ID), "account", "mapping_gateway", "routing_gateway", or "gateway" for
    either. Raises ControlError where there is no such thing.
    """
    ended = await hang_up_all(exchange, selected(exchange, what, which), ending.OPERATOR)
    if what == "call" and not ended:
        raise ControlError(f"there is no call {which}")
    return ended


def selected(exchange: Exchange, what: str, which: object) -> tuple[int, ...]:
    """The present calls that a command means."""
    current, directory = exchange.current, exchange.directory
    if what == "call":
        if str(which).isdecimal() and current.find(int(str(which))) is not None:
            return (int(str(which)),)
        return tuple(call.id for call in current if call.attempt.sip_call_id == which)
    found: tuple[int, ...] = ()
    known = False
    if what == "account" and (account := directory.account(str(which))) is not None:
        known, found = True, current.of_account(account.key)
    if what in ("mapping_gateway", "gateway"):
        for trunk in directory.mapping_gateways.values():
            if trunk.id == which:
                known, found = True, found + current.of_mapping_gateway(trunk.key)
    if what in ("routing_gateway", "gateway"):
        for gateway in directory.routing_gateways.values():
            if gateway.id == which:
                known, found = True, found + current.of_routing_gateway(gateway.key)
    if not known:
        raise ControlError(f"there is no {what.replace('_', ' ')} {which}")
    return tuple(dict.fromkeys(found))
