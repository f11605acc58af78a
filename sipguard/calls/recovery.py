"""After a restart: calls that were up are known again; those whose end was recorded but perhaps not passed
on are ended on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sipguard.calls import control, saved
from sipguard.calls.exchange import Exchange, log
from sipguard.model.money import Micros
from sipguard.model.rate import Rate
from sipguard.policy.decide import Moment
from sipguard.policy.funds import Want
from sipguard.policy.rating import cost_of
from sipguard.store.live_call import LiveCall

ENDED_KEPT_MS = 64_000
"""Twice the 32 s for which a BYE is retransmitted (RFC 3261 timer F), from when it was first sent: within it
a peer may still wait."""

_RESTARTED = 'SIP;cause=200;text="Call ended"'


@dataclass(slots=True)
class Recovered:
    """What was found."""

    live: int = 0
    ended: int = 0
    lost: int = 0
    """Could not be read; their rows stay for a person to look at."""


def recover(exchange: Exchange, rows: Iterable[LiveCall]) -> Recovered:
    """Take the stored calls in. Before the sockets are read."""
    now = exchange.clock.now()
    found = Recovered()
    costs = _Costs()
    for row in rows:
        if row.ended_ms is not None:
            if row.ended_ms > now.unix_ms - ENDED_KEPT_MS and exchange.engine.restore(row.call, row.dialog):
                # Its end is in the books; whether the BYE got through is not known. Another does no harm.
                exchange.hangup(row.call, _RESTARTED)
                found.ended += 1
        elif _adopt(exchange, row, now, costs):
            found.live += 1
        else:
            found.lost += 1
    return found


class _Costs(dict[tuple[Rate, int], Micros]):
    """What so many seconds cost by a rate: of thousands of calls the same few, each counted once."""

    def __missing__(self, key: tuple[Rate, int]) -> Micros:
        cost = self[key] = cost_of(*key)
        return cost


def _adopt(exchange: Exchange, row: LiveCall, now: Moment, costs: _Costs) -> bool:
    try:
        call = saved.load(row.call, row.state, exchange.directory, now, exchange.clock.boot)
    except ValueError as error:
        log.error("recovery.call_unreadable", call=row.call, error=str(error))
        return False
    if not exchange.engine.restore(row.call, row.dialog):
        log.error("recovery.dialog_unreadable", call=row.call)
        return False
    # What was held before the restart is held again, whatever the balance says now: it was granted.
    wanted = [
        Want(level.account.balance_ledger, costs[level.rate, call.granted_seconds], None)
        for level in call.permit.levels
        if level.rate is not None
    ]
    gateway = call.candidate.gateway
    if call.candidate.cost is not None and gateway.vendor_credit_micros is not None:
        wanted.append(Want(gateway.clearing_ledger, costs[call.candidate.cost, call.granted_seconds], None))
    exchange.funds.hold(call.id, wanted)
    exchange.current.claim(call)
    control.watch(exchange, call)
    return True
