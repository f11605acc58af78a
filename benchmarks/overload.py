"""`python -m benchmarks.overload`: what is left when more calls come than can be taken (checklist O-02).

First the saturation rate is sought: the most calls a second that are completed, whatever is offered. Then
it is offered once, twice, ... as many, in turn, several times over. Goodput is what is completed from INVITE
to BYE a second, all of it counted by the callers. The proxy has one core, callers and gateway the other.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import policy, procfs
from benchmarks.measure import ANSWERED, WARM_CALLS, WARM_RATE, cpus, generate, wait_until_quiet
from benchmarks.targets import ROOT, TARGETS, Site, Target, UnavailableError, build, running

FIRST_RATE, STEP = 1000, 1.4
# A rate that is met but for so much is met: the last calls end a little later than the first began.
MET = 0.97


@dataclass(frozen=True)
class Load:
    """One rate, offered for some seconds to a proxy that was just started."""

    offered: float
    """Calls a second, as the generator managed."""
    goodput: float
    """Completed calls a second."""
    refused: int
    """Calls that were answered 503."""
    refused_p99_ms: float
    """From INVITE to 503; -1: none."""
    setup_p99_ms: float
    """From INVITE to 18x, of the calls that were taken."""
    timeouts: int
    """Calls that nobody answered in time, or that did not end in order."""
    invites_again: int
    byes_again: int
    drops: int
    """Datagrams lost in full sockets."""
    foreign: float
    """Cores that the rest of the machine kept busy meanwhile."""

    def line(self) -> str:
        """For people."""
        return (
            f"offered {self.offered:7.0f}/s  goodput {self.goodput:6.0f}/s  503: {self.refused} "
            f"(p99 {self.refused_p99_ms:.1f} ms)  setup p99 {self.setup_p99_ms:.1f} ms  "
            f"lost {self.timeouts}  INVITE again {self.invites_again}  BYE again {self.byes_again}  "
            f"drops {self.drops}  others {self.foreign:.2f}"
        )


def offer(target: Target, site: Site, rate: float, seconds: float) -> Load:
    """Start the proxy, warm it, offer the rate, end it."""
    proxy_cpus, generator_cpus = cpus()
    with running(target, site, proxy_cpus) as leader:
        generate(site, ANSWERED, WARM_RATE, WARM_CALLS, generator_cpus)
        ports = (site.proxy[1], site.gateway[1], site.caller_port)
        drops, busy = procfs.udp_drops(ports), procfs.machine_busy_seconds()
        before = procfs.cpu(procfs.session(leader)).total_ns
        calls = round(rate * seconds)
        done = generate(site, ANSWERED, round(rate), calls, generator_cpus)
        own = (procfs.cpu(procfs.session(leader)).total_ns - before) / 1e9
        foreign = procfs.machine_busy_seconds() - busy - own - done["generator_cpu_s"]
        window = calls / done["rate"]
        return Load(
            offered=done["rate"],
            goodput=done["completed"] / window,
            refused=done["statuses"].get("503", 0),
            refused_p99_ms=done.get("refused_us", {}).get("p99", -1000) / 1000,
            setup_p99_ms=done.get("setup_us", {}).get("p99", -1000) / 1000,
            timeouts=done["timeouts"],
            invites_again=done["invites_again"],
            byes_again=done["byes_again"],
            drops=procfs.udp_drops(ports) - drops,
            foreign=foreign / window,
        )


def saturation(target: Target, site: Site, seconds: float) -> float:
    """Calls a second that are completed at most; offered more and more until no more are."""
    rate, most = float(FIRST_RATE), 0.0
    while True:
        load = offer(target, site, rate, seconds)
        print(f"{target.name}: {load.line()}", flush=True)
        most = max(most, load.goodput)
        if load.goodput < MET * rate:
            return most
        rate *= STEP


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where the goodput at some factor is below the share that was asked for."""
    options = _options().parse_args(arguments)
    site = Site(options.directory.resolve(), policy.make())
    build(site.directory)
    policy.write_calls(site.policy, site.policy.allowed, site.directory / f"{ANSWERED}.calls")
    factors = [float(factor) for factor in options.factors.split(",")]
    met = True
    for name in options.targets.split(","):
        target = TARGETS[name]
        try:
            target.prepare(site)
        except UnavailableError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        wait_until_quiet(options.quiet)
        most = options.saturation or saturation(target, site, options.seconds)
        loads: dict[float, list[Load]] = {factor: [] for factor in factors}
        for _ in range(options.repetitions):
            for factor in factors:
                wait_until_quiet(options.quiet)
                load = offer(target, site, factor * most, options.seconds)
                loads[factor].append(load)
                print(f"{name}: {factor:4g}x  {load.line()}", flush=True)
        goodput = {factor: statistics.median(load.goodput for load in loads[factor]) for factor in factors}
        peak = max(goodput.values())
        for factor in factors:
            share = goodput[factor] / peak
            met &= name != "sipguard" or share >= options.share
            what = f"{name}: goodput at {factor:g}x of {most:.0f}/s"
            print(f"{what}: {goodput[factor]:.0f}/s, {share:.2f} of the peak")
    return 0 if met else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--targets", default="sipguard", help="sipguard, kamailio or both, with a comma")
    parser.add_argument("--factors", default="1,2,5,10", help="of the saturation rate")
    parser.add_argument("--saturation", type=float, help="calls a second; otherwise it is sought")
    parser.add_argument("--repetitions", type=int, default=3, help="the median of which counts")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a run")
    parser.add_argument("--share", type=float, default=0.8, help="of the peak, that has to be left")
    parser.add_argument("--quiet", type=float, default=20.0, help="wait up to this long for a quiet machine")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "bench", help="for what is built")
    return parser


if __name__ == "__main__":
    sys.exit(main())
