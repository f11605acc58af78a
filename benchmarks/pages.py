"""`python -m benchmarks.pages`: how fast the pages are over a tree of 20,000 agents, in a real browser.

First paint and weight of the sign-in page and of the overview, double click to table, All of 20,000 accounts,
opening the tree. One database, one web process, no calls; medians, of a browser that has the files.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.targets import ROOT
from sipguard.manage import login
from sipguard.model.actor import Role
from sipguard.model.ledger import LedgerKind
from sipguard.store import account, database, ledger
from tests.harness.loopback import eventually, tcp_listens

HOST, PORT = "127.0.0.1", 8062
PASSWORD = "a long password"

_CONFIG = f"""
[sip]
listen = [{{ host = "{HOST}", port = 5999 }}]
[database]
path = "sipguard.db"
[control]
socket = "sipguard.sock"
[web]
host = "{HOST}"
port = {PORT}
"""


async def make(path: Path, agents: int) -> None:
    """An agent "big" with `agents` agents directly below it, each with one account."""
    store = database.create(path)
    try:
        async with store.writing() as conn:
            for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX):
                await ledger.insert(conn, kind, "BDT")
            big = await account.insert(conn, id="big", name="Big agent", currency="BDT")
            for number in range(agents // 2):
                agent = await account.insert(
                    conn, id=f"agent-{number:05}", name=f"Agent {number}", currency="BDT", agent_key=big.key
                )
                await account.insert(
                    conn, id=f"account-{number:05}", name="One", currency="BDT", agent_key=agent.key
                )
            now_ms = time.time_ns() // 1_000_000
            await login.add(conn, "root", PASSWORD, Role.ADMINISTRATOR, None, now_ms)
    finally:
        await store.close()


class Browser:
    """A page that is signed in, and a stop-watch."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def first_paint(self, path: str) -> float:
        """Milliseconds from the request to the first contentful paint."""
        self._page.goto(f"http://{HOST}:{PORT}{path}")
        self._page.wait_for_selector("h1")
        script = """() => new Promise(done => new PerformanceObserver((list, watch) => {
            const found = list.getEntriesByName('first-contentful-paint')[0];
            if (found) { watch.disconnect(); done(found.startTime); }
        }).observe({type: 'paint', buffered: true}))"""
        return float(self._page.evaluate(script))

    def sign_in(self) -> None:
        self._page.goto(f"http://{HOST}:{PORT}/")
        self._page.fill("#username", "root")
        self._page.fill("#password", PASSWORD)
        self._page.click("button[type=submit]")
        self._page.wait_for_selector("header.bar")

    def after(self, act: str, seen: str) -> float:
        """Milliseconds from an act (a script) until `seen` (a condition) holds, by frames of the browser."""
        script = f"""() => new Promise(done => {{
            const began = performance.now();
            const look = () => ({seen}) ? done(performance.now() - began) : requestAnimationFrame(look);
            {act};
            requestAnimationFrame(look);
        }})"""
        return float(self._page.evaluate(script))

    def open(self, path: str, selector: str) -> None:
        self._page.goto(f"http://{HOST}:{PORT}{path}")
        self._page.wait_for_selector(selector)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Every figure by its name."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("there is no chromium: apt-get install chromium")
    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = started.new_context(viewport={"width": 1280, "height": 860}).new_page()
        weight = [0]
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on(
            "Network.loadingFinished",
            lambda told: weight.__setitem__(0, weight[0] + told["encodedDataLength"]),
        )
        browser = Browser(page)
        browser.first_paint("/")
        sign_in_weight, weight[0] = weight[0], 0
        browser.sign_in()
        page.wait_for_selector("main h1")
        page.wait_for_timeout(1_000)
        overview_weight = weight[0]
        tree = "document.querySelectorAll('.node').length"
        rows = "document.querySelectorAll('main tbody tr:not(.gap)').length"
        for _ in range(options.repetitions):
            found.setdefault("first paint, ms", []).append(browser.first_paint("/accounts"))
            browser.open("/accounts", ".node")
            arrow = "document.querySelector('.node .arrow').click()"
            found.setdefault("tree of the agents opens, ms", []).append(browser.after(arrow, f"{tree} > 10"))
            browser.open("/accounts", ".node")
            double = (
                "document.querySelector('.node').dispatchEvent(new MouseEvent('dblclick', {bubbles: true}))"
            )
            found.setdefault("double click to table, ms", []).append(browser.after(double, f"{rows} > 10"))
            browser.open("/accounts?agent=big", "main tbody tr:not(.gap)")
            every = "document.querySelector('a[href*=\"scope=all\"]').click()"
            first = "document.querySelector('main td a').textContent.startsWith('account')"
            shown = f"location.search.includes('scope=all') && {rows} > 10 && {first}"
            found.setdefault("All: first rows, ms", []).append(browser.after(every, shown))
            browser.open("/accounts?agent=big", "main tbody tr:not(.gap)")
            whole = "document.querySelector('.count[role=status]').textContent.replace(/\\D/g, '')"
            found.setdefault("All: every row loaded, ms", []).append(
                browser.after(every, f"{whole} == '{options.accounts}'")
            )
        started.close()
    figures = {name: statistics.median(values) for name, values in found.items()}
    return figures | {
        "weight of the sign-in page, kB": sign_in_weight / 1000,
        "and until the overview, kB": (sign_in_weight + overview_weight) / 1000,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000, help="below one agent")
    parser.add_argument("--repetitions", type=int, default=5, help="the median of which counts")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sipguard-pages-") as name:
        directory = Path(name)
        (directory / "sipguard.toml").write_text(_CONFIG)
        asyncio.run(make(directory / "sipguard.db", options.accounts))
        command = [sys.executable, "-m", "sipguard", "--config", str(directory / "sipguard.toml"), "web"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            eventually("the web process", lambda: tcp_listens(HOST, PORT) or process.poll() is not None, 60.0)
            for figure, value in measure(options).items():
                print(f"{figure}: {value:.0f}")
        finally:
            process.terminate()
            process.wait(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
