"""`python -m benchmarks.load`: many calls by real sipp through a real daemon, and nothing is missing after.

Not a measurement but a proof: no call failed, each has one record and one charge, no count or hold is left,
the journal sums to zero. Exits with 1 and says what is wrong otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.targets import ROOT
from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import Loopback
from tests.harness.sipp import Sipp, SippResult
from tests.harness.wire import calls

# A chain of three with money enough.
DATA = ROOT / "tests" / "faults" / "data.toml"
CALLER, GATEWAY = 10, 100

IDLE_SECONDS = 60.0
# After the last call has begun and talked: retransmissions and sipp's own end.
TAIL_SECONDS = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load, print what it showed; 1 where something is missing."""
    options = _options().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sipguard-load-") as name:
        directory, loopback = Path(name), Loopback()
        with Daemon(directory / "site", loopback.host(1)) as daemon:
            daemon.init(DATA.read_text(), loopback)
            daemon.start()
            began = time.monotonic()
            near, far = _play(daemon, loopback, directory, options)
            took = time.monotonic() - began
            status = daemon.idle(IDLE_SECONDS)
            problems = list(_problems(daemon, near, options.calls))
            print(f"{options.calls} calls at {options.rate:g}/s, {options.talk_ms} ms each, in {took:.1f} s")
            print(f"caller: {near.count('SuccessfulCall')} completed, {near.count('FailedCall')} failed")
            print(
                f"gateway: {far.count('IncomingCall')} calls, {far.count('Retransmissions')} retransmissions"
            )
            print(f"records: {len(Books(daemon.database).cdrs())}")
            print(f"status afterwards: {status}")
            print(f"ledger verify: {daemon.json('ledger', 'verify')}")
    print("\n".join(["PROBLEMS", *problems]) if problems else "nothing is missing")
    return 1 if problems else 0


def _play(
    daemon: Daemon, loopback: Loopback, directory: Path, options: argparse.Namespace
) -> tuple[SippResult, SippResult]:
    seconds = options.calls / options.rate + options.talk_ms / 1000 + TAIL_SECONDS
    fast = ("-timer_resol", "1", "-buff_size", str(4 << 20), "-l", str(options.calls))
    with (
        Sipp(
            "gateway/answers",
            directory,
            loopback.host(GATEWAY),
            calls=None,
            bound_seconds=seconds + TAIL_SECONDS,
            options=fast,
        ) as gateway,
        Sipp(
            "call/completed",
            directory,
            loopback.host(CALLER),
            target=(daemon.host, daemon.port),
            calls=options.calls,
            rate=options.rate,
            talk_ms=options.talk_ms,
            bound_seconds=seconds,
            options=fast,
        ) as caller,
    ):
        near = caller.wait()
        return near, gateway.stop()


def _problems(daemon: Daemon, near: SippResult, expected: int) -> Iterator[str]:
    if near.exit_code != 0 or near.count("SuccessfulCall") != expected:
        yield f"sipp ended with {near.exit_code}, {near.count('SuccessfulCall')} of {expected} completed"
        yield near.errors[:2000]
    books = Books(daemon.database)
    yield from books.violations()
    wire = calls(near.messages)
    if len(wire) != expected:
        yield f"the wire shows {len(wire)} calls"
    for call_id in wire:
        outcomes = [cdr["outcome"] for cdr in books.cdrs(call_id)]
        if outcomes != ["answered"]:
            yield f"{call_id}: records {outcomes}"
    if extra := len(books.cdrs()) - len(wire):
        yield f"{extra} records more than calls"
    if not daemon.json("ledger", "verify")["ok"]:
        yield "ledger verify is not ok"


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=500.0, help="calls per second")
    parser.add_argument("--talk-ms", type=int, default=2000)
    return parser


if __name__ == "__main__":
    sys.exit(main())
