"""How long an answered call may last: slices renewed before they end, a cut where the money ends.

What is held covers `granted_seconds` from the answer on. Before they are over, more is asked for, for all
payers at once. Where less is to be had than wanted, the call ends at the granted second: only the call
that cannot pay, never the others of the account. Money that comes in time lengthens it again.
"""

from __future__ import annotations

from sipguard.calls import ending, lost, saved
from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange
from sipguard.policy import credit
from sipguard.store.writer import CallUpdated

_NS = 1_000_000_000

RENEWAL_LEAD_SECONDS = 5
"""Renewed this long before the end (or half a slice, if that is less), so that a busy moment cuts nobody."""


def watch(exchange: Exchange, call: Call) -> None:
    """Begin with an answered call: its first slice is held already."""
    limit = call.permit.max_seconds
    if limit is not None and limit < call.granted_seconds:
        call.granted_seconds = limit
    if call.permit.emergency:
        return
    _set_alarm(exchange, call)


def _set_alarm(exchange: Exchange, call: Call) -> None:
    end_ns = call.answered_ns + call.granted_seconds * _NS
    if call.granted_seconds == call.permit.max_seconds:
        exchange.alarms.at(end_ns, lambda _: _cut_if_over(exchange, call), call.id)
        return
    # Early enough to warn before the end, where there is no more.
    lead = max(RENEWAL_LEAD_SECONDS, exchange.warning_seconds) * _NS
    lead = min(lead, call.permit.slice_seconds * _NS // 2)
    exchange.alarms.at(end_ns - lead, lambda _: _renew(exchange, call), call.id)


def _renew(exchange: Exchange, call: Call) -> None:
    """Ask for the next slice; where it is not to be had whole, end at what is."""
    if call.ending:
        return
    if extend(exchange, call):
        _set_alarm(exchange, call)
        return
    _end_comes(exchange, call)


def _end_comes(exchange: Exchange, call: Call) -> None:
    """There is no more money than for the granted time: warn, and cut when it is over."""
    end_ns = call.answered_ns + call.granted_seconds * _NS
    exchange.alarms.at(end_ns, lambda _: _cut_if_over(exchange, call), call.id)
    if exchange.warning_seconds:
        granted = call.granted_seconds
        exchange.alarms.at(
            end_ns - exchange.warning_seconds * _NS, lambda _: _warn(exchange, call, granted), call.id
        )


def _warn(exchange: Exchange, call: Call, granted_seconds: int) -> None:
    """The money of a call ends soon. Money that has come since may have lengthened it."""
    if call.ending or call.granted_seconds != granted_seconds:
        return
    now = exchange.clock.now()
    left_ns = call.answered_ns + granted_seconds * _NS - now.monotonic_ns
    exchange.notices.tell(
        "call.warning",
        now.unix_ms,
        call=call.id,
        account=call.permit.levels[0].account.id,
        called=call.permit.called,
        seconds_left=max(0, left_ns // _NS),
    )


def extend(exchange: Exchange, call: Call) -> bool:
    """Hold as much of the next slice as everybody can pay; True if it was the whole slice."""
    permit = call.permit
    now_ns = exchange.clock.now().monotonic_ns
    lasted = max(0, now_ns - call.answered_ns) // _NS
    # After a restart or a stopped process the call may have outlasted its slice: catch up.
    wanted = max(call.granted_seconds, lasted) + permit.slice_seconds
    if permit.max_seconds is not None:
        wanted = min(wanted, permit.max_seconds)
    affordable = credit.affordable_seconds(call.id, permit, call.candidate, exchange.funds)
    granted = wanted if affordable is None else min(wanted, affordable)
    if granted <= call.granted_seconds:
        return False
    more = credit.renewal(permit, call.candidate, call.granted_seconds, granted)
    if exchange.funds.extend(call.id, more) is not None:
        return False
    call.granted_seconds = granted
    lost.note_proved(exchange, call)
    exchange.writer.submit(CallUpdated(call.id, saved.save(call, exchange.clock.boot)))
    return granted == wanted


def _cut_if_over(exchange: Exchange, call: Call) -> None:
    """The granted second has come. Money that arrived meanwhile lengthens the call; else it ends."""
    if call.ending:
        return
    at_limit = call.granted_seconds == call.permit.max_seconds
    if not at_limit:
        before = call.granted_seconds
        whole = extend(exchange, call)
        if call.granted_seconds > before:
            if whole:
                _set_alarm(exchange, call)
            else:
                _end_comes(exchange, call)
            return
    exchange.tally.cut += 1
    ending.end(exchange, call, ending.MAX_CALL_SECONDS if at_limit else ending.NOT_ENOUGH_MONEY)
