"""One run: a proxy fresh from its start, a rate, and what it cost."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from benchmarks import procfs
from benchmarks.targets import Site, Target, running

ANSWERED, REFUSED = "answered", "refused"
RATES = {ANSWERED: (500, 1000, 2000), REFUSED: (1000, 2000, 4000)}
"""Calls per second."""
QUICK_RATES = {ANSWERED: (1000,), REFUSED: (2000,)}

TALK_MS = 1000
WARM_CALLS, WARM_RATE = 500, 500
GIVE_UP_MS = 8000
# Above this the rest of the machine is in the way, and a run waits.
QUIET_CORES = 0.15


@dataclass(frozen=True)
class Run:
    """Figures of one run. CPU covers all processes of the target, kernel time included."""

    target: str
    kind: str
    rate: int
    repetition: int
    calls: int
    lost: int
    """Calls that did not go as they should: timeouts, wrong statuses."""
    cpu_us: float
    """Per call."""
    user_us: float
    system_us: float
    load: float
    """Share of one core."""
    setup_us: dict[str, float]
    """INVITE to the first 18x, or to the refusal: p50, p90, p99, p999, max."""
    memory_mib: float
    """Proportional set size at the end."""
    again: int
    """Requests and answers that the generator had to send again."""
    drops: int
    """Datagrams lost in a full socket, whoever's."""
    lag_ms: float
    """How late the generator was at worst."""
    foreign: float
    """Cores that the rest of the machine kept busy meanwhile."""


def run(target: Target, site: Site, kind: str, rate: int, repetition: int, seconds: float) -> Run:
    """Start the target, warm it, measure it, end it. Raises RuntimeError where it does not come up."""
    proxy_cpus, generator_cpus = cpus()
    calls = max(1, round(rate * seconds))
    with running(target, site, proxy_cpus) as leader:
        generate(site, kind, min(rate, WARM_RATE), WARM_CALLS, generator_cpus)
        pids = procfs.session(leader)
        ports = (site.proxy[1], site.gateway[1], site.caller_port)
        drops, busy = procfs.udp_drops(ports), procfs.machine_busy_seconds()
        before, began = procfs.cpu(pids), time.monotonic()
        figures = generate(site, kind, rate, calls, generator_cpus)
        took, after = time.monotonic() - began, procfs.cpu(pids)
        own = (after.total_ns - before.total_ns) / 1e9
        foreign = procfs.machine_busy_seconds() - busy - own - figures["generator_cpu_s"]
        user, system = after.user_ticks - before.user_ticks, after.system_ticks - before.system_ticks
        # The total is exact; only its division is as coarse as ticks are.
        share = user / (user + system) if user + system else 0.5
        return Run(
            target=target.name,
            kind=kind,
            rate=rate,
            repetition=repetition,
            calls=calls,
            lost=figures["failed"],
            cpu_us=round(own / calls * 1e6, 2),
            user_us=round(own * share / calls * 1e6, 2),
            system_us=round(own * (1 - share) / calls * 1e6, 2),
            load=round(own / took, 3),
            setup_us=figures.get("setup_us", {}),
            memory_mib=round(procfs.proportional_kib(procfs.session(leader)) / 1024, 1),
            again=figures["invites_again"] + figures["byes_again"] + figures["answers_again"],
            drops=procfs.udp_drops(ports) - drops,
            lag_ms=figures["lag_ms_max"],
            foreign=round(foreign / took, 2),
        )


def wait_until_quiet(seconds: float) -> None:
    """Give other programs of this machine up to `seconds` to come to rest."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        busy, began = procfs.machine_busy_seconds(), time.monotonic()
        time.sleep(1.0)
        if (procfs.machine_busy_seconds() - busy) / (time.monotonic() - began) < QUIET_CORES:
            return


def generate(site: Site, kind: str, rate: int, calls: int, cpus: set[int] | None) -> dict[str, Any]:
    """Have sipload make these calls; what it counted. Raises RuntimeError where it fails."""
    command = [
        str(site.directory / "sipload"),
        *(
            "-p",
            "{}:{}".format(*site.proxy),
            "-g",
            "{}:{}".format(*site.gateway),
            "-l",
            str(site.caller_port),
        ),
        *("-f", str(site.directory / f"{kind}.calls"), "-r", str(rate), "-n", str(calls)),
        *("-d", str(TALK_MS), "-x", str(GIVE_UP_MS)),
        *(("-c", "403") if kind == REFUSED else ()),
    ]
    if cpus:
        command = ["taskset", "-c", ",".join(map(str, sorted(cpus))), *command]
    bound = calls / rate + (TALK_MS + GIVE_UP_MS) / 1000 + 30
    done = subprocess.run(command, capture_output=True, text=True, timeout=bound)
    if done.returncode != 0:
        raise RuntimeError(f"sipload ended with {done.returncode}: {done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def cpus() -> tuple[set[int] | None, set[int] | None]:
    """A core for the proxy and another for the generator, where there are two."""
    available = sorted(os.sched_getaffinity(0))
    return ({available[0]}, {available[1]}) if len(available) > 1 else (None, None)
