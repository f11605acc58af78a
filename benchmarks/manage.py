"""Management at size: accounts made in bulk, then asked for through the HTTP API.

    python -m benchmarks.manage [--accounts 1000000] [--directory DIR] [--requests 300]

Bulk creation goes through manage (jobs as the API makes them), 1,000,000 accounts in trees up to 5 deep; some
agents have 100,000 accounts below them. Then uvicorn serves the database; requests are timed at a client.
"CPU" is what the process took, server and client together: what the time is on a machine without other work.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import uvicorn

from sipguard.manage import account_import, api_key, login
from sipguard.manage.account_import import NewImport
from sipguard.manage.api_key import KeyForm
from sipguard.manage.desk import Desk
from sipguard.model.actor import Actor, Role, Via
from sipguard.model.ledger import LedgerKind
from sipguard.store import database, ledger
from sipguard.web import app

ROOT = Actor("root", Role.ADMINISTRATOR, Via.SHELL)
FANS = (100, 10, 10, 9)
"""Sub-accounts per account on each level below the top: 101,100 below each top-level account."""
PART = 50_000
"""Lines per job."""


def ids(accounts: int) -> Iterator[tuple[str, str]]:
    """Accounts with their agents, agents first; whole trees one after the other, the last one cut."""

    def below(name: str, fans: tuple[int, ...]) -> Iterator[tuple[str, str]]:
        for number in range(fans[0] if fans else 0):
            yield f"{name}-{number}", name
        for number in range(fans[0] if fans else 0):
            yield from below(f"{name}-{number}", fans[1:])

    made = top = 0
    while made < accounts:
        for pair in ((f"t{top}", ""), *below(f"t{top}", FANS)):
            if made == accounts:
                return
            yield pair
            made += 1
        top += 1


async def build(desk: Desk, accounts: int) -> tuple[float, float]:
    """Make them all; accounts per second, and per second of CPU."""
    began, began_cpu = time.perf_counter(), time.process_time()
    source, made = ids(accounts), 0
    while made < accounts:
        lines = ["id,name,agent_id,currency"]
        for _, (name, agent) in zip(range(PART), source, strict=False):
            lines.append(f"{name},Customer {name},{agent},BDT")
        async with desk.writing(ROOT, "account.import") as act:
            job = await account_import.create(act, NewImport(csv="\n".join(lines)), keep=False)
        async for state in account_import.run(desk, job.number, "\n".join(lines)):
            job = state
        if job.failed or job.state != "done":
            raise SystemExit(f"bulk creation failed: {job.problems[:3]}")
        made += job.created
        print(
            f"\r{made:,} accounts, {made / (time.perf_counter() - began):,.0f} a second", end="", flush=True
        )
    print()
    return accounts / (time.perf_counter() - began), accounts / (time.process_time() - began_cpu)


async def timed(
    count: int, ask: Callable[[], httpx2.Request], client: httpx2.AsyncClient
) -> tuple[list[float], list[float]]:
    """Milliseconds of so many requests, and of CPU, each sorted."""
    took, cpu = [], []
    for _ in range(count):
        request = ask()
        began, began_cpu = time.perf_counter(), time.process_time()
        answer = await client.send(request)
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - began_cpu) * 1000)
        answer.raise_for_status()
    return sorted(took), sorted(cpu)


async def measure(desk: Desk, token: str, requests: int, *, whole: bool) -> None:
    """Serve and ask. `whole`: the first tree is."""
    config = uvicorn.Config(app.build(desk), port=0, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn has no event to wait for)
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    chance = random.Random(1)
    headers = {"Authorization": f"Bearer {token}"}

    def agent() -> str:
        parts = [str(chance.randrange(fan)) for fan in FANS[: chance.randrange(4) if whole else 0]]
        return "-".join(["t0", *parts])

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers) as client:

        def get(path: str, **params: str) -> httpx2.Request:
            return client.build_request("GET", path, params=params)

        for what, limit, ask in (
            ("Direct list, p99", 50, lambda: get("/accounts", agent_id=agent())),
            ("Tree expansion, p99", 50, lambda: get("/tree", agent_id=agent())),
            ("All list of 100,000, p99", None, lambda: get("/accounts", agent_id="t0", scope="all")),
            ("All count of 100,000, worst", 200, lambda: get("/tree/counts", agent_id="t0")),
            ("All count of everything, worst", None, lambda: get("/tree/counts")),
            ("Search in 100,000, p99", None, lambda: get("/accounts", agent_id="t0", scope="all", q="9-9-8")),
        ):
            count = requests if "p99" in what and "100,000" not in what else max(20, requests // 10)
            await timed(3, ask, client)  # what is loaded with the first request is not measured
            took, cpu = await timed(count, ask, client)
            at = -1 if "worst" in what else int(len(took) * 0.99)
            worst, cpu_worst = took[at], cpu[at]
            verdict = (
                "" if limit is None else f"  (required: {limit} ms) {'ok' if worst <= limit else 'MISSED'}"
            )
            median = took[len(took) // 2]
            print(f"{what:32} {worst:8.1f} ms, median {median:6.1f} ms, CPU {cpu_worst:6.1f} ms{verdict}")
    server.should_exit = True
    await serving


async def run(directory: Path, accounts: int, requests: int) -> None:
    """All of it."""
    path = directory / "manage.db"
    store = database.create(path)
    try:
        desk = Desk(store)
        async with store.writing() as conn:
            for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX):
                await ledger.insert(conn, kind, "BDT")
            key = await login.add(conn, "root", "a password to measure by", Role.ADMINISTRATOR, None, 0)
            token = (await api_key.insert(conn, key, KeyForm(name="benchmark"), desk.clock_ms())).text
        rate, cpu_rate = await build(desk, accounts)
        verdict = "ok" if rate >= 5_000 else "MISSED"
        print(f"bulk creation: {rate:,.0f} accounts a second  (required: 5,000) {verdict}", end="; ")
        print(f"{cpu_rate:,.0f} a second of CPU")
        await measure(desk, token, requests, whole=accounts >= 101_101)
    finally:
        await store.close()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Measure management at size.")
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--directory", type=Path, help="Where the database is made; else a temporary one.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        asyncio.run(run(Path(folder), options.accounts, options.requests))


if __name__ == "__main__":
    main()
