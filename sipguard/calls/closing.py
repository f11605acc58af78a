"""The end of an answered call in the books: every level is charged, or none, and once."""

from __future__ import annotations

from collections.abc import Callable

from sipguard.calls import settlement
from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange
from sipguard.store.writer import CallClosed, Release


def close(
    exchange: Exchange, call: Call, now_ns: int, ended_by: str, reason: str | None, q850: int | None
) -> CallClosed:
    """Charge every level in memory, end its holds, and make the record that `record` is to have written."""
    assert not call.ending, f"call {call.id} is being ended already"
    call.ending = True
    length_ms = settlement.duration_ms(call, now_ns)
    owed = settlement.charges(call, length_ms)
    directory = exchange.directory
    entry = settlement.entry_of(
        call, owed, directory.operator_cost_ledger, directory.tax_ledger, call.unix_ms(now_ns)
    )
    if entry is not None:
        exchange.funds.settle(call.id, entry.postings)
    else:
        exchange.funds.release(call.id)
    cdr = settlement.answered(call, exchange.funds, owed, length_ms, ended_by, reason, q850)
    exchange.current.leave(call)
    return CallClosed(cdr, entry, exchange.clock.now().unix_ms)


BYE_PATIENCE_NS = 150_000_000
"""How long a BYE waits for its record. A store that is locked or full must not keep a call up: past this
the BYE goes, and its record is kept in memory and written when the store is back (bypass D38)."""


def record(exchange: Exchange, closed: CallClosed, call: int, go: Callable[[], None] | None = None) -> None:
    """Have the end of a call written, and let its BYE `go` once that is done, or has taken too long; None:
    one that the engine holds. Its channels are free from then on."""
    exchange.held_byes.add(call)

    def order(_: int = call) -> None:
        if call in exchange.held_byes:
            exchange.held_byes.discard(call)
            assert go is not None
            go()
            exchange.current.free(call)

    gone = _ByeGoes(exchange, call) if go is None else order
    exchange.writer.submit(closed, gone)
    if exchange.writer.healthy:
        exchange.alarms.at(exchange.clock.now().monotonic_ns + BYE_PATIENCE_NS, gone, call)
    else:
        gone()


class _ByeGoes(Release):
    """A BYE that the engine holds goes on."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange, call: int) -> None:
        super().__init__(call)
        self._exchange = exchange

    def __call__(self, _: int = 0) -> None:
        if self.call in self._exchange.held_byes:
            self._exchange.release(self.call)
            self.released()

    def released(self) -> None:
        self._exchange.held_byes.discard(self.call)
        self._exchange.current.free(self.call)
