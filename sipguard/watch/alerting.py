"""Rounds of looking, and what follows: alerts written down, logged, and handed to the webhooks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.calls.exchange import Exchange
from sipguard.config import Alerts
from sipguard.model.alert import Alert, Kind, Reading
from sipguard.policy.alert import Changes, Hysteresis, Thresholds
from sipguard.policy.directory import Directory
from sipguard.store import alert, alert_delivery, known_gateway
from sipguard.store.database import Database
from sipguard.watch import gateway_change
from sipguard.watch.checks import Checks, defaults
from sipguard.watch.gateway_change import Contents

log = structlog.get_logger()

WRITTEN_AT_ONCE = 100
"""Alerts in one transaction: calls are recorded by others, who wait for it."""

FORGET_ROUNDS = 240
"""Rounds from one time to the next that old alerts are forgotten."""


def event(what: str, told: Alert) -> str:
    """A message for webhooks; `what`: "alert.raised", "alert.cleared", "alert.test"."""
    at_ms = told.raised_ms if told.cleared_ms is None else told.cleared_ms
    return msgspec.json.encode({"type": what, "timestamp_ms": at_ms, "data": told}).decode()


class Alerting:
    """One per proxy."""

    def __init__(
        self,
        exchange: Exchange,
        store: Database,
        checks: Checks,
        config: Alerts,
        on_written: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_written`: there is something for the webhooks."""
        self._exchange, self._store, self._checks, self._config = exchange, store, checks, config
        self._on_written = on_written
        self._defaults = defaults(config)
        self._hysteresis: Hysteresis | None = None
        self._directory: Directory | None = None
        self._rounds = 0
        self.counts: Counter[str] = Counter()
        """Alerts that stand, by kind; of the last round."""

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(self._config.every_seconds)
            try:
                await self.turn()
            except (
                Exception
            ) as error:  # a busy or failing store is the writer's to report; the next round is soon
                log.warning("alert.round_failed", error=repr(error))

    async def turn(self) -> None:
        """One round. What cannot be written down is found again by the next."""
        now_ms = self._exchange.clock.now().unix_ms
        async with self._store.reading() as conn:
            if self._hysteresis is None:
                self._hysteresis = Hysteresis(await _standing(conn))
            thresholds = Thresholds(self._defaults, await alert.thresholds(conn))
            readings = await self._checks.readings(conn, thresholds, self._hysteresis.standing)
            directory, gateways, events = await self._gateways(conn)
        found = self._hysteresis.judge(readings)
        # What is beyond is found again by the next round.
        changes = Changes(found.raised[:WRITTEN_AT_ONCE], found.cleared[:WRITTEN_AT_ONCE])
        if changes.raised or changes.cleared or self._rounds % FORGET_ROUNDS == 0:
            await self._write(changes, {}, now_ms)
        self._hysteresis.accept(changes)
        await self._write_gateways(events, gateways, now_ms)
        self._directory, self._rounds = directory, self._rounds + 1
        async with self._store.reading() as conn:
            counts = await alert.counts(conn)
        self.counts.clear()
        self.counts.update(counts)

    async def _gateways(
        self, conn: AsyncConnection
    ) -> tuple[Directory, dict[tuple[str, str], str | None], list[Reading]]:
        """What has become of gateways since the last round, or the last run. Nothing in the very first."""
        directory = self._exchange.directory
        if directory is self._directory:
            return directory, {}, []
        before = await known_gateway.known(conn)
        now: Contents = await asyncio.to_thread(gateway_change.contents, directory)
        changed = {
            place: now.get(place)
            for place in sorted(before.keys() | now.keys())  # told in an order that is always the same
            if before.get(place) != now.get(place)
        }
        owners = {one.id: one.account_key for one in directory.mapping_gateways.values()}
        events = list(gateway_change.differences(before, now, owners)) if before or self._rounds else []
        return directory, changed, events

    async def _write_gateways(
        self, events: Iterable[Reading], gateways: dict[tuple[str, str], str | None], now_ms: int
    ) -> None:
        """What has changed, and what it is now: both, some gateways at a time. The first look whole, or else
        what is left of it would be told as new by the next."""
        told = {(event.subject.scope, event.subject.id): event for event in events}
        places = list(gateways)
        step = WRITTEN_AT_ONCE if told else max(1, len(places))
        for first in range(0, len(places), step):
            some = places[first : first + step]
            raised = [told[place] for place in some if place in told]
            await self._write(Changes(raised, ()), {place: gateways[place] for place in some}, now_ms)

    async def _write(
        self, changes: Changes, gateways: dict[tuple[str, str], str | None], now_ms: int
    ) -> None:
        async with self._store.writing() as conn:
            raised = [await alert.raise_(conn, reading, now_ms) for reading in changes.raised]
            cleared = [await alert.clear(conn, place, now_ms) for place in changes.cleared]
            told = [("alert.raised", one) for one in raised]
            told += [("alert.cleared", one) for one in cleared if one is not None]
            for what, one in told:
                for url in self._urls(one.kind):
                    await alert_delivery.add(conn, url, event(what, one), now_ms)
            await known_gateway.keep(conn, gateways)
            if self._rounds % FORGET_ROUNDS == 0:
                await alert.forget(conn)
        for what, one in told:
            _log(what, one)
        if told:
            self._on_written()

    def _urls(self, kind: str) -> tuple[str, ...]:
        webhook = self._config.webhook
        return webhook.urls if not webhook.kinds or kind in webhook.kinds else ()


async def _standing(conn: AsyncConnection) -> list[Any]:
    """Of an earlier run, but for those that only people clear."""
    places = []
    for one in await alert.standing(conn):
        with suppress(ValueError):
            if (place := alert.place_of(one))[0] is not Kind.GATEWAY_CHANGED:
                places.append(place)
    return places


def _log(what: str, one: Alert) -> None:
    tell = log.info if what == "alert.cleared" else log.error if one.severity == "critical" else log.warning
    tell(what, alert=one.key, kind=one.kind, scope=one.scope, subject=one.subject, text=one.text)
