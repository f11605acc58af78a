"""Chromium before the pages of a running daemon that has calls: its console has to stay empty."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from sipguard.manage import login
from sipguard.model.actor import Role
from sipguard.model.authorization import ALL
from sipguard.store import database
from sipguard.store.account import account
from tests.harness.daemon import Daemon
from tests.harness.loopback import Loopback, eventually
from tests.harness.sipp import Sipp

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "scenarios" / "data.toml"
AXE = ROOT / "tools" / "ui" / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = ROOT / "build" / "screens"
"""Screenshots are left here: what CI keeps."""

WEB_PORT = 8060
CUSTOMER, USUAL = 10, 100
NUMBER, BLOCKED_NUMBER = "8801711000001", "8809000000001"

LOGINS = {"root": (Role.ADMINISTRATOR, None), "wholesale": (Role.ACCOUNT, "wholesale")}
PASSWORD = "a password for {}"


@dataclass
class Site:
    """A daemon with its web process, and traffic through it."""

    url: str
    daemon: Daemon


@dataclass
class Screen:
    """A page of a browser; what its console said is kept and has to be nothing."""

    page: Any
    url: str
    said: list[str] = field(default_factory=list)

    def sign_in(self, name: str) -> None:
        self.page.goto(self.url)
        self.page.fill("#username", name)
        self.page.fill("#password", PASSWORD.format(name))
        self.page.click("button[type=submit]")
        self.page.wait_for_selector("header.bar")

    def open(self, path: str) -> None:
        """By its address, as from a bookmark."""
        self.page.goto(f"{self.url}{path}")
        self.page.wait_for_selector("main h1")

    def keep(self, name: str) -> None:
        """A screenshot, for people."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SCREENS / f"{name}.png"))

    def check_accessible(self) -> None:
        """axe finds nothing serious or critical on what is shown."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        grave = [
            f"{one['id']}: {one['help']}: {node['html'][:200]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
        assert not grave, "\n".join(grave)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    loopback = Loopback()
    directory = tmp_path_factory.mktemp("ui")
    host = loopback.host(1)
    more = f'[web]\nhost = "{host}"\nport = {WEB_PORT}\n'
    with contextlib.ExitStack() as ends:
        ends.callback(loopback.close)
        daemon = ends.enter_context(Daemon(directory, host, more=more))
        daemon.init(DATA.read_text(), loopback)
        asyncio.run(_logins(daemon.database))
        daemon.start()
        ends.enter_context(
            Sipp("gateway/answers", directory, loopback.host(USUAL), calls=None, bound_seconds=900)
        )
        for port, number in ((5060, NUMBER), (5062, BLOCKED_NUMBER)):
            scenario = "call/completed" if number == NUMBER else "refused/forbidden"
            caller = Sipp(
                scenario,
                directory / number,
                loopback.host(CUSTOMER),
                target=(host, daemon.port),
                number=number,
                calls=2_000,
                rate=2.0,
                talk_ms=15_000,  # so that some are there when they are looked at
                port=port,
                bound_seconds=900,
            )
            ends.enter_context(caller)
        eventually("the web process", lambda: "web.ready" in daemon.output(), 30.0)
        yield Site(f"http://{host}:{WEB_PORT}", daemon)


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Any]:
    """Not for the session: Playwright keeps an event loop running, beside which no other can."""
    del site  # whose making needs a loop, is made before
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, as which containers run.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def screen(site: Site, browser: Any) -> Iterator[Screen]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 860}, locale="en-GB", timezone_id="Asia/Dhaka"
    )
    page = context.new_page()
    shown = Screen(page, site.url)
    page.on(
        "console", lambda message: message.type in ("error", "warning") and shown.said.append(message.text)
    )
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    yield shown
    context.close()
    assert not shown.said, shown.said


async def _logins(path: Path) -> None:
    opened = database.open(path)
    try:
        async with opened.writing() as conn:
            await conn.execute(update(account).values(granted=int(ALL)))
            for name, (role, account_id) in LOGINS.items():
                key = await conn.scalar(select(account.c.key).where(account.c.id == account_id))
                await login.add(conn, name, PASSWORD.format(name), role, key, time.time_ns() // 1_000_000)
    finally:
        await opened.close()
