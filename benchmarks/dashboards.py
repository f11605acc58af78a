"""`python -m benchmarks.dashboards`: what open pages cost the calls (issue: setup p99 within a tenth).

The same calls are placed in turn with nobody looking and with 50 overviews open, each a stream of
server-sent events from the web process. That process and the pages share the core of the generator, the
proxy has the other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import policy
from benchmarks.measure import ANSWERED, WARM_CALLS, WARM_RATE, cpus, generate, wait_until_quiet
from benchmarks.targets import ROOT, TARGETS, Site, build, running
from sipguard.manage import api_key, login
from sipguard.manage.api_key import KeyForm
from sipguard.model.actor import Role
from sipguard.store import database
from tests.harness.loopback import eventually, tcp_listens

HOST, PORT = "127.0.0.1", 8061


def measure(site: Site, rate: int, seconds: float, pages: int) -> tuple[float, int]:
    """p99 from INVITE to 18x in milliseconds, and how many events the pages heard."""
    proxy_cpus, generator_cpus = cpus()
    target = TARGETS["sipguard"]
    with running(target, site, proxy_cpus), _web(site) as key, _open(pages, key) as heard:
        generate(site, ANSWERED, WARM_RATE, WARM_CALLS, generator_cpus)
        before = heard()
        done = generate(site, ANSWERED, rate, round(rate * seconds), generator_cpus)
        if done["completed"] < round(rate * seconds):
            raise RuntimeError(f"calls failed: {done}")
        return done["setup_us"]["p99"] / 1000, heard() - before


@contextlib.contextmanager
def _web(site: Site) -> Iterator[str]:
    """The web process on the daemon's database; yields an API key."""
    directory = site.directory / "sipguard" / "used"
    config = directory / "web.toml"
    config.write_text((directory / "sipguard.toml").read_text().replace("enabled = false", f"port = {PORT}"))
    key = asyncio.run(_key(directory / "sipguard.db"))
    command = [sys.executable, "-m", "sipguard", "--config", str(config), "web"]
    with (directory / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually("the web process", lambda: tcp_listens(HOST, PORT) or process.poll() is not None, 30.0)
        yield key
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
def _open(pages: int, key: str) -> Iterator:  # type: ignore[type-arg]
    """That many streams, read by a thread with a loop of its own; yields a counter of events."""
    events = [0]
    loop = asyncio.new_event_loop()

    async def page() -> None:
        while True:
            reader, writer = await asyncio.open_connection(HOST, PORT)
            head = f"GET /api/v1/live HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nAuthorization: Bearer {key}\r\n\r\n"
            writer.write(head.encode())
            while some := await reader.read(1 << 20):
                events[0] += some.count(b"data: ")
            writer.close()

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    for _ in range(pages):
        asyncio.run_coroutine_threadsafe(page(), loop)
    try:
        if pages:
            eventually("every page hears something", lambda: events[0] >= pages, 30.0)
        yield lambda: events[0]
    finally:
        asyncio.run_coroutine_threadsafe(_close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


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
    found: dict[int, list[float]] = {0: [], options.pages: []}
    for _ in range(options.repetitions):
        for pages in found:
            wait_until_quiet(options.quiet)
            p99, heard = measure(site, options.rate, options.seconds, pages)
            found[pages].append(p99)
            print(f"{pages:3} pages open: setup p99 {p99:.2f} ms, {heard} events heard", flush=True)
    none, some = (statistics.median(values) for values in found.values())
    change = some / none - 1
    told = f"{none:.2f} ms, with {options.pages} pages {some:.2f} ms: {change:+.1%}"
    print(f"setup p99, median of {options.repetitions}: {told}")
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
