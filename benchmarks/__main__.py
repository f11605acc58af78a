"""`make bench`: sipguard and its peers on one machine, in one run, taking turns."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import policy, report
from benchmarks.measure import ANSWERED, QUICK_RATES, RATES, REFUSED, Run, run, wait_until_quiet
from benchmarks.targets import ROOT, TARGETS, Site, Target, UnavailableError, build


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, save; 0 unless a target could not be measured to the end."""
    options = _options().parse_args(arguments)
    rates = QUICK_RATES if options.quick else RATES
    if options.quick:
        options.repetitions, options.seconds, options.quiet = 1, 3.0, 0.0
    chosen = [TARGETS[name] for name in options.targets.split(",")]
    site = Site(options.directory.resolve(), policy.make())
    build(site.directory)
    policy.write_calls(site.policy, site.policy.allowed, site.directory / f"{ANSWERED}.calls")
    policy.write_calls(site.policy, site.policy.blocked, site.directory / f"{REFUSED}.calls")
    targets = [target for target in chosen if _prepared(target, site)]
    if not targets:
        return 1
    runs: list[Run] = []
    try:
        for done in _measure(targets, site, rates, options):
            runs.append(done)
            print(_line(done), file=sys.stderr, flush=True)
        whole = True
    except RuntimeError as error:
        # What has been measured is kept, but not published.
        print(error, file=sys.stderr)
        whole = False
    if not runs:
        return 1
    bench = report.document(runs, targets, options.seconds)
    cells = report.summarise(runs)
    print(report.markdown(bench, cells))
    publish = options.publish and whole
    print(f"\nwritten to {report.save(bench, latest=publish)}", file=sys.stderr)
    if publish:
        report.publish(bench, cells)
    return 0 if whole else 1


def _measure(
    targets: Sequence[Target], site: Site, rates: Mapping[str, Sequence[int]], options: argparse.Namespace
) -> Iterator[Run]:
    """All targets in turn at each rate, again for each repetition."""
    for repetition in range(options.repetitions):
        for kind in (ANSWERED, REFUSED):
            for rate in rates[kind]:
                for target in targets:
                    if target.answers if kind == ANSWERED else target.refuses:
                        wait_until_quiet(options.quiet)
                        yield run(target, site, kind, rate, repetition, options.seconds)


def _prepared(target: Target, site: Site) -> bool:
    try:
        target.prepare(site)
    except UnavailableError as error:
        print(f"{target.name} is left out: {error}", file=sys.stderr)
        return False
    return True


def _line(done: Run) -> str:
    setup = done.setup_us
    return (
        f"{done.target:<10}{done.kind:<10}{done.rate:>5}/s  {done.cpu_us:6.1f} us/call "
        f"(user {done.user_us:.0f}, system {done.system_us:.0f})  setup p50 {setup.get('p50', -1):.0f} "
        f"p99 {setup.get('p99', -1):.0f} us  lost {done.lost} of {done.calls}  again {done.again}  "
        f"drops {done.drops}  {done.memory_mib:.0f} MiB  lag {done.lag_ms:.0f} ms  others {done.foreign:.2f}"
    )


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short repetition at one rate, for CI")
    parser.add_argument("--targets", default=",".join(TARGETS), help=f"some of {','.join(TARGETS)}")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a run")
    parser.add_argument("--quiet", type=float, default=20.0, help="wait up to this long for a quiet machine")
    parser.add_argument("--publish", action="store_true", help="put the figures into docs/performance.md")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "bench", help="for what is built")
    return parser


if __name__ == "__main__":
    sys.exit(main())
