"""How soon a change through the API reaches the calls: `python -m benchmarks.changes [--rate 500]`.

Real sipp calls through a real daemon; meanwhile the API locks an agent, then unlocks it, adds a section
that blocks what is called, and takes it back. From the call records: how long after each answer of the API a
call was still judged by what was before, and how many calls that were up were disturbed.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.load import CALLER, DATA, GATEWAY
from sipguard import config
from sipguard.manage import api_key, login, opening
from sipguard.manage.api_key import KeyForm
from sipguard.model.actor import Role
from sipguard.store import database
from sipguard.web import app
from tests.harness.daemon import Daemon
from tests.harness.judge import Books
from tests.harness.loopback import Loopback
from tests.harness.sipp import Sipp

LIMIT_MS = 100
BETWEEN_SECONDS = 1.5


async def change(daemon: Daemon) -> list[tuple[str, int, int]]:
    """Make the changes: what, and the wall clock in milliseconds before the request and at its answer."""
    told = config.load(daemon.config)
    store = database.open(told.database.path)
    done = []
    try:
        desk = opening.desk(told, store)
        async with store.writing() as conn:
            key = await login.add(conn, "changes", "a password to measure by", Role.ADMINISTRATOR, None, 0)
            token = (await api_key.insert(conn, key, KeyForm(name="changes"), desk.clock_ms())).text
        headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
        transport = httpx2.ASGITransport(app.build(desk))
        async with httpx2.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
            block = {"called": [{"action": "block", "prefix": "880"}]}
            url = "/api/v1/accounts/agent"
            (await client.get(url)).raise_for_status()  # what is loaded with the first request
            for what, method, path, body in (
                ("lock", "POST", f"{url}/lock", None),
                ("unlock", "POST", f"{url}/unlock", None),
                ("block", "PUT", f"{url}/sections", block),
                ("free", "PUT", f"{url}/sections", {}),
            ):
                await asyncio.sleep(BETWEEN_SECONDS)
                asked_ms = time.time_ns() // 1_000_000
                (await client.request(method, path, json=body)).raise_for_status()
                done.append((what, asked_ms, time.time_ns() // 1_000_000))
            await asyncio.sleep(BETWEEN_SECONDS)
    finally:
        await store.close()
    return done


def report(records: list[dict[str, Any]], changes: list[tuple[str, int, int]]) -> None:
    """Compare the records with the changes."""
    ends = [asked_ms for _, asked_ms, _ in changes[1:]] + [1 << 62]
    for (what, _, answered_ms), end_ms in zip(changes, ends, strict=True):
        refuses = what in ("lock", "block")
        stale = [
            record["invited_ms"] - answered_ms
            for record in records
            if answered_ms <= record["invited_ms"] < end_ms and (record["outcome"] == "refused") != refuses
        ]
        calls = sum(answered_ms <= record["invited_ms"] < end_ms for record in records)
        latest = max(stale, default=0)
        verdict = "ok" if latest <= LIMIT_MS else "MISSED"
        print(f"{what:8} {latest:5d} ms after the answer ({len(stale)} of {calls} calls)  {verdict}")
    other = [one for one in records if one["outcome"] not in ("answered", "refused")]
    print(f"{len(records)} calls, {len(other)} neither answered nor refused by these changes")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="How soon changes reach calls.")
    parser.add_argument("--rate", type=float, default=500.0, help="calls per second")
    options = parser.parse_args()
    seconds = 5 * BETWEEN_SECONDS + 6
    count = int(options.rate * seconds)
    fast = ("-timer_resol", "1", "-buff_size", str(4 << 20), "-l", str(count))
    with tempfile.TemporaryDirectory(prefix="sipguard-changes-") as name:
        directory, loopback = Path(name), Loopback()
        with Daemon(directory / "site", loopback.host(1)) as daemon:
            daemon.init(DATA.read_text(), loopback)
            daemon.start()
            gateway = Sipp(
                "gateway/answers",
                directory,
                loopback.host(GATEWAY),
                calls=None,
                bound_seconds=seconds + 60,
                options=fast,
            )
            caller = Sipp(
                "call/completed",
                directory,
                loopback.host(CALLER),
                target=(daemon.host, daemon.port),
                calls=count,
                rate=options.rate,
                talk_ms=1_000,
                bound_seconds=seconds + 30,
                options=fast,
            )
            with gateway, caller:
                changes = asyncio.run(change(daemon))
                caller.wait()
                gateway.stop()
            daemon.idle(30)
            report(Books(daemon.database).cdrs(), changes)


if __name__ == "__main__":
    main()
