"""The figures of this moment: one question to the proxy for all who look, each is told its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sipguard import control
from sipguard.control import ControlError
from sipguard.manage.proxy import Proxy
from sipguard.manage.stats import ACCOUNTS_AT_ONCE, Figures, Windows
from sipguard.store import database, series

NOW_MS = 1_800_000_000_000
MINUTE = NOW_MS // 1000 // 60 * 60
COUNTS = {"answered": 3, "refused": 1, "failed": 1, "cancelled": 0}
TIMES = {"duration_ms": 90_000, "pdd_ms": 0, "pdd_calls": 0}


def with_proxy(
    tmp_path: Path, test: Callable[[Figures, list[dict[str, object]], database.Database], Awaitable[None]]
) -> None:
    """A real control socket, behind which the proxy's part is said by heart; what it was asked is kept."""
    asked: list[dict[str, object]] = []

    def now(args: dict[str, object]) -> object:
        asked.append(args)
        names = args["accounts"]
        assert isinstance(names, list)
        gateways = [{"id": "gw1", "kind": "routing_gateway", "calls": 1}]
        return {
            "at_ms": NOW_MS,
            "ready": True,
            "gateways": gateways if args["gateways"] != 0 else [],
            "since_start": {"refusals": {"no_rate": 7}},
            "accounts": {name: {"id": name, "calls": 2} for name in names if name != "nobody"},
        }

    async def run() -> None:
        store = database.create(tmp_path / "sipguard.db")
        server = await control.serve(tmp_path / "control.sock", {"now": now})
        try:
            await test(Figures(Proxy(tmp_path / "control.sock"), store), asked, store)
        finally:
            await server.close()
            await store.close()

    asyncio.run(run())


async def count(store: database.Database, scope: str, key: str) -> None:
    row = {"step": 60, "at": MINUTE, "scope": scope, "key": key, "currency": "USD", **COUNTS, **TIMES}
    async with store.writing() as conn:
        await conn.execute(series.series.insert().values(**row, charge_micros=5, cost_micros=3))


def test_everything_and_all_accounts_are_one_question(tmp_path: Path) -> None:
    async def test(figures: Figures, asked: list[dict[str, object]], store: database.Database) -> None:
        for scope, key in (("all", ""), ("account", "north"), ("routing_gateway", "gw1")):
            await count(store, scope, key)
        told = await figures.of([None, "north", "nobody"])
        assert [one["accounts"] for one in asked] == [["north", "nobody"]]
        everything, north = told[None], told["north"]
        assert everything["last"]["5m"]["answered"] == 3
        assert everything["gateways"][0]["5m"]["asr"] == 0.75
        assert "accounts" not in everything
        assert north["account"]["last"]["5m"]["attempts"] == 5
        assert sorted(north) == ["account", "at_ms", "ready"], "nothing of gateways, or of others' refusals"
        assert "nobody" in told["nobody"]["unavailable"]

    with_proxy(tmp_path, test)


def test_more_accounts_than_one_question_names_are_all_told(tmp_path: Path) -> None:
    async def test(figures: Figures, asked: list[dict[str, object]], _: database.Database) -> None:
        names = [f"account-{number:050}" for number in range(ACCOUNTS_AT_ONCE + 1)]
        told = await figures.of(names)
        assert sorted(told, key=str) == names
        assert all("account" in one for one in told.values())
        assert [one["gateways"] for one in asked] == [0, 0]

    with_proxy(tmp_path, test)


def test_without_a_proxy_there_are_no_figures(tmp_path: Path) -> None:
    async def run() -> None:
        store = database.create(tmp_path / "sipguard.db")
        with pytest.raises(ControlError):
            await Figures(None, store).of([None])
        await store.close()

    asyncio.run(run())


def test_sums_are_read_again_when_they_are_old_or_something_was_counted(tmp_path: Path) -> None:
    async def run() -> None:
        store, clock = database.create(tmp_path / "sipguard.db"), [100.0]
        windows = Windows(store, fresh_seconds=5.0, clock=lambda: clock[0])

        async def answered() -> int:
            told: int = (await windows.of("all", "", NOW_MS // 1000))["5m"]["answered"]
            return told

        assert await answered() == 0
        await count(store, "all", "")
        assert await answered() == 0, "told again"
        clock[0] += 5.0
        assert await answered() == 3
        async with store.writing() as conn:
            await conn.execute(series.series.update().values(answered=4))
        assert await answered() == 3
        windows.forget()
        assert await answered() == 4
        await store.close()

    asyncio.run(run())
