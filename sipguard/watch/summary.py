"""/stats: what an operator asks first, as JSON; and the copy of everything for /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

import sipguard
from sipguard.calls.audit import Auditor
from sipguard.calls.exchange import Exchange
from sipguard.manage import series
from sipguard.manage.series import Point
from sipguard.model.alert import Kind
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.store.database import Database
from sipguard.store.series import Scope
from sipguard.watch.meter import Meter
from sipguard.watch.metrics import GatewayNow, Snapshot
from sipguard.watch.pulse import Pulse

SLICE = 200
"""Gateways that are looked at in one go: less than a millisecond."""

WINDOWS = {"5m": 300, "1h": 3600, "24h": 86_400}
"""Last minutes that figures are told of, in seconds."""

MAPPING, ROUTING = "mapping_gateway", "routing_gateway"


class Summary:
    """What is asked of one proxy. On the loop."""

    def __init__(
        self,
        exchange: Exchange,
        auditor: Auditor,
        store: Database,
        meter: Meter,
        pulse: Pulse,
        *,
        epoch: int,
        disks: Mapping[str, Path],
        gateways_max: int,
        alerts: Mapping[str, int],
    ) -> None:
        """`alerts`: how many are raised, by kind, as it changes."""
        self._exchange, self._auditor, self._store = exchange, auditor, store
        self._meter, self._pulse = meter, pulse
        self._epoch, self._disks, self._gateways_max = epoch, dict(disks), gateways_max
        self._began_ms = exchange.clock.now().unix_ms
        self._known: object = None
        self._trunks: list[tuple[str, MappingGateway | RoutingGateway]] = []
        self._alerts = alerts
        self.server_refused: Callable[[], int] = lambda: 0
        """Connections and requests that the listener had too many of."""

    def not_ready(self) -> list[str]:
        """Why no new calls are taken; empty: they are."""
        reasons = ["draining"] if self._exchange.draining else []
        if (trouble := self._exchange.writer.refusal()) is not None:
            reasons.append(trouble)
        return reasons

    def follow(self) -> None:
        """Have the meter know the gateways of the present directory. Costs nothing while that stays."""
        directory = self._exchange.directory
        if directory is not self._known:
            self._known = directory
            trunks: list[tuple[str, MappingGateway | RoutingGateway]] = [
                (ROUTING, one) for one in directory.routing_gateways.values()
            ]
            # Phones are mapping gateways, too, by negative keys (policy.phone); there may be any number.
            trunks += [(MAPPING, one) for key, one in directory.mapping_gateways.items() if key > 0]
            self._trunks = sorted(trunks, key=lambda trunk: (trunk[0], trunk[1].id))
            self._meter.configure((kind, one.id) for kind, one in trunks)

    async def snapshot(self) -> Snapshot:
        """Everything that Prometheus is told, of this moment; gateways in small steps."""
        self.follow()
        gateways = tuple(await self._gateways_now(self._gateways_max))
        exchange, meter, engine = self._exchange, self._meter, self._exchange.engine.stats()
        counts, live, present = exchange.writer.counts, exchange.current.answered, len(exchange.current)
        audit, tally, logged = self._auditor.state(), exchange.tally, exchange.logged
        return Snapshot(
            gauges={
                "sipguard_calls_per_second": self._pulse.per_second(10)[0],
                "sipguard_holds": exchange.funds.sums().holds,
                "sipguard_accounts": len(exchange.directory.accounts),
                "sipguard_directory_revision": exchange.directory.revision,
                "sipguard_contacts": len(exchange.locations),
                "sipguard_ready": not self.not_ready(),
                "sipguard_draining": exchange.draining,
                "sipguard_store_healthy": exchange.writer.refusal() is None,
                "sipguard_store_backlog_records": exchange.writer.backlog,
                "sipguard_loop_lag_seconds": self._pulse.lag_seconds,
                "sipguard_audit_differences": audit["differences"],
                "sipguard_engine_transactions": engine.transactions,
                "sipguard_engine_calls": engine.calls,
                "sipguard_engine_streams": engine.streams,
                "sipguard_start_time_seconds": self._began_ms / 1000,
            },
            counters={
                "sipguard_attempts": tally.attempts,
                "sipguard_failovers": tally.failovers,
                "sipguard_lost_calls": tally.lost,
                "sipguard_audit_rounds": audit["rounds"],
                "sipguard_store_batches": counts.batches,
                "sipguard_store_records": counts.records,
                "sipguard_store_duplicates": counts.duplicates,
                "sipguard_store_rejected": counts.rejected,
                "sipguard_store_failures": counts.failures,
                "sipguard_redo_failures": counts.redo_failures,
                "sipguard_engine_received": engine.received,
                "sipguard_engine_sent": engine.sent,
                "sipguard_engine_malformed": engine.malformed,
                "sipguard_engine_refused": engine.refused,
                "sipguard_engine_dropped": engine.dropped,
                "sipguard_stats_refused": self.server_refused(),
            },
            calls={"live": live, "attempt": present - live},
            outcomes=dict(meter.outcomes),
            refusals=dict(meter.refusals),
            cuts=dict(meter.cuts),
            statuses=dict(meter.statuses),
            durations=tuple(meter.durations),
            duration_ms=meter.duration_ms,
            pdds=tuple(meter.pdds),
            pdd_ms=meter.pdd_ms,
            charges=dict(meter.charges),
            costs=dict(meter.costs),
            logins={
                "challenged": logged.challenged,
                "accepted": logged.accepted,
                "wrong": logged.wrong,
                "stale": logged.stale,
                "replayed": logged.replayed,
            },
            notices=dict(exchange.notices.counts),
            alerts={kind.value: self._alerts.get(kind.value, 0) for kind in Kind},
            gateways=gateways,
            gateway_counts=dict(meter.gateways),
            disks=self._disks,
        )

    async def stats(self, account_id: str | None = None) -> dict[str, object] | None:
        """What /stats says; with the figures of one account where it is named. None: there is no such one."""
        exchange = self._exchange
        account = None if account_id is None else exchange.directory.account(account_id)
        if account_id is not None and account is None:
            return None
        self.follow()
        now_ms = exchange.clock.now().unix_ms
        gateways = await self._gateways_now(None)
        told, recent = await self._windows("all", "", now_ms // 1000)
        attempts, answers, refusals = self._pulse.per_second(10)
        present, live = len(exchange.current), exchange.current.answered
        why = {str(one["id"]): one["why"] for one in exchange.gateways.report()}
        answer: dict[str, object] = {
            "at_ms": now_ms,
            "up_since_ms": self._began_ms,
            "version": sipguard.__version__,
            "epoch": self._epoch,
            "ready": not self.not_ready(),
            "calls": {"live": live, "attempts": present - live},
            "per_second": {"attempts": attempts, "answered": answers, "refused": refusals},
            "last": told,
            "since_start": {
                "attempts": exchange.tally.attempts,
                "outcomes": dict(self._meter.outcomes),
                "refusals": {reason: calls for reason, calls in self._meter.refusals.items() if calls},
                "statuses": {str(status): calls for status, calls in sorted(self._meter.statuses.items())},
            },
            "gateways": [
                {
                    "id": one.id,
                    "kind": one.kind,
                    "calls": one.calls,
                    "capacity": one.capacity,
                    "up": one.up,
                    "why": why.get(one.id) if one.kind == ROUTING else None,
                    "5m": msgspec.to_builtins(recent.get((one.kind, one.id))),
                }
                for one in gateways
            ],
            "alerts": {kind.value: self._alerts.get(kind.value, 0) for kind in Kind},
        }
        if account is not None:
            funds, ledger = exchange.funds, account.balance_ledger
            figures, _ = await self._windows("agent", account.id, now_ms // 1000)
            answer["account"] = {
                "id": account.id,
                "calls": exchange.current.account(account.key),
                "call_limit": account.call_limit,
                "locked": account.locked,
                "currency": account.currency,
                "balance_micros": funds.balance(ledger),
                "held_micros": funds.held(ledger),
                "available_micros": funds.available(ledger, account.credit_limit_micros),
                "last": figures,
            }
        return answer

    async def _windows(
        self, scope: str, key: str, now: int
    ) -> tuple[dict[str, Any], dict[tuple[str, str], Point]]:
        """Figures until now; for everything also those of each gateway, over five minutes."""
        till = now + 60
        async with self._store.reading() as conn:
            told = {
                name: msgspec.to_builtins(await series.window(conn, scope, key, till - seconds, till))
                for name, seconds in WINDOWS.items()
            }
            recent: dict[tuple[str, str], Point] = {}
            for kind in (Scope.MAPPING_GATEWAY, Scope.ROUTING_GATEWAY) if scope == "all" else ():
                points = await series.windows(conn, kind, till - WINDOWS["5m"], till)
                recent.update({(kind.value, id): point for id, point in points.items()})
        return told, recent

    async def _gateways_now(self, limit: int | None) -> list[GatewayNow]:
        exchange = self._exchange
        counts, now_ns = exchange.current, exchange.clock.now().monotonic_ns
        found: list[GatewayNow] = []
        for kind, one in self._trunks[:limit]:
            if kind == MAPPING:
                calls, up = counts.mapping_gateway(one.key), not one.locked
            else:
                calls = counts.routing_gateway(one.key)
                up = not one.locked and exchange.gateways.usable(one.key, now_ns)
            found.append(GatewayNow(kind, one.id, calls, one.capacity, up))
            if len(found) % SLICE == 0:
                await asyncio.sleep(0)
        return found
