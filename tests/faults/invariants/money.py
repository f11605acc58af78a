"""The journal and the balances, entry by entry, from the database alone.

L-02  the journal is one hash chain; what was in it before is in it unchanged
L-05  a key was used once
L-07  all balances of a currency together are zero
L-08  no account was below its credit limit after any entry, nor owed more than it had while calls were up
L-13  nothing in the journal can be edited; its sequence has no gap; a reversal is a new entry
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256

from tests.harness.judge import Books, Row

APPEND_ONLY = ("journal_entry", "posting")


def violations(books: Books, before: Books | None = None) -> Iterator[str]:
    """Every breach; `before`: the same database at an earlier moment."""
    entries = sorted(books.rows("journal_entry"), key=lambda entry: entry["key"])
    postings: defaultdict[int, list[Row]] = defaultdict(list)
    for posting in sorted(books.rows("posting"), key=lambda row: (row["entry"], row["position"])):
        postings[posting["entry"]].append(posting)
    yield from _chain(entries, postings)
    yield from _sequence(entries, postings)
    yield from _keys(entries)
    yield from _fixed(books)
    yield from _conserved(books)
    yield from _reversed(entries, postings)
    yield from _floor(books, entries, postings)
    if before is not None:
        yield from _prefix(books, before)


def _chain(entries: list[Row], postings: dict[int, list[Row]]) -> Iterator[str]:
    """SHA-256 of the hash before it and the JSON array of the entry; 32 zero bytes before the first."""
    previous = bytes(32)
    for entry in entries:
        pairs = [[row["ledger"], row["amount_micros"]] for row in postings[entry["key"]]]
        told = [entry[name] for name in ("key", "idempotency_key", "kind", "at_ms", "origin", "memo")]
        text = json.dumps([*told, pairs], ensure_ascii=False, separators=(",", ":"))
        linked = sha256(previous + text.encode()).digest()
        if entry["previous_hash"] != previous or entry["hash"] != linked:
            yield f"L-02: entry {entry['key']} is altered, or not linked to the one before it"
            return
        previous = linked


def _sequence(entries: list[Row], postings: dict[int, list[Row]]) -> Iterator[str]:
    keys = [entry["key"] for entry in entries]
    if keys != list(range(1, len(keys) + 1)):
        wrong = next((place for place, key in enumerate(keys, start=1) if place != key), len(keys))
        yield f"L-13: the journal has {keys[wrong - 1]} in place {wrong}"
    for key in keys:
        positions = [row["position"] for row in postings[key]]
        if positions != list(range(len(positions))):
            yield f"L-13: the postings of entry {key} are numbered {positions}"
    for key in postings.keys() - set(keys):
        yield f"L-13: postings of entry {key}, which is not there"


def _keys(entries: list[Row]) -> Iterator[str]:
    for key, times in Counter(entry["idempotency_key"] for entry in entries).items():
        if times > 1:
            yield f"L-05: {times} entries under the key {key}"


def _fixed(books: Books) -> Iterator[str]:
    for table in APPEND_ONLY:
        for action in ("update", "delete"):
            if not any(
                trigger["tbl_name"] == table and f"BEFORE {action.upper()}" in trigger["sql"].upper()
                for trigger in books.rows("trigger")
            ):
                yield f"L-13: nothing forbids to {action} rows of {table}"


def _conserved(books: Books) -> Iterator[str]:
    sums: Counter[str] = Counter()
    for ledger in books.rows("ledger_account"):
        sums[ledger["currency"]] += ledger["balance_micros"]
    for currency, micros in sums.items():
        if micros:
            yield f"L-07: all balances in {currency} together are {micros}"


def _reversed(entries: list[Row], postings: dict[int, list[Row]]) -> Iterator[str]:
    """The entry under ``reversal:KEY`` is that under KEY with its signs turned, and comes after it."""
    by_key = {entry["idempotency_key"]: entry for entry in entries}
    for entry in entries:
        _, found, key = entry["idempotency_key"].partition("reversal:")
        if not found:
            continue
        first = by_key.get(key)
        if first is None or first["key"] >= entry["key"]:
            yield f"L-13: entry {entry['key']} takes back {key}, which is not before it"
            continue
        turned = [(row["ledger"], -row["amount_micros"]) for row in postings[first["key"]]]
        if sorted(turned) != sorted((row["ledger"], row["amount_micros"]) for row in postings[entry["key"]]):
            yield f"L-13: entry {entry['key']} is not the reverse of {key}"


def _floor(books: Books, entries: list[Row], postings: dict[int, list[Row]]) -> Iterator[str]:
    limits = {
        ledger["key"]: -books.account(ledger["account_key"])["credit_limit_micros"]
        for ledger in books.rows("ledger_account")
        if ledger["kind"] == "balance"
    }
    balances: Counter[int] = Counter()
    reported: set[int] = set()
    for entry in entries:
        for posting in postings[entry["key"]]:
            balances[posting["ledger"]] += posting["amount_micros"]
        for ledger in {posting["ledger"] for posting in postings[entry["key"]]} & limits.keys() - reported:
            if (balance := balances[ledger]) < limits[ledger]:
                reported.add(ledger)
                yield f"L-08: ledger {ledger} at {balance} after entry {entry['key']}, limit {limits[ledger]}"


def _prefix(books: Books, before: Books) -> Iterator[str]:
    """What was written once is there for good, word for word."""
    for table, key, invariant in (
        ("journal_entry", "key", "L-02"),
        ("posting", ("entry", "position"), "L-02"),
        ("cdr", "call", "L-11"),
        ("cdr_level", ("call", "position"), "L-11"),
    ):
        names = (key,) if isinstance(key, str) else key
        now = {tuple(row[name] for name in names): row for row in books.rows(table)}
        for row in before.rows(table):
            at = tuple(row[name] for name in names)
            if now.get(at) != row:
                yield f"{invariant}: row {at} of {table} is gone or is another than it was"
                break
