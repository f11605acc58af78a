"""The end of an answered call in the books: every level is charged, or none, and once."""

from __future__ import annotations

from sipguard.calls import settlement
from sipguard.calls.call import Call
from sipguard.calls.exchange import Exchange
from sipguard.store.writer import CallClosed


def close(
    exchange: Exchange, call: Call, now_ns: int, ended_by: str, reason: str | None, q850: int | None
) -> CallClosed:
    """Charge every level in memory, free what the call took, and make its record for the store."""
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
    exchange.current.drop(call)
    return CallClosed(cdr, entry)
