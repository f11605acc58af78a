"""What becomes of a call that was forwarded: it rings, fails, is answered, ends. Recorded before relayed."""

from __future__ import annotations

import re
from collections.abc import Callable

from sipguard.calls import admission, control, redirection, saved, settlement, unfinished
from sipguard.calls.call import Call
from sipguard.calls.closing import BYE_PATIENCE_NS, close, record
from sipguard.calls.exchange import Exchange
from sipguard.model.cdr import GatewayTry
from sipguard.sip.events import Answered, Ended, Failed
from sipguard.store.writer import CallAnswered, CallClosed, Release

NEVER_FAILOVER = frozenset({486, 487, 600, 603, 604, 607, 608})
"""The callee, or the caller, has decided: asking another gateway would ring again against their will."""


def on_failed(exchange: Exchange, event: Failed) -> None:
    """A gateway did not take the call: the next one, or the best refusal to the caller."""
    call = exchange.current.find(event.call)
    if call is None:
        exchange.engine.finish(event.call)
        return
    now = exchange.clock.now()
    if event.ringing is not None:
        call.ringing_ms = call.unix_ms(event.ringing)
    cause = "cancelled" if event.cancelled else event.cause
    call.tries.append(GatewayTry(call.candidate.gateway.id, call.candidate.number, event.status, cause))
    if call.candidate.gateway.key > 0:
        exchange.gateways.failed(event, call.candidate.gateway.key, call.ways[0])
    if _tries_on(event, call) and (
        _next_way(event, call)
        or redirection.follow(exchange, call, event, now)
        or admission.next_gateway(exchange, call, now)
    ):
        exchange.tally.failovers += 1
        admission.send(exchange, call, now)
        return
    status = exchange.engine.finish(call.id)
    exchange.tally.failed += 1
    exchange.over(call)
    ended_by = "caller" if event.cancelled else "gateway"
    cdr = settlement.failed(
        call, now.monotonic_ns, status or event.status, ended_by, event.cancelled, q850(event.reason)
    )
    exchange.writer.submit(CallClosed(cdr, None), unfinished.when_settled(exchange, call))


def _tries_on(event: Failed, call: Call) -> bool:
    """Whether another gateway may be asked. Never once the caller may be hearing this one."""
    if call.candidate.gateway.key < 0:
        # Of a phone with several contacts only 6xx and CANCEL speak for all (RFC 3261 section 16.7).
        return len(call.ways) > 1 and event.status < 600 and not (event.cancelled or event.early_media)
    if event.cancelled or event.status in NEVER_FAILOVER:
        return False
    if event.early_media and not call.candidate.gateway.fails_over_after_media:
        return False
    if _next_way_helps(event) and len(call.ways) > 1:
        return True
    if event.cause != "response" or 300 <= event.status < 400:
        return True  # wherever a redirection leads is judged anew, or nobody goes there
    return event.status in call.candidate.gateway.failover_codes


def _next_way_helps(event: Failed) -> bool:
    """RFC 3263 section 4.3: whether the gateway may still be reached by another of its addresses."""
    return event.status == 503 or (event.cause == "timeout" and event.ringing is None)


def _next_way(event: Failed, call: Call) -> bool:
    """Go on to the next address of the same gateway, which keeps slot and hold."""
    if len(call.ways) < 2 or not (call.candidate.gateway.key < 0 or _next_way_helps(event)):
        return False
    call.ways = call.ways[1:]
    return True


def on_answered(exchange: Exchange, event: Answered) -> None:
    """A 2xx came: it goes to the caller once the call would survive a restart. The clock starts here."""
    call = exchange.current.find(event.call)
    assert call is not None, f"call {event.call} was answered and is unknown"
    exchange.tally.answered += 1
    call.answered_ms = call.unix_ms(exchange.clock.now().monotonic_ns)
    if event.ringing is not None:
        call.ringing_ms = call.unix_ms(event.ringing)
    if call.candidate.gateway.key > 0:
        exchange.gateways.heard(call.candidate.gateway.key, call.ways[0])
    call.codecs_answered, call.callee_user_agent = event.codecs, event.user_agent
    exchange.current.answer(call)
    state = saved.save(call, exchange.clock.boot)
    answered = CallAnswered(call.id, call.answered_ms, event.dialog, state)

    durable = _patiently(exchange, call) if call.permit.emergency else _AnswerGoes(exchange, call)
    naming = exchange.naming
    if naming is not None and naming.asks(call.id):
        exchange.writer.submit(answered, lambda: naming.after(call.id, durable))
    else:
        exchange.writer.submit(answered, durable)
    control.watch(exchange, call)


class _AnswerGoes(Release):
    """The 2xx of a call goes to the caller."""

    __slots__ = ("_exchange", "_record")

    def __init__(self, exchange: Exchange, call: Call) -> None:
        super().__init__(call.id)
        self._exchange, self._record = exchange, call

    def __call__(self) -> None:
        self._exchange.release(self.call)
        self.released()

    def released(self) -> None:
        unfinished.settled(self._exchange, self._record)


def _patiently(exchange: Exchange, call: Call) -> Callable[[], None]:
    """Lets the answer of an emergency call go: when that is called, but no later than a BYE would. It costs
    nothing, so a disk that is full takes nothing from anybody by it, and somebody needs help."""
    waits = True

    def once(_: int = call.id) -> None:
        nonlocal waits
        if waits:
            waits = False
            exchange.release(call.id)

    def durable() -> None:
        once()
        unfinished.settled(exchange, call)

    if exchange.writer.healthy:
        exchange.alarms.at(exchange.clock.now().monotonic_ns + BYE_PATIENCE_NS, once, call.id)
    else:
        once()
    return durable


def on_ended(exchange: Exchange, event: Ended) -> None:
    """A BYE came: it goes on once the charge is recorded."""
    call = exchange.current.find(event.call)
    if call is None or call.ending:
        # An end that we brought about ourselves is recorded first, too.
        if event.call not in exchange.held_byes:
            exchange.release(event.call)
        return
    now = exchange.clock.now()
    closed = close(exchange, call, now.monotonic_ns, event.by, None, q850(event.reason))
    record(exchange, closed, call.id)


_Q850 = re.compile(r"\bQ\.850\s*;[^,]*?\bcause\s*=\s*(\d{1,3})", re.IGNORECASE)


def q850(reason: str) -> int | None:
    """Cause of a Reason header value (RFC 3326), if it names one of Q.850."""
    match = _Q850.search(reason) if reason else None
    return int(match.group(1)) if match else None
