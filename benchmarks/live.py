"""`python -m benchmarks.live`: 100,000 calls up at once in a real daemon, killed and started again, hung up.

A proof and a measurement. sipload holds the calls; after each step the daemon's own counts are compared with
what it should have, and at the end the books with the number of calls: exits with 1 and says what is wrong.
Memory is the proportional set size of the proxy, without the process of the pages.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import procfs, targets
from benchmarks.load import CALLER, DATA, GATEWAY
from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import SIP_PORT, Loopback, eventually

CALLER_PORT = 6071
"""Bound for all addresses, so none that another part has."""
PATIENCE_SECONDS = 120.0
"""Beyond what the rate asks for: for the last calls of a step, or a start."""
MIB = 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold the calls, print what was measured; 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=800.0, help="set up and hung up per second")
    parser.add_argument("--up", type=float, default=30.0, help="seconds for which all are left alone")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sipguard-live-") as name:
        directory, loopback = Path(name), Loopback()
        targets.build(directory)
        with Daemon(directory / "site", loopback.host(1)) as daemon:
            daemon.init(DATA.read_text(), loopback)
            problems = list(_hold(daemon, loopback, directory, options))
    print(
        "\n".join(["PROBLEMS", *problems]) if problems else "counts are right at every step; nothing is left"
    )
    return 1 if problems else 0


def _hold(daemon: Daemon, loopback: Loopback, directory: Path, options: argparse.Namespace) -> Iterator[str]:
    calls = options.calls
    seconds = calls / options.rate + PATIENCE_SECONDS
    daemon.start()
    empty = procfs.proportional_kib([daemon.pid])
    print(f"no call: {empty / MIB:,.0f} MiB", flush=True)
    with _sipload(daemon, loopback, directory, options) as generator:
        began, used = time.monotonic(), procfs.cpu([daemon.pid]).total_ns
        up = _until(daemon, generator, calls, seconds)
        took, used = time.monotonic() - began, procfs.cpu([daemon.pid]).total_ns - used
        print(f"{up:,} calls set up in {took:.0f} s, {used / max(1, up) / 1e3:.0f} us of CPU each")
        if up < calls:
            print(f"{calls - up:,} refused: the machine is too busy for this --rate")
            calls = up
        yield from _told(daemon, calls, empty, "all up")
        began, used = time.monotonic(), procfs.cpu([daemon.pid]).total_ns
        time.sleep(options.up)
        cores = (procfs.cpu([daemon.pid]).total_ns - used) / 1e9 / (time.monotonic() - began)
        print(f"slices renewed and ends asked for {options.up:g} s: {100 * cores:.0f} % of a core")
        yield from _told(daemon, calls, empty, "all still up")
        daemon.kill()
        began = time.monotonic()
        daemon.spawn()
        eventually("ready", lambda: "daemon.ready" in daemon.output() or not daemon.running, seconds)
        took = time.monotonic() - began
        (line,) = [line for line in daemon.output().splitlines() if "daemon.ready" in line]
        ready = json.loads(line)
        print(f"killed and ready again in {took:.2f} s: {ready['ms']} ms")
        if (ready["calls_restored"], ready["calls_lost"]) != (calls, 0):
            yield f"restored {ready['calls_restored']} of {calls}, lost {ready['calls_lost']}"
        yield from _told(daemon, calls, empty, "restored")
        began, used = time.monotonic(), procfs.cpu([daemon.pid]).total_ns
        generator.send_signal(signal.SIGUSR1)
        said = json.loads(generator.communicate(timeout=seconds)[0])
        took, used = time.monotonic() - began, procfs.cpu([daemon.pid]).total_ns - used
        print(f"hung up in {took:.0f} s, {used / calls / 1e3:.0f} us of CPU each; generator: {said}")
        if said["completed"] != calls:
            yield f"{said['completed']} of {calls} calls completed for the generator"
    status = daemon.idle(PATIENCE_SECONDS)
    print(f"afterwards: {procfs.proportional_kib([daemon.pid]) / MIB:,.0f} MiB")
    if status["audit"]["differences"]:
        yield f"audit: {status['audit']}"
    yield from _books(daemon, calls)


def _until(daemon: Daemon, generator: subprocess.Popen[str], calls: int, seconds: float) -> int:
    """Wait until all calls are up, no more come up, or time is over; how many are."""
    deadline, up = time.monotonic() + seconds, 0
    while up < calls and time.monotonic() < deadline:
        if generator.poll() is not None:
            raise RuntimeError(f"sipload ended with {generator.returncode}")
        time.sleep(1.0)
        status = daemon.status()
        up = int(status["live_calls"])
        # What was refused by overload control comes no more.
        if up and not status["attempts"] and up + status["engine"]["shed"] >= calls:
            break
    return up


def _told(daemon: Daemon, calls: int, empty: int, when: str) -> Iterator[str]:
    """Memory, and what of the daemon's counts is wrong."""
    memory = procfs.proportional_kib([daemon.pid])
    each = (memory - empty) * 1024 / calls
    print(f"{when}: {memory / MIB:,.0f} MiB, {each:,.0f} bytes a call", flush=True)
    status: dict[str, Any] = daemon.status()
    if status["live_calls"] != calls:
        yield f"{when}: {status['live_calls']} calls are live, not {calls}"
    wrong = {key: count for key, count in status["counts"].items() if count != calls}
    if wrong:
        yield f"{when}: counts {wrong}"


def _books(daemon: Daemon, calls: int) -> Iterator[str]:
    """What is wrong with the records and the money."""
    books = Books(daemon.database)
    yield from list(books.violations())[:20]
    answered = sum(record["outcome"] == "answered" for record in books.cdrs())
    if (answered, len(books.cdrs())) != (calls, calls):
        yield f"{len(books.cdrs())} records, {answered} of answered calls; there were {calls}"
    line = [sys.executable, "-m", "sipguard", "--config", str(daemon.config), "ledger", "verify", "--json"]
    verified = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    if not verified["ok"]:
        yield f"ledger verify: {verified}"
    print(f"records: {answered:,}; ledger verify: {'ok' if verified['ok'] else 'not ok'}")


@contextmanager
def _sipload(
    daemon: Daemon, loopback: Loopback, directory: Path, options: argparse.Namespace
) -> Iterator[subprocess.Popen[str]]:
    """The generator at work; ended with the block."""
    callers = directory / "callers"
    callers.write_text(f"{loopback.host(CALLER)};alice;8801711000001\n")
    line = [str(directory / "sipload"), "-H", "-f", str(callers), "-x", "40000"]
    line += ["-p", f"{daemon.host}:{daemon.port}", "-g", f"{loopback.host(GATEWAY)}:{SIP_PORT}"]
    line += ["-l", str(CALLER_PORT), "-r", f"{options.rate:g}", "-n", str(options.calls)]
    generator = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        yield generator
    finally:
        generator.kill()
        generator.wait()


if __name__ == "__main__":
    sys.exit(main())
