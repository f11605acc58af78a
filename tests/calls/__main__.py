"""A million simulated calls: many small worlds of every kind, in several processes, each from its own seed.

    python -m tests.calls [--calls 1000000] [--workers 2] [--into DIRECTORY] [--seed 0]

What is done has a line in DIRECTORY/shards.jsonl and is not done again; remove it to begin anew. A world
that breaks something is made again by its kind and seed (`tests.calls.kinds.KINDS`).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from multiprocessing import Pool
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from tests.calls.kinds import KINDS, breaches, left_over

SHARD_CALLS = 2_000
TOLD_SECONDS = 5.0


class Shard(NamedTuple):
    """One world."""

    kind: str
    seed: int
    calls: int


def shards(calls: int, seed: int) -> list[Shard]:
    """So many calls, in worlds of every kind by turns."""
    kinds = list(KINDS)
    found = []
    for number, first in enumerate(range(0, calls, SHARD_CALLS)):
        here = min(SHARD_CALLS, calls - first)
        found.append(Shard(kinds[number % len(kinds)], seed + number // len(kinds), here))
    return found


def run(shard: Shard) -> dict[str, Any]:
    """Let one world come to its end; what there was to see, and every breach."""
    began = time.monotonic()
    try:
        world = KINDS[shard.kind](shard.seed, shard.calls)
    except Exception as error:  # told with the seed that does it again
        return {**shard._asdict(), "breaches": [f"broke off: {error!r}"]}
    outcomes = Counter(cdr.outcome.value for cdr in world.disk.cdrs.values())
    told = {
        **shard._asdict(),
        "seconds": round(time.monotonic() - began, 2),
        "outcomes": outcomes,
        "kills": world.life - 1,
        "failovers": sum(len(cdr.tries) > 1 for cdr in world.disk.cdrs.values()),
        "did": world.did() + world.traffic,
        "left": left_over(world),
        "breaches": list(breaches(world)),
    }
    world.close()
    return told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.calls", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--into", type=Path, default=Path("var/simulated"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    file = options.into / "shards.jsonl"
    told = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {Shard(one["kind"], one["seed"], one["calls"]) for one in told}
    wanted = shards(options.calls, options.seed)
    told = [one for one in told if Shard(one["kind"], one["seed"], one["calls"]) in set(wanted)]
    print(f"{options.calls:,} calls in {len(wanted)} worlds, {len(told)} done before; {file}", flush=True)
    began = said = time.monotonic()
    with file.open("a") as out, Pool(options.workers, _quiet) as pool:
        for one in pool.imap_unordered(run, [shard for shard in wanted if shard not in done]):
            told.append(one)
            out.write(json.dumps(one) + "\n")
            out.flush()
            if one["breaches"]:
                print(f"{one['kind']} {one['seed']}: {one['breaches']}", flush=True)
            if time.monotonic() - said > TOLD_SECONDS:
                said = time.monotonic()
                calls = sum(each["calls"] for each in told)
                print(f"  {calls:,} of {options.calls:,} calls, {said - began:.0f} s", flush=True)
    return report(told, time.monotonic() - began)


def report(told: Iterable[dict[str, Any]], seconds: float) -> int:
    """Print the sums of all worlds; 1 where anything is wrong."""
    sums: dict[str, Counter[str]] = {name: Counter() for name in ("outcomes", "did", "left")}
    calls = worlds = kills = failovers = broken = 0
    computed = 0.0
    for one in told:
        worlds, calls, broken = worlds + 1, calls + one["calls"], broken + bool(one["breaches"])
        kills, failovers = kills + one.get("kills", 0), failovers + one.get("failovers", 0)
        computed += one.get("seconds", 0.0)
        for name, sum_ in sums.items():
            sum_.update({what: abs(number) for what, number in one.get(name, {}).items()})
    print(f"{calls:,} calls in {worlds} worlds, {kills:,} kills, {failovers:,} failovers")
    for name, sum_ in sums.items():
        print(f"  {name}: " + ", ".join(f"{what} {number:,}" for what, number in sum_.items()))
    print(f"  {seconds:.0f} s, {computed:.0f} s of computing; {broken} worlds with a breach")
    return 1 if broken else 0


def _quiet() -> None:
    """The proxies in the worlds log every lost call."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


if __name__ == "__main__":
    sys.exit(main())
