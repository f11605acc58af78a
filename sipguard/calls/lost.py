"""Calls whose ends have gone without a BYE: found by the engine, closed here by rule.

A call costs until the last moment at which both ends are known to have been there, unless the configuration
charges until it was found. One whose 2xx was never acknowledged costs until it is ended: its callee was
connected all that time, and would have ended and charged it at the same moment (RFC 3261 section 13.3.1.4).
"""

from __future__ import annotations

from sipguard.calls import ending
from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange, log
from sipguard.sip.events import Lost

_ENDINGS = {
    ("refused", "caller"): ending.CALLER_OVER,
    ("refused", "callee"): ending.CALLEE_OVER,
    ("silent", "caller"): ending.CALLER_GONE,
    ("silent", "callee"): ending.CALLEE_GONE,
    ("no_ack", "caller"): ending.NO_ACK,
    ("session_expired", None): ending.SESSION_EXPIRED,
}


def on_lost(exchange: Exchange, event: Lost) -> None:
    """An end is gone: charge until it was last there, and end the call on both sides."""
    found = _ENDINGS[event.how, event.side]
    call = exchange.current.find(event.call)
    if call is None or call.ending:
        exchange.hangup(event.call, found.reason)
        return
    exchange.tally.lost += 1
    now_ns = exchange.clock.now().monotonic_ns
    ended_ns = now_ns
    if found is not ending.NO_ACK and not exchange.charge_lost_calls:
        note_proved(exchange, call)
        ended_ns = min(now_ns, call.proved_ns)
    unproved_ms = (now_ns - ended_ns) // 1_000_000
    log.info("call.lost", call=call.id, reason=found.name, unproved_ms=unproved_ms)
    ending.end(exchange, call, found, ended_ns)


def note_proved(exchange: Exchange, call: Call) -> None:
    """Take over until when both ends are known to have been there."""
    proved_ns = exchange.engine.proved(call.id)
    if proved_ns > call.proved_ns:
        call.proved_ms = call.unix_ms(proved_ns)
