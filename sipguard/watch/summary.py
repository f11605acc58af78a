"""/stats: what an operator asks first, as JSON; and the copy of everything for /metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sipguard.calls.audit import Auditor
from sipguard.calls.exchange import Exchange
from sipguard.manage import stats
from sipguard.manage.stats import Windows
from sipguard.store.database import Database
from sipguard.watch.meter import Meter
from sipguard.watch.metrics import Snapshot
from sipguard.watch.now import Now
from sipguard.watch.pulse import Pulse

FRESH_SECONDS = 1.0
"""Sums of minutes and hours that are no older, and nothing counted since, are told again."""


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
        self._exchange, self._auditor = exchange, auditor
        self._meter, self._pulse = meter, pulse
        self._disks, self._gateways_max = dict(disks), gateways_max
        self.now = Now(exchange, meter, pulse, epoch=epoch, alerts=alerts)
        self.windows = Windows(store, FRESH_SECONDS)
        self.server_refused: Callable[[], int] = lambda: 0
        """Connections and requests that the listener had too many of."""

    async def snapshot(self) -> Snapshot:
        """Everything that Prometheus is told, of this moment; gateways in small steps."""
        gateways = tuple(await self.now.gateways(self._gateways_max))
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
                "sipguard_ready": not self.now.not_ready(),
                "sipguard_draining": exchange.draining,
                "sipguard_store_healthy": exchange.writer.refusal() is None,
                "sipguard_store_backlog_records": exchange.writer.backlog,
                "sipguard_loop_lag_seconds": self._pulse.lag_seconds,
                "sipguard_audit_differences": audit["differences"],
                "sipguard_engine_transactions": engine.transactions,
                "sipguard_engine_calls": engine.calls,
                "sipguard_engine_streams": engine.streams,
                "sipguard_start_time_seconds": self.now.began_ms / 1000,
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
            alerts=self.now.alerts(),
            gateways=gateways,
            gateway_counts=dict(meter.gateways),
            disks=self._disks,
        )

    async def stats(self, account_id: str | None = None) -> stats.Told | None:
        """What /stats says; with the figures of one account where it is named. None: there is no such one."""
        if account_id is not None and self._exchange.directory.account(account_id) is None:
            return None
        told = await self.now.told(None, () if account_id is None else (account_id,))
        found = await stats.everything(told, self.windows)
        if account_id is not None:
            found["account"] = (await stats.one_account(told, account_id, self.windows))["account"]
        return found
