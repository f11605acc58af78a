"""What is looked at in one round, kind by kind: facts of this moment, as readings with their thresholds.

Everything of which there may be many is looked at in small steps, because calls share the loop; whatever is
of the last minutes comes from the series.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.calls.audit import Auditor
from sipguard.calls.exchange import Exchange
from sipguard.config import Alerts
from sipguard.manage.series import window
from sipguard.model.account import Account
from sipguard.model.alert import Kind, Place, Reading, Subject
from sipguard.model.money import format_micros, parse_micros
from sipguard.policy.alert import Thresholds
from sipguard.store import series_find
from sipguard.store.series import HOUR, MINUTE

SLICE = 200
"""Things that are looked at in one go: a fraction of a millisecond."""

SPIKE_MS = 60_000
FALL_SECONDS = 600
ASR_SECONDS = 900
DAY_SECONDS = 86_400

HISTORY_MINUTES = 10
"""Minutes that have to be known before anything is called more than usual."""

CALM = 0.8
"""Part of a threshold below which an alert is over."""

NOTHING_LEFT = 1
"""micro-unit: what is low where nothing at all is."""


def defaults(config: Alerts) -> dict[Kind, float | None]:
    """The thresholds of accounts that have none of their own, in the unit of the kind; 0 is off."""
    told = {
        Kind.CALL_SPIKE: config.call_spike,
        Kind.BALANCE_FALLING: config.balance_falling,
        Kind.BALANCE_LOW: parse_micros(config.balance_low),
        Kind.SUB_ACCOUNT_GROWTH: config.sub_account_growth,
        Kind.CAPACITY: config.capacity,
        Kind.ASR_COLLAPSE: config.asr_collapse,
    }
    return {kind: value or None for kind, value in told.items()}


class Checks:
    """One round after the other."""

    def __init__(
        self, exchange: Exchange, auditor: Auditor, config: Alerts, disks: Mapping[str, Path]
    ) -> None:
        self._exchange, self._auditor, self._config, self._disks = exchange, auditor, config, dict(disks)
        self._touched: set[str] = set()

    def touched(self, account_ids: Iterable[str]) -> None:
        """The balances of these may have changed since the last round."""
        self._touched.update(account_ids)

    async def readings(
        self, conn: AsyncConnection, thresholds: Thresholds, standing: Collection[Place]
    ) -> list[Reading]:
        """Everything that is looked at, as it is now. `standing`: alerts that are to be looked at anyway."""
        now_ms = self._exchange.clock.now().unix_ms
        found = [
            *await self._spikes(conn, thresholds, now_ms),
            *await self._falling(conn, thresholds, now_ms // 1000),
            *[reading async for reading in self._low(thresholds, standing)],
            *await self._growth(conn, thresholds, now_ms // 1000),
            *[reading async for reading in self._capacity(thresholds)],
            *[reading async for reading in self._down()],
            *await self._asr(conn, thresholds, now_ms // 1000),
            *await asyncio.to_thread(lambda: list(self._disk())),
        ]
        differences = self._auditor.differences
        text = f"{differences} differences between counts, holds, calls and engine: see audit.difference"
        found.append(Reading(Kind.AUDIT_DIFFERENCE, Subject("system", ""), differences, 1, 0, text))
        return found

    def _account(self, account_id: str) -> Account | None:
        return self._exchange.directory.account(account_id)

    def _threshold(self, thresholds: Thresholds, kind: Kind, account: Account) -> float | None:
        return thresholds.of(kind, self._chain(account))

    def _chain(self, account: Account) -> list[int]:
        accounts, chain = self._exchange.directory.accounts, [account.key]
        while (above := accounts[chain[-1]].agent_key) is not None and above not in chain:
            chain.append(above)
        return chain

    async def _spikes(self, conn: AsyncConnection, thresholds: Thresholds, now_ms: int) -> list[Reading]:
        """Attempts of the last minute: those that are over, in this minute or the one before, and those that
        are there and began within it."""
        least = thresholds.least(Kind.CALL_SPIKE)
        if least is None:
            return []
        this = now_ms // 60_000 * MINUTE
        begun = await self._begun(now_ms - SPIKE_MS)
        before = await series_find.busiest(conn, this - MINUTE, this, least / 2)
        running = await series_find.busiest(conn, this, this + MINUTE, 1)
        ids = before.keys() | running.keys() | begun.keys()
        attempts = {id: max(before.get(id, 0), running.get(id, 0) + begun.get(id, 0)) for id in ids}
        found: list[Reading] = []
        for id, count in sorted(attempts.items(), key=lambda item: (-item[1], item[0]))[
            : series_find.FOUND_MOST
        ]:
            account = self._account(id)
            limit = None if account is None else self._threshold(thresholds, Kind.CALL_SPIKE, account)
            if account is None or limit is None or count < CALM * limit:
                continue
            usual = await self._usual(conn, id, this)
            if usual is None:
                continue
            raise_at = max(limit, usual * self._config.call_spike_percent / 100)
            text = (
                f"{count} attempts in a minute, {usual:.0f} is the mean of the hour; from {raise_at:.0f} on"
            )
            found.append(_of(account, Kind.CALL_SPIKE, count, raise_at, CALM * raise_at, text))
        return found

    async def _usual(self, conn: AsyncConnection, account_id: str, this: int) -> float | None:
        """Attempts in a minute, in the mean of the hour before the last two minutes; None: not known yet."""
        oldest = await series_find.oldest_minute(conn)
        known = 60 if oldest is None else min(60, (this - MINUTE - oldest) // MINUTE)
        if oldest is None or known < HISTORY_MINUTES:
            return None
        point = await window(conn, "agent", account_id, this - MINUTE - known * MINUTE, this - MINUTE)
        return point.attempts / known

    async def _begun(self, since_ms: int) -> dict[str, int]:
        """Present calls that began since then, by account of every level."""
        current, found = self._exchange.current, dict[str, int]()
        for number, call_id in enumerate(reversed(current.ids()), 1):
            call = current.find(call_id)
            if call is not None:
                if call.invited.unix_ms < since_ms:
                    break
                for level in call.permit.levels:
                    found[level.account.id] = found.get(level.account.id, 0) + 1
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return found

    async def _falling(self, conn: AsyncConnection, thresholds: Thresholds, now: int) -> list[Reading]:
        """What was spent, and is held, of what there was."""
        if thresholds.least(Kind.BALANCE_FALLING) is None:
            return []
        least = max(1, parse_micros(self._config.balance_falling_least))
        till = now - now % MINUTE + MINUTE
        funds, found = self._exchange.funds, list[Reading]()
        for id, spent in (await series_find.spenders(conn, till - FALL_SECONDS, till, least)).items():
            account = self._account(id)
            limit = None if account is None else self._threshold(thresholds, Kind.BALANCE_FALLING, account)
            if account is None or limit is None:
                continue
            left = max(0, funds.available(account.balance_ledger, account.credit_limit_micros))
            gone = spent + funds.held(account.balance_ledger)
            percent = 100 * gone / (gone + left)
            text = (
                f"{format_micros(gone)} {account.currency} gone within {FALL_SECONDS // 60} minutes,"
                f" {percent:.0f}% of what there was; {format_micros(left)} left; from {limit:.0f}% on"
            )
            found.append(_of(account, Kind.BALANCE_FALLING, percent, limit, CALM * limit, text))
        return found

    async def _low(self, thresholds: Thresholds, standing: Collection[Place]) -> AsyncIterator[Reading]:
        """Of accounts that have called or were paid, and of those that it is known of already."""
        ids, self._touched = self._touched, set()
        ids |= {subject.id for kind, subject in standing if kind is Kind.BALANCE_LOW}
        if thresholds.least(Kind.BALANCE_LOW) is None:
            return
        for number, id in enumerate(sorted(ids), 1):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            account = self._account(id)
            limit = None if account is None else self._threshold(thresholds, Kind.BALANCE_LOW, account)
            if account is None or limit is None:
                continue
            left = self._exchange.funds.available(account.balance_ledger, account.credit_limit_micros)
            low = format_micros(int(limit))
            text = f"{format_micros(left)} {account.currency} left for calls; from {low} down"
            clear_at = max(limit * 1.1, limit + NOTHING_LEFT)
            yield _of(account, Kind.BALANCE_LOW, left, limit, clear_at, text, falls=True)

    async def _growth(self, conn: AsyncConnection, thresholds: Thresholds, now: int) -> list[Reading]:
        found: list[Reading] = []
        if thresholds.least(Kind.SUB_ACCOUNT_GROWTH) is None:
            return found
        for id, grown in (await series_find.growth(conn, now - DAY_SECONDS)).items():
            account = self._account(id)
            limit = None if account is None else self._threshold(thresholds, Kind.SUB_ACCOUNT_GROWTH, account)
            if account is not None and limit is not None:
                text = f"{grown} new accounts below it within a day; from {limit:.0f} on"
                found.append(_of(account, Kind.SUB_ACCOUNT_GROWTH, grown, limit, CALM * limit, text))
        return found

    async def _capacity(self, thresholds: Thresholds) -> AsyncIterator[Reading]:
        """Of everything that has calls now and a limit of them."""
        directory, current = self._exchange.directory, self._exchange.current
        percent = float(self._config.capacity)
        looked_at = 0
        for kind, keys in current.keys().items():
            for key in keys:
                looked_at += 1
                if looked_at % SLICE == 0:
                    await asyncio.sleep(0)
                if kind == "account":
                    account = directory.accounts.get(key)
                    limit = None if account is None else self._threshold(thresholds, Kind.CAPACITY, account)
                    if account is not None and account.call_limit and limit is not None:
                        told = _full(current.account(key), account.call_limit, limit)
                        yield _of(account, Kind.CAPACITY, *told)
                    continue
                gateways = (
                    directory.mapping_gateways if kind == "mapping_gateway" else directory.routing_gateways
                )
                gateway = gateways.get(key) if key > 0 else None
                if gateway is None or not gateway.capacity or not percent:
                    continue
                calls = getattr(current, kind)(key)
                owner = getattr(gateway, "account_key", None)
                told = _full(calls, gateway.capacity, percent)
                yield Reading(Kind.CAPACITY, Subject(kind, gateway.id), *told, account_key=owner)

    async def _down(self) -> AsyncIterator[Reading]:
        gateways = self._exchange.gateways
        now_ns = self._exchange.clock.now().monotonic_ns
        for number, gateway in enumerate(tuple(self._exchange.directory.routing_gateways.values()), 1):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            if gateway.locked or gateways.usable(gateway.key, now_ns):
                continue
            outage = gateways.health.out.get(gateway.key)
            why = "it has no address" if outage is None else outage.why
            subject = Subject("routing_gateway", gateway.id)
            yield Reading(Kind.GATEWAY_DOWN, subject, 1, 1, 0, f"out of service: {why}")

    async def _asr(self, conn: AsyncConnection, thresholds: Thresholds, now: int) -> list[Reading]:
        """A quarter of an hour beside the day before it."""
        found: list[Reading] = []
        if not self._config.asr_collapse and thresholds.least(Kind.ASR_COLLAPSE) is None:
            return found
        till = now - now % MINUTE + MINUTE
        least = self._config.asr_collapse_calls
        for told in await series_find.answers(conn, till - ASR_SECONDS, till, least):
            subject, owner, limit = Subject("system", ""), None, float(self._config.asr_collapse)
            if told.scope == "agent":
                account = self._account(told.key)
                of = None if account is None else self._threshold(thresholds, Kind.ASR_COLLAPSE, account)
                if account is None or of is None:
                    continue
                subject, owner, limit = Subject("account", account.id), account.key, of
            elif told.scope == "routing_gateway":
                subject = Subject("routing_gateway", told.key)
            hour = (now - ASR_SECONDS) // HOUR * HOUR
            day = await window(conn, told.scope, told.key, hour - DAY_SECONDS, hour)
            if not limit or not day.asr or day.answered < least:
                continue
            asr = told.answered / told.seizures
            percent = 100 * asr / day.asr
            text = (
                f"ASR {asr:.1%} of {told.seizures} calls in {ASR_SECONDS // 60} minutes, {day.asr:.1%} in the"
                f" day before: {percent:.0f}% of it; from {limit:.0f}% down"
            )
            clear_at = limit / CALM
            found.append(
                Reading(
                    Kind.ASR_COLLAPSE, subject, percent, limit, clear_at, text, falls=True, account_key=owner
                )
            )
        return found

    def _disk(self) -> Iterable[Reading]:
        """On a thread: a file system may hang."""
        limit = self._config.disk_filling
        for of, directory in self._disks.items() if limit else ():
            try:
                usage = shutil.disk_usage(directory)
            except OSError:
                continue
            percent = 100 * (1 - usage.free / usage.total)
            text = f"{percent:.0f}% of the disk of the {of} is used, {usage.free // 2**20:,} MiB are free"
            yield Reading(Kind.DISK_FILLING, Subject("disk", of), percent, limit, limit - 5, text)


def _of(
    account: Account,
    kind: Kind,
    value: float,
    raise_at: float,
    clear_at: float,
    text: str,
    *,
    falls: bool = False,
) -> Reading:
    subject = Subject("account", account.id)
    return Reading(kind, subject, value, raise_at, clear_at, text, falls=falls, account_key=account.key)


def _full(calls: int, limit: int, percent: float) -> tuple[float, float, float, str]:
    used = 100 * calls / limit
    return used, percent, percent - 10, f"{calls} of {limit} concurrent calls; alarming is {percent:.0f}%"
