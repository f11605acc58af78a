"""The figures of this moment, for people: what the proxy knows, with sums of the last minutes and hours.

What the proxy knows is asked for once for all who want it; the rest is read from the series, by whoever asks,
so that a screen costs the calls next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, cast

import msgspec

from sipguard.control import ControlError
from sipguard.manage import series
from sipguard.manage.proxy import Proxy
from sipguard.store.database import Database
from sipguard.store.series import Scope

WINDOWS = {"5m": 300, "1h": 3600, "24h": 86_400}
"""Last minutes that figures are told of, in seconds."""

FRESH_SECONDS = 5.0
"""Sums of minutes and hours that are no older are told again."""

GATEWAYS = 50
"""How many gateways a screen that is told every second shows: the rest has a list of its own."""

ACCOUNTS_AT_ONCE = 500
"""Named in one question to the proxy, which takes so many bytes and no more."""

Told = dict[str, Any]


class Windows:
    """Sums of the last minutes and hours, read at most once in a while each, however many ask."""

    def __init__(
        self,
        store: Database,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock`: seconds that only go forward."""
        self._store, self._fresh_seconds, self._clock = store, fresh_seconds, clock
        self._kept: dict[tuple[str, str], tuple[float, object]] = {}

    def forget(self) -> None:
        """Something was counted."""
        self._kept.clear()

    async def of(self, scope: str, key: str, now: int) -> Told:
        """By the name of a window. `scope`, `key`: as in manage.series; `now`: Unix seconds."""
        if (kept := self._fresh(scope, key)) is not None:
            return cast("Told", kept)
        till = now + 60
        async with self._store.reading() as conn:
            found = {
                name: msgspec.to_builtins(await series.window(conn, scope, key, till - seconds, till))
                for name, seconds in WINDOWS.items()
            }
        self._keep(scope, key, found)
        return found

    async def of_gateways(self, now: int) -> Mapping[tuple[str, str], series.Point]:
        """Of the last five minutes, of each gateway that had calls, by kind and id."""
        if (kept := self._fresh("gateways", "")) is not None:
            return cast("Mapping[tuple[str, str], series.Point]", kept)
        till, found = now + 60, dict[tuple[str, str], series.Point]()
        async with self._store.reading() as conn:
            for kind in (Scope.MAPPING_GATEWAY, Scope.ROUTING_GATEWAY):
                points = await series.windows(conn, kind, till - WINDOWS["5m"], till)
                found.update({(kind.value, id): point for id, point in points.items()})
        self._keep("gateways", "", found)
        return found

    def _fresh(self, scope: str, key: str) -> object | None:
        at, found = self._kept.get((scope, key), (0.0, None))
        return found if self._clock() - at < self._fresh_seconds else None

    def _keep(self, scope: str, key: str, found: object) -> None:
        now = self._clock()
        # Here, and not at a limit: what nobody asks for any more is gone with the next reading.
        self._kept = {name: one for name, one in self._kept.items() if now - one[0] < self._fresh_seconds}
        self._kept[scope, key] = now, found


async def everything(told: Mapping[str, Any], windows: Windows) -> Told:
    """What the proxy told of everything, with sums: of all, and of each gateway that it told of."""
    now = told["at_ms"] // 1000
    recent = await windows.of_gateways(now)
    gateways = [
        {**one, "5m": msgspec.to_builtins(recent.get((one["kind"], one["id"])))} for one in told["gateways"]
    ]
    rest = {name: value for name, value in told.items() if name != "accounts"}
    return {**rest, "last": await windows.of("all", "", now), "gateways": gateways}


async def one_account(told: Mapping[str, Any], account_id: str, windows: Windows) -> Told:
    """What is the account's own: nothing of gateways, refusals or calls of others. Raises ControlError."""
    found = told["accounts"].get(account_id)
    if found is None:
        raise ControlError(f"there is no account {account_id}")
    last = await windows.of("agent", account_id, told["at_ms"] // 1000)
    return {"at_ms": told["at_ms"], "ready": told["ready"], "account": {**found, "last": last}}


class Figures:
    """One per process: asks the proxy, completes what it says."""

    def __init__(self, proxy: Proxy | None, store: Database) -> None:
        """`proxy`: None where none is known."""
        self._proxy, self._windows = proxy, Windows(store)

    async def of(
        self, subjects: Collection[str | None], gateways: int | None = GATEWAYS
    ) -> dict[str | None, Told]:
        """The figures of each subject: an account with all below it, None for everything.

        What is wrong with one is told in its place, as {"unavailable": ...}. `gateways`: as many of them
        are told of; None: all. Raises ControlError where the proxy does not answer.
        """
        accounts = [subject for subject in subjects if subject is not None]
        parts = [accounts[at : at + ACCOUNTS_AT_ONCE] for at in range(0, len(accounts), ACCOUNTS_AT_ONCE)]
        found: dict[str | None, Told] = {}
        for part in parts or [[]]:
            for_all = None in subjects and None not in found
            told = await self._ask(gateways if for_all else 0, part)
            if for_all:
                found[None] = await everything(told, self._windows)
            for subject in part:
                try:
                    found[subject] = await one_account(told, subject, self._windows)
                except ControlError as error:
                    found[subject] = {"unavailable": str(error)}
        return found

    async def _ask(self, gateways: int | None, accounts: Iterable[str]) -> Told:
        if self._proxy is None:
            raise ControlError("no proxy is known to ask")
        told = await self._proxy.ask("now", gateways=gateways, accounts=list(accounts))
        if not isinstance(told, dict):
            raise ControlError("the proxy's answer makes no sense")
        return told
