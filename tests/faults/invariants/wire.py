"""The books beside the wire, and beside what was asked to be written.

L-04  an answered call has one record and one charge, however often its messages came
L-06  an account got the sum of what it was paid
L-10  a call that was cut ended within a second of what it paid for
L-11  every answered call has a record of its length; every refused one a record that costs nothing
L-15  what was acknowledged is there; what was not is there whole or not at all
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.invariants.ledger import End, Ledger
from tests.harness.judge import Books, Row

CLOCK_MS = 60
"""A message is stamped before it is sent and after it is read, on a machine with other things to do."""

UNRECORDED_SECONDS = 1.0
"""A refusal does not wait for its record. A kill within this time after it may have lost the record of what
went to no gateway; what did go to one has its record at the next start."""

OVER_GRANT_MS = 1_000

GONE = ("caller_over", "callee_over", "caller_gone", "callee_gone", "session_expired", "no_ack")
"""Reasons of calls whose ends went unnoticed: they are charged until both were last known to be there, and
found to be over only later."""


def violations(books: Books, ledger: Ledger) -> Iterator[str]:
    """Every breach."""
    yield from _calls(books, ledger)
    yield from _writes(books, ledger)


def _calls(books: Books, ledger: Ledger) -> Iterator[str]:
    live = books.live_call_ids()
    forwarded = {call_id for call_id, end in ledger.far.items() if end.invited_at is not None}
    for call_id, near in ledger.near.items():
        cdrs = books.cdrs(call_id)
        if call_id in forwarded and not cdrs and not live[call_id]:
            yield f"L-11: {call_id} went to a gateway and has no record"
        answered = [cdr for cdr in cdrs if cdr["outcome"] == "answered"]
        others = len(cdrs) - len(answered)
        if near.answered_at is not None:
            if len(answered) + live[call_id] != 1:
                name = "L-04" if len(answered) > 1 else "L-11"
                yield f"{name}: {call_id} was answered: {len(answered)} records, {live[call_id]} live"
            for cdr in answered[:1]:
                yield from length_violations(cdr, near, ledger.far.get(call_id, End()), ledger)
        elif near.final:
            lost = ledger.out(near.invited_at or 0.0, (near.final_at or 0.0) + UNRECORDED_SECONDS)
            if answered:
                yield f"L-11: {call_id} was refused with {near.final} and is charged as answered"
            elif others != 1 and not lost:
                yield f"L-11: {call_id} was refused with {near.final}: {others} records"
        elif len(answered) > 1:
            yield f"L-04: {call_id} has {len(answered)} records of an answer"
    seen = {call_id for call_id, end in ledger.far.items() if end.answered_at is not None}
    for cdr in books.rows("cdr"):
        if cdr["outcome"] == "answered" and cdr["sip_call_id"] not in seen:
            yield f"L-11: {cdr['sip_call_id']} has a record of an answer that no gateway gave"


def length_violations(cdr: Row, near: End, far: End, ledger: Ledger) -> Iterator[str]:
    """Between what the caller could use and what the gateway gave."""
    ends = [end.bye_at for end in (near, far) if end.bye_at is not None]
    if near.answered_at is None or far.answered_at is None or not ends:
        return
    least = (min(ends) - near.answered_at) * 1000 - CLOCK_MS
    # Its length is counted to the first BYE that reached the proxy, however often an end had tried before.
    heard = [end.heard_at for end in (near, far) if end.heard_at is not None]
    most = (min(heard) - far.answered_at) * 1000 + CLOCK_MS if heard else float("inf")
    name, length = cdr["sip_call_id"], cdr["duration_ms"]
    granted_till = near.answered_at + length / 1000
    # What stood still could cut nobody: from then on it has its second.
    late = (max(ends) - ledger.up_again(granted_till)) * 1000
    in_time = late <= OVER_GRANT_MS + CLOCK_MS
    if cdr["reason"] in GONE:
        # The record of an end that was passed on while the disk failed goes with the process; nothing else.
        if not ledger.out(near.answered_at, float("inf")):
            yield f"L-11: {name} was given up as {cdr['reason']} though nothing had gone down"
    elif cdr["ended_by"] == "sipguard" or not (near.bye_sent or far.bye_sent):
        if not in_time:
            yield f"L-10: {name} was cut {late:.0f} ms after the {length} ms that it paid for"
    elif length < least and not (length % 1000 == 0 and in_time):
        # Grants are whole seconds: an end that hangs up just before the cut has paid until there.
        yield f"L-11: {name} talked for {least:.0f} ms at least and paid for {length}"
    if length > most:
        yield f"L-11: {name} talked for {most:.0f} ms at most and paid for {length}"


def _writes(books: Books, ledger: Ledger) -> Iterator[str]:
    entries: defaultdict[str, list[Row]] = defaultdict(list)
    for entry in books.rows("journal_entry"):
        entries[entry["idempotency_key"]].append(entry)
    paid: Counter[str] = Counter()
    due: Counter[str] = Counter()
    for key, write in ledger.writes.items():
        found = entries.get(f"payment:{key}", [])
        if write.done and len(found) != 1:
            yield f"L-15: payment {key} was acknowledged and is there {len(found)} times"
        micros = sum(
            posting["amount_micros"]
            for entry in found
            for posting in books.postings(entry["key"])
            if posting["ledger"] == books.balance_ledger(books.account_key(write.account))
        )
        if found and micros != write.micros:
            yield f"L-15: payment {key} of {write.micros} is there as {micros}"
        if write.done:
            due[write.account] += write.micros
            paid[write.account] += micros
    for account, micros in due.items():
        if paid[account] != micros:
            yield f"L-06: {account} was paid {micros} and got {paid[account]}"
