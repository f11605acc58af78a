"""The long form of every fault run: a line of a table for each, written down as it ends, to go on from.

    python -m tests.faults [--kills 1000] [--only K-01 ...] [--into DIRECTORY] [--seed SEED]

What has a line in DIRECTORY/results.jsonl is not done again, nor is a point of K-02 or K-03 that is done.
A run that finds a breach leaves its site there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.faults import disk, kill, loss, points, standstill
from tests.faults.points import Point
from tests.faults.stage import new_seed
from tests.faults.test_faults import libfaketime

BLOCK = 50
"""Kills on one database."""

MOST_REACHED = 0.7
"""Of the points that a run without a fault has. The last ones of a thread may not come in another run, which
takes more records together."""

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
    yield "K-02 kill at every write", lambda at: _every(at, seed, points.WRITES, points.kill)
    yield "K-03 EIO at every sync, once", lambda at: _every(at, seed, points.SYNCS, _fails_once)
    yield "K-03 EIO from every sync on", lambda at: _every(at, seed, points.SYNCS, _fails_for_good)
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


def _fails_once(at: Path, seed: int, point: Point) -> tuple[bool, list[str]]:
    return points.fail(at, seed, point, for_good=False)


def _fails_for_good(at: Path, seed: int, point: Point) -> tuple[bool, list[str]]:
    return points.fail(at, seed, point, for_good=True)


def _every(
    at: Path, seed: int, calls: Sequence[str], fault: Callable[[Path, int, Point], tuple[bool, list[str]]]
) -> Found:
    """A run for each point. Its lines are in `progress.jsonl`, to go on from."""
    progress = at / "progress.jsonl"
    lines = [json.loads(line) for line in progress.read_text().splitlines()] if progress.exists() else []
    if not lines:
        (at / "counted").mkdir(exist_ok=True)
        counted = points.points(at / "counted", seed, calls)
        lines = [{"points": [[one.thread, one.call, one.number] for one in counted]}]
        progress.write_text(json.dumps(lines[0]) + "\n")
        shutil.rmtree(at / "counted")
    wanted, done = [Point(*one) for one in lines[0]["points"]], lines[1:]
    for point in wanted[len(done) :]:
        place = at / str(point).replace(" ", "-")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            reached, breaches = fault(place, seed, point)
        except Exception as error:  # one point that cannot be played must not end the others
            reached, breaches = False, [f"broke off: {error!r}"]
        done.append({"reached": reached, "breaches": [f"{breach} ({point})" for breach in breaches]})
        with progress.open("a") as out:
            out.write(json.dumps(done[-1]) + "\n")
        if not breaches:
            shutil.rmtree(place)
        if breaches or len(done) % 10 == 0:
            print(f"    {len(done)} of {len(wanted)} points, at {point} {breaches[:1] or ''}", flush=True)
    met = Counter(
        points.place(point.thread) for point, one in zip(wanted, done, strict=True) if one["reached"]
    )
    found = [breach for one in done for breach in one["breaches"]]
    if met.total() < len(wanted) * MOST_REACHED:
        found.append(f"{met.total()} of {len(wanted)} points were reached: were there faults at all?")
    told = ", ".join(f"{number} in {where}" for where, number in sorted(met.items()))
    return f"{len(wanted)} points, {met.total()} reached: {told}", found


def _full(at: Path, seed: int) -> Found:
    with disk.small_disk(at / "disk") as site:
        seen, found = disk.full(at, site, seed, 20)
    refused = sum(end.final == 503 for end in seen.near.values())
    return f"{len(seen.near)} calls, {refused} refused with 503", found


def _locked(at: Path, seed: int, seconds: float) -> Found:
    before, late, found = disk.locked(at, seed, seconds)
    return f"{late} (before: {before})", [*found, *late.violations()]


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
        if not (place / "progress.jsonl").exists():
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
