"""`python -m benchmarks.dashboards`: what open pages cost the calls (issue: setup p99 within a tenth).

The same calls are placed in turn with nobody looking and with 50 overviews open, each a stream of
server-sent events from the web process. That process is as nice as beside a daemon, and the pages, which
elsewhere are other machines, take what the generator leaves of its core. Beside latency, which needs a quiet
machine, it tells what does not: what the loop that serves the calls and the web process have used.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import policy, procfs
from benchmarks.measure import ANSWERED, WARM_CALLS, WARM_RATE, cpus, generate, wait_until_quiet
from benchmarks.targets import ROOT, TARGETS, Site, build, running
from sipguard.cli.web import NICENESS
from sipguard.manage import api_key, login
from sipguard.manage.api_key import KeyForm
from sipguard.model.actor import Role
from sipguard.store import database
from tests.harness.loopback import eventually, tcp_listens

HOST, PORT = "127.0.0.1", 8061


@dataclass(frozen=True)
class Run:
    """Figures of one run; CPU time in milliseconds for each second."""

    p99_ms: float
    """From INVITE to 18x."""
    loop_ms: float
    """Of the proxy's thread in which calls are decided, and figures are told."""
    web_ms: float
    """Of the web process."""
    heard: float
    """Events of all pages for each second."""
    kilobytes: float
    """Of all pages for each second."""


@dataclass
class Heard:
    """What pages have heard so far."""

    events: int = 0
    bytes: int = 0


def measure(site: Site, rate: int, seconds: float, pages: int) -> Run:
    """One run. Raises RuntimeError where calls fail."""
    proxy_cpus, generator_cpus = cpus()
    with (
        running(TARGETS["sipguard"], site, proxy_cpus) as leader,
        _web(site) as (key, web),
        _open(pages, key, generator_cpus) as heard,
    ):
        generate(site, ANSWERED, WARM_RATE, WARM_CALLS, generator_cpus)
        events, read = heard.events, heard.bytes
        loop, web_ns, began = procfs.thread_ns(leader), procfs.cpu([web]).total_ns, time.monotonic()
        done = generate(site, ANSWERED, rate, round(rate * seconds), generator_cpus)
        lasted = time.monotonic() - began
        if done["completed"] < round(rate * seconds):
            raise RuntimeError(f"calls failed: {done}")
        return Run(
            p99_ms=done["setup_us"]["p99"] / 1000,
            loop_ms=(procfs.thread_ns(leader) - loop) / 1e6 / lasted,
            web_ms=(procfs.cpu([web]).total_ns - web_ns) / 1e6 / lasted,
            heard=(heard.events - events) / lasted,
            kilobytes=(heard.bytes - read) / 1000 / lasted,
        )


@contextlib.contextmanager
def _web(site: Site) -> Iterator[tuple[str, int]]:
    """The web process on the daemon's database; yields an API key, and its process id."""
    directory = site.directory / "sipguard" / "used"
    config = directory / "web.toml"
    config.write_text((directory / "sipguard.toml").read_text().replace("enabled = false", f"port = {PORT}"))
    key = asyncio.run(_key(directory / "sipguard.db"))
    nice = ["nice", "-n", str(NICENESS)]
    command = [*nice, sys.executable, "-m", "sipguard", "--config", str(config), "web"]
    with (directory / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually("the web process", lambda: tcp_listens(HOST, PORT) or process.poll() is not None, 120.0)
        yield key, process.pid
    finally:
        process.terminate()
        process.wait(10)


async def _key(path: Path) -> str:
    store = database.open(path)
    try:
        async with store.writing() as conn:
            now_ms = time.time_ns() // 1_000_000
            added = await login.add(conn, "dashboards", "a long password", Role.VIEWER, None, now_ms)
            return (await api_key.insert(conn, added, KeyForm(name="benchmark"), now_ms)).text
    finally:
        await store.close()


@contextlib.contextmanager
def _open(pages: int, key: str, cores: set[int] | None) -> Iterator[Heard]:
    """That many streams, read by a thread with a loop of its own, which nobody waits for."""
    heard = Heard()
    loop = asyncio.new_event_loop()

    async def page() -> None:
        while True:
            reader, writer = await asyncio.open_connection(HOST, PORT)
            head = f"GET /api/v1/live HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nAuthorization: Bearer {key}\r\n\r\n"
            writer.write(head.encode())
            while some := await reader.read(1 << 20):
                heard.events += some.count(b"data: ")
                heard.bytes += len(some)
            writer.close()

    thread = threading.Thread(target=lambda: _patiently(loop.run_forever, cores), daemon=True)
    thread.start()
    for _ in range(pages):
        asyncio.run_coroutine_threadsafe(page(), loop)
    try:
        if pages:
            eventually("every page hears something", lambda: heard.events >= pages, 30.0)
        yield heard
    finally:
        asyncio.run_coroutine_threadsafe(_close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _patiently(work: Callable[[], None], cores: set[int] | None) -> None:
    """In a thread that runs when no other wants to: priorities and cores are of threads on Linux."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    if cores:
        os.sched_setaffinity(threading.get_native_id(), cores)
    work()


async def _close() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where open pages cost more than the share that was asked for."""
    options = _options().parse_args(arguments)
    site = Site(options.directory.resolve(), policy.make())
    build(site.directory)
    policy.write_calls(site.policy, site.policy.allowed, site.directory / f"{ANSWERED}.calls")
    TARGETS["sipguard"].prepare(site)
    found: dict[int, list[Run]] = {0: [], options.pages: []}
    for _ in range(options.repetitions):
        for pages in found:
            wait_until_quiet(options.quiet)
            run = measure(site, options.rate, options.seconds, pages)
            found[pages].append(run)
            print(
                f"{pages:3} pages open: setup p99 {run.p99_ms:.2f} ms, loop {run.loop_ms:.1f} ms/s, "
                f"web {run.web_ms:.1f} ms/s, {run.heard:.1f} events/s, {run.kilobytes:.0f} kB/s",
                flush=True,
            )
    none, some = (statistics.median(run.p99_ms for run in runs) for runs in found.values())
    idle, busy = (statistics.median(run.loop_ms for run in runs) for runs in found.values())
    change = some / none - 1
    told = f"{none:.2f} ms, with {options.pages} pages {some:.2f} ms: {change:+.1%}"
    print(f"setup p99, median of {options.repetitions}: {told}; the loop: {busy - idle:+.1f} ms/s")
    return 0 if change < options.share else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboards", description=__doc__)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--rate", type=int, default=500, help="calls per second")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a run")
    parser.add_argument("--repetitions", type=int, default=5, help="the median of which counts")
    parser.add_argument("--share", type=float, default=0.1, help="that setup p99 may grow by")
    parser.add_argument("--quiet", type=float, default=20.0, help="wait up to this long for a quiet machine")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "bench")
    return parser


if __name__ == "__main__":
    sys.exit(main())
