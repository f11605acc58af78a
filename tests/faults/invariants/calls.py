"""Calls, their channels and their money, from the database and from what the daemon said of itself.

L-08  while calls were up, what they owed together was there at every level
L-09  what is held is what the present calls may still cost; without calls nothing is held
L-14  gateways and accounts never had more calls than they may; without calls nothing is counted
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tests.faults.invariants.ledger import Ledger, Line
from tests.harness.judge import Books, Row
from tests.harness.rater import charge_micros


def violations(books: Books, ledger: Ledger | None = None, *, steady: bool = True) -> Iterator[str]:
    """Every breach; without a `steady` clock only what needs no order in time."""
    answered = [cdr for cdr in books.cdrs() if cdr["outcome"] == "answered"]
    if steady:
        yield from _channels(books, answered)
        yield from _owed(books, answered)
    yield from _live(books)
    for snapshot in ledger.snapshots if ledger else ():
        yield from _said(books, snapshot)


def _channels(books: Books, answered: list[Row]) -> Iterator[str]:
    """Answered calls only: when exactly an attempt gave its channel back is not on record."""
    gateways = {row["id"]: row["capacity"] for row in books.rows("routing_gateway")}
    trunks = {row["id"]: row["capacity"] for row in books.rows("mapping_gateway")}
    limits = {row["id"]: row["call_limit"] for row in books.rows("account")}
    spans: defaultdict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for cdr in answered:
        if (capacity := gateways[cdr["routing_gateway_id"]]) is not None:
            spans["routing gateway", cdr["routing_gateway_id"], capacity].append(cdr)
        if (capacity := trunks[cdr["mapping_gateway_id"]]) is not None:
            spans["mapping gateway", cdr["mapping_gateway_id"], capacity].append(cdr)
        for level in cdr["levels"]:
            if (limit := limits[level["account_id"]]) is not None:
                spans["account", level["account_id"], limit].append(cdr)
    for (kind, name, most), cdrs in spans.items():
        if (peak := _peak((cdr["answered_ms"], cdr["ended_ms"]) for cdr in cdrs)) > most:
            yield f"L-14: {peak} calls at once at {kind} {name}, which takes {most}"


def _peak(spans: Iterable[tuple[int, int]]) -> int:
    """How many overlap at most; one that ends in the millisecond in which another begins does not."""
    events = sorted(event for start, end in spans for event in ((start, 1), (max(start, end), -1)))
    events.sort(key=lambda event: (event[0], event[1]))
    peak = now = 0
    for _, step in events:
        now += step
        peak = max(peak, now)
    return peak


def _owed(books: Books, answered: list[Row]) -> Iterator[str]:
    """At the end of each call: the balance, less what all calls that are up owe by then, keeps the limit."""
    floors = {
        row["key"]: -books.account(row["account_key"])["credit_limit_micros"]
        for row in books.rows("ledger_account")
        if row["kind"] == "balance"
    }
    entries = {row["key"]: row for row in books.rows("journal_entry")}
    moves: defaultdict[int, list[tuple[int, int, Any]]] = defaultdict(list)
    for posting in books.rows("posting"):
        entry, ledger = entries.get(posting["entry"]), posting["ledger"]
        if entry and ledger in floors and not entry["idempotency_key"].startswith("call:"):
            moves[ledger].append((entry["at_ms"], 0, posting["amount_micros"]))
    for cdr in answered:
        for level in cdr["levels"]:
            if level["charge_micros"]:
                moves[level["ledger"]].append((cdr["answered_ms"], 1, (cdr, level)))
                moves[level["ledger"]].append((cdr["ended_ms"], 2, (cdr, level)))
    for ledger, events in moves.items():
        yield from _owed_by(books, ledger, floors[ledger], sorted(events, key=lambda event: event[:2]))


def _owed_by(books: Books, ledger: int, floor: int, events: list[tuple[int, int, Any]]) -> Iterator[str]:
    balance, at_most, up = 0, 0, dict[int, tuple[Row, Row]]()
    for at_ms, kind, what in events:
        if kind == 0:
            balance += what
            continue
        cdr, level = what
        if kind == 1:
            up[cdr["call"]] = what
            at_most += level["charge_micros"]
            continue
        # Cheap where there is money for all that they will ever owe; priced exactly only where there is not.
        if balance - at_most < floor:
            owed = sum(_owed_at(books, at_ms, *one) for one in up.values())
            if balance - owed < floor:
                yield f"L-08: ledger {ledger} has {balance} at {at_ms} while calls owe {owed}, limit {floor}"
                return
        # A call of zero length ends where it begins.
        del up[cdr["call"]]
        at_most -= level["charge_micros"]
        balance -= level["charge_micros"]


def _owed_at(books: Books, at_ms: int, cdr: Row, level: Row) -> int:
    return charge_micros(at_ms - cdr["answered_ms"], books.price(level["rate_key"], level["tax_ppm"]))


def _live(books: Books) -> Iterator[str]:
    ended = {cdr["call"] for cdr in books.rows("cdr")}
    for row in books.rows("live_call"):
        if row["ended_ms"] is not None and row["call"] not in ended:
            yield f"L-09: call {row['call']} ended and has no record"


def _said(books: Books, snapshot: Line) -> Iterator[str]:
    calls, status = snapshot["calls"], snapshot["status"]
    held: Counter[int] = Counter()
    counts: Counter[str] = Counter()
    for call in calls:
        counts[f"routing_gateway:{call['routing_gateway_id']}"] += 1
        for account in books.chain(call["account_id"]):
            counts[f"account:{account['id']}"] += 1
            price = books.longest_prefix(account["rate_table_key"], call["called"], account["tax_ppm"])
            if price is not None:
                held[books.balance_ledger(account["key"])] += charge_micros(
                    call["granted_seconds"] * 1000, price
                )
    said = {int(ledger): micros for ledger, micros in snapshot["held"].items() if micros}
    if said != {ledger: micros for ledger, micros in held.items() if micros}:
        yield f"L-09: held is {said}, the {len(calls)} present calls may cost {dict(held)}"
    if not calls and (status["holds"] or status["held_micros"]):
        yield f"L-09: {status['holds']} holds of {status['held_micros']} without a call"
    found = {key: n for key, n in status["counts"].items() if n and not key.startswith("mapping_gateway:")}
    if found != dict(counts):
        yield f"L-14: counted are {found}, the present calls make {dict(counts)}"
    if len(calls) != status["live_calls"] + status["attempts"]:
        yield f"L-14: {status['live_calls']} live and {status['attempts']} attempts of {len(calls)} calls"
