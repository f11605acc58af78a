"""The proof of the books after a fault: all of L-01 to L-15, from files, by no code of sipguard's.

python -m tests.faults.invariants DATABASE [--ledger FILE] [--before DATABASE]

L-01  every entry sums to zero, per currency                     tests.harness.judge
L-02  the journal is one hash chain, and only grows              money
L-03  every balance is the sum of its postings                   tests.harness.judge
L-04  one call, one charge                                       tests.harness.judge, wire
L-05  a key is used once, however often it is asked for          money
L-06  no update of a busy account is lost                        wire
L-07  value is neither made nor lost over the whole tree         money
L-08  no level is below its credit limit, at any moment          tests.harness.judge, money, calls
L-09  held is what the present calls may cost, no more, no less  calls
L-10  no call outlasts what it paid for by a second              wire
L-11  what was answered has a record and a price, once           tests.harness.judge, wire
L-12  every level of the chain is charged, or none               tests.harness.judge
L-13  a journal without gaps in which nothing is edited          money
L-14  channels in use are calls, never more than there are       tests.harness.judge, calls
L-15  what was acknowledged is there                             wire
"""

from __future__ import annotations

from pathlib import Path

from tests.faults.invariants import calls, ledger, money, wire
from tests.harness.judge import Books

INVARIANTS = tuple(f"L-{number:02}" for number in range(1, 16))


def violations(
    database: Path, told: Path | None = None, before: Books | None = None, *, steady: bool = True
) -> list[str]:
    """Every breach, each with the invariant that it breaks; `told`: the ledger of the ends.

    `steady`: the wall clock of the daemon did not jump, so that its records can be put in order by time.
    """
    books = Books(database)
    seen = None if told is None else ledger.read(told)
    found = [
        *books.violations(),
        *money.violations(books, before),
        *calls.violations(books, seen, steady=steady),
    ]
    if seen is not None:
        found += wire.violations(books, seen)
    return found
