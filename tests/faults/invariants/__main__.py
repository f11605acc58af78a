"""Hold a database against the invariants: a line for each, then every breach; exit code 1 if any."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.faults.invariants import INVARIANTS, ledger, violations
from tests.harness.judge import Books


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.invariants", description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("--ledger", type=Path, help="what the ends saw and asked for, as lines of JSON")
    parser.add_argument("--before", type=Path, help="the same database at an earlier moment")
    options = parser.parse_args()
    before = None if options.before is None else Books(options.before)
    found = violations(options.database, options.ledger, before)
    print(evidence(Books(options.database), options.ledger))
    broken = Counter(violation.partition(":")[0] for violation in found)
    for invariant in INVARIANTS:
        print(f"  {invariant}  {broken[invariant] or 'holds'}")
    for violation in found:
        print(violation)
    return 1 if found else 0


def evidence(books: Books, told: Path | None) -> str:
    """How much there was to be wrong."""
    cdrs = books.rows("cdr")
    answered = sum(cdr["outcome"] == "answered" for cdr in cdrs)
    text = f"{len(books.rows('journal_entry'))} entries, {len(cdrs)} call records ({answered} answered)"
    if told is None:
        return text
    seen = ledger.read(told)
    heard = sum(end.answered_at is not None for end in seen.near.values())
    done = sum(write.done for write in seen.writes.values())
    return (
        f"{text}; on the wire {len(seen.near)} calls, {heard} answered; {done} of {len(seen.writes)} writes"
        f" acknowledged; {len(seen.outages)} outages, {len(seen.snapshots)} snapshots"
    )


if __name__ == "__main__":
    sys.exit(main())
