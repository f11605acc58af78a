"""The long form of every fault run: a line of a table for each, written down as it ends, to go on from.

    python -m tests.faults [--kills 1000] [--only K-01 ...] [--into DIRECTORY] [--seed SEED]

What has a line in DIRECTORY/results.jsonl is not done again. A run that finds a breach leaves its site there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import disk, kill, loss, points, standstill
from tests.faults.points import Point
from tests.faults.stage import new_seed
from tests.faults.test_faults import libfaketime

BLOCK = 50
"""Kills on one database."""

Found = tuple[str, list[str]]
"""What there was to see, and the breaches."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", nargs="*", default=[], help="K-01, K-02, ...")
    parser.add_argument("--into", type=Path, default=Path("var/faults"))
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    results = Results(options.into / "results.jsonl")
    seed = options.seed if options.seed is not None else results.seed
    print(f"seed {seed}, results in {results.file}", flush=True)
    for name, run in runs(options.kills, seed):
        if not options.only or name.split()[0] in options.only:
            results.do(name, seed, options.into, run)
    return results.table()


def runs(kills: int, seed: int) -> Iterator[tuple[str, Callable[[Path], Found]]]:
    """Every run by its name."""
    for first in range(0, kills, BLOCK):
        few = min(BLOCK, kills - first)
        yield f"K-01 kills {first + 1}-{first + few}", lambda at, n=first, few=few: _kills(at, seed + n, few)
    for call in points.WRITES:
        yield (
            f"K-02 kill at every {call}",
            lambda at, call=call: _every(call, at, lambda point, place: points.kill(place, seed, point)),
        )
    for call in points.SYNCS:
        yield (
            f"K-03 EIO at every {call}, once",
            lambda at, call=call: _every(
                call, at, lambda point, place: points.fail(place, seed, point, for_good=False)
            ),
        )
        yield (
            f"K-03 EIO from every {call} on",
            lambda at, call=call: _every(
                call, at, lambda point, place: points.fail(place, seed, point, for_good=True)
            ),
        )
    yield "K-04 disk full for 20 s", lambda at: _full(at, seed)
    for seconds in (5, 30, 60):
        yield f"K-06 locked for {seconds} s", lambda at, seconds=seconds: _locked(at, seed, seconds)
    yield "K-07 clock +-1 h, +-1 day, still", lambda at: _clock(at, seed)
    yield "K-08 stopped for 30 s", lambda at: _cut(standstill.stopped(at, seed, 30))
    yield "K-13 network, 60 s", lambda at: _lossy(at, seed)


def _kills(at: Path, seed: int, few: int) -> Found:
    result = kill.block(at, seed, few)
    ready = sorted(result.ready_seconds)
    return (
        f"{result.kills} kills, {result.during_start} of them while starting; {result.calls} calls,"
        f" {result.answered} answered, {result.through_a_kill} up through a kill; {result.writes} writes;"
        f" ready after {ready[len(ready) // 2]:.2f} s, {ready[-1]:.2f} at most",
        result.violations,
    )


def _every(call: str, at: Path, one: Callable[[Point, Path], tuple[bool, list[str]]]) -> Found:
    found: list[str] = []
    number = 0
    while True:
        number += 1
        place = at / str(number)
        place.mkdir()
        reached, breaches = one(Point(call, number), place)
        found += [f"{breach} ({call} {number})" for breach in breaches]
        if not breaches:
            shutil.rmtree(place)
        if not reached:
            return f"{number - 1} points", found
        if number % 10 == 0:
            print(f"    {call}: {number} points", flush=True)


def _full(at: Path, seed: int) -> Found:
    with disk.small_disk(at / "disk") as site:
        seen, found = disk.full(at, site, seed, 20)
    refused = sum(end.final == 503 for end in seen.near.values())
    return f"{len(seen.near)} calls, {refused} refused with 503", found


def _locked(at: Path, seed: int, seconds: float) -> Found:
    late, found = disk.locked(at, seed, seconds)
    late.sort()
    return f"{len(late)} BYEs meanwhile, {late[len(late) // 2]:.0f} ms late, {late[-1]:.0f} at most", found


def _clock(at: Path, seed: int) -> Found:
    library = libfaketime()
    if library is None:
        return "not done: libfaketime is not installed", []
    offsets = ["+3600", "-3600", "+86400", "-86400", "@2030-01-01 00:00:00 x0.000001"]
    return _cut(standstill.jumping(at, seed, offsets, library))


def _cut(told: tuple[int, list[str]]) -> Found:
    cut, found = told
    return f"{cut} calls cut", found


def _lossy(at: Path, seed: int) -> Found:
    calls, answered, found = loss.run(at, seed, 60, 50)
    return f"{calls} calls, {answered} answered", found


class Results:
    """The lines so far."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        self.seed: int = self.lines[0]["seed"] if self.lines else new_seed()

    def do(self, name: str, seed: int, into: Path, run: Callable[[Path], Found]) -> None:
        """Do a run that has no line yet."""
        if any(line["name"] == name for line in self.lines):
            return
        place = into / "".join(char if char.isalnum() else "-" for char in name)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        started = time.monotonic()
        try:
            told, found = run(place)
        except Exception as error:  # one run that cannot be done must not end the others
            told, found = f"broke off: {error!r}", [f"{name} broke off"]
        line = {"name": name, "seed": seed, "seconds": round(time.monotonic() - started), "told": told}
        self.lines.append(line | {"breaches": found})
        with self.file.open("a") as out:
            out.write(json.dumps(self.lines[-1]) + "\n")
        print(_row(self.lines[-1]), flush=True)
        if not found:
            shutil.rmtree(place)

    def table(self) -> int:
        """Print all lines; 1 if any of them has a breach."""
        print()
        for line in self.lines:
            print(_row(line))
            for breach in line["breaches"]:
                print(f"      {breach}")
        return 1 if any(line["breaches"] for line in self.lines) else 0


def _row(line: dict[str, object]) -> str:
    breaches = line["breaches"]
    assert isinstance(breaches, list)
    return f"{line['name']:<36} {len(breaches):>3} breaches  {line['seconds']:>5} s  {line['told']}"


if __name__ == "__main__":
    sys.exit(main())
