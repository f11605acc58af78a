"""/metrics: everything that Prometheus is told, in one list; docs/operations.md documents it.

What is told is copied on the loop in small steps (`Snapshot`) and printed by a thread, so that a scrape never
delays a call. No label has an account, a number or anything else that callers choose.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

import sipguard
from sipguard.watch.meter import BOUNDS, GatewayCounts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class GatewayNow:
    """A gateway at this moment."""

    kind: str
    """"mapping_gateway" or "routing_gateway"."""
    id: str
    calls: int
    capacity: int | None
    up: bool
    """In service, and not locked."""
    why: str | None = None
    """Why it is out of service, for people."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is told, of one moment."""

    gauges: Mapping[str, float]
    """By name, without labels."""
    counters: Mapping[str, float]
    """By name without _total, without labels."""
    calls: Mapping[str, int]
    """By state."""
    outcomes: Mapping[str, int]
    refusals: Mapping[str, int]
    cuts: Mapping[str, int]
    statuses: Mapping[int, int]
    durations: tuple[int, ...]
    duration_ms: int
    pdds: tuple[int, ...]
    pdd_ms: int
    charges: Mapping[str, int]
    costs: Mapping[str, int]
    logins: Mapping[str, int]
    notices: Mapping[str, int]
    alerts: Mapping[str, int] = field(default_factory=dict)
    gateways: tuple[GatewayNow, ...] = ()
    gateway_counts: Mapping[tuple[str, str], GatewayCounts] = field(default_factory=dict)
    disks: Mapping[str, Path] = field(default_factory=dict)
    """Directories that are written to, by what for."""


GAUGES = {
    "sipguard_calls_per_second": "Call attempts per second, over the last ten seconds",
    "sipguard_holds": "Pairs of call and ledger account with money held",
    "sipguard_accounts": "Accounts that are configured",
    "sipguard_directory_revision": "Revision of the configuration that calls are judged by",
    "sipguard_contacts": "Contacts that phones have registered",
    "sipguard_ready": "1 while new calls are taken",
    "sipguard_draining": "1 while the daemon is being stopped",
    "sipguard_store_healthy": "1 while records of new calls can be kept",
    "sipguard_store_backlog_records": "Records that are durable and not yet in the database",
    "sipguard_loop_lag_seconds": "Longest delay of the event loop in the last minute",
    "sipguard_audit_differences": "Differences between counts, holds, calls and engine of the last audit",
    "sipguard_engine_transactions": "SIP transactions that the engine knows",
    "sipguard_engine_calls": "Calls that the engine knows",
    "sipguard_engine_streams": "Connections over TCP and TLS",
    "sipguard_start_time_seconds": "Unix time at which the daemon was ready",
}
COUNTERS = {
    "sipguard_attempts": "INVITEs that were judged",
    "sipguard_failovers": "Calls that went on to another gateway or address",
    "sipguard_lost_calls": "Calls whose ends had gone without a BYE",
    "sipguard_audit_rounds": "Rounds of the auditor",
    "sipguard_store_batches": "Groups of records that became durable",
    "sipguard_store_records": "Records that are in the database",
    "sipguard_store_duplicates": "Records that were there already",
    "sipguard_store_rejected": "Records that can never be written and were set aside",
    "sipguard_store_failures": "Commits that the database refused",
    "sipguard_redo_failures": "Groups that the disk of the redo log refused",
    "sipguard_engine_received": "SIP messages received",
    "sipguard_engine_sent": "SIP messages sent",
    "sipguard_engine_malformed": "Messages that could not be read",
    "sipguard_engine_refused": "Requests that the engine refused by itself, without a call record",
    "sipguard_engine_dropped": "Messages that were dropped",
    "sipguard_stats_refused": "Connections and requests to this listener that were one too many",
}


class Exposition:
    """Prints snapshots. To be used by one thread at a time."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self._now: Snapshot | None = None
        self._registry = CollectorRegistry()
        self._registry.register(_Told(self))
        ProcessCollector(registry=self._registry)

    def render(self, snapshot: Snapshot) -> bytes:
        """The text exposition format of Prometheus, version 0.0.4."""
        self._now = snapshot
        return generate_latest(self._registry)


class _Told(Collector):
    def __init__(self, exposition: Exposition) -> None:
        self._exposition = exposition

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        told = self._exposition._now
        if told is None:
            return
        info = GaugeMetricFamily(
            "sipguard_build_info", "Version of the program; always 1", labels=["version"]
        )
        info.add_metric([sipguard.__version__], 1)
        yield info
        for name, what in GAUGES.items():
            yield GaugeMetricFamily(name, what, value=told.gauges[name])
        for name, what in COUNTERS.items():
            yield CounterMetricFamily(name, what, value=told.counters[name])
        yield _gauge("sipguard_calls", "Calls that are there now", "state", told.calls)
        yield _counter(
            "sipguard_call_records", "Call records, by how the attempt went", "outcome", told.outcomes
        )
        yield _counter("sipguard_refusals", "Attempts that sipguard refused", "reason", told.refusals)
        yield _counter("sipguard_cuts", "Answered calls that sipguard ended", "reason", told.cuts)
        yield _counter(
            "sipguard_final_responses",
            "Final responses to callers, by SIP status",
            "status",
            {str(status): calls for status, calls in told.statuses.items()},
        )
        yield _histogram(
            "sipguard_call_duration_seconds",
            "Length of answered calls",
            BOUNDS.duration_ms,
            told.durations,
            told.duration_ms,
        )
        yield _histogram(
            "sipguard_post_dial_delay_seconds",
            "From INVITE to ringing, or to the answer",
            BOUNDS.pdd_ms,
            told.pdds,
            told.pdd_ms,
        )
        yield _counter(
            "sipguard_charges",
            "What the top-level accounts paid, tax included, in units of the currency",
            "currency",
            {currency: micros / _MICROS for currency, micros in told.charges.items()},
        )
        yield _counter(
            "sipguard_costs",
            "What vendors charge, in units of the currency",
            "currency",
            {currency: micros / _MICROS for currency, micros in told.costs.items()},
        )
        yield _counter("sipguard_logins", "What came of credentials in SIP requests", "result", told.logins)
        yield _counter("sipguard_notices", "What operators were told of", "name", told.notices)
        yield _gauge("sipguard_alerts", "Alerts that are raised now", "kind", told.alerts)
        yield from _gateways(told)
        yield from _disks(told.disks)


def _gauge(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(name: str, what: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _histogram(
    name: str, what: str, bounds_ms: tuple[int, ...], counts: tuple[int, ...], sum_ms: int
) -> Metric:
    family = HistogramMetricFamily(name, what)
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*bounds_ms, None), counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound is None else str(bound / 1000), total))
    family.add_metric([], buckets, sum_ms / 1000)
    return family


def _gateways(told: Snapshot) -> Iterator[Metric]:
    labels = ["kind", "gateway"]
    calls = GaugeMetricFamily("sipguard_gateway_calls", "Calls of a gateway now", labels=labels)
    capacity = GaugeMetricFamily(
        "sipguard_gateway_capacity", "Calls that a gateway takes at once; absent: no limit", labels=labels
    )
    up = GaugeMetricFamily(
        "sipguard_gateway_up", "1 while a gateway is in service and not locked", labels=labels
    )
    for gateway in told.gateways:
        named = [gateway.kind, gateway.id]
        calls.add_metric(named, gateway.calls)
        up.add_metric(named, gateway.up)
        if gateway.capacity is not None:
            capacity.add_metric(named, gateway.capacity)
    tries = CounterMetricFamily(
        "sipguard_gateway_seizures",
        "Attempts that a mapping gateway brought, tries that a routing gateway was asked for",
        labels=[*labels, "outcome"],
    )
    seconds = CounterMetricFamily(
        "sipguard_gateway_call_seconds", "Length of the answered calls of a gateway", labels=labels
    )
    for (kind, id), counts in told.gateway_counts.items():
        for outcome in ("answered", "refused", "failed", "cancelled"):
            tries.add_metric([kind, id, outcome], getattr(counts, outcome))
        seconds.add_metric([kind, id], counts.duration_ms / 1000)
    yield from (calls, capacity, up, tries, seconds)


def _disks(disks: Mapping[str, Path]) -> Iterator[Metric]:
    size = GaugeMetricFamily("sipguard_disk_size_bytes", "Size of the file system", labels=["of"])
    free = GaugeMetricFamily(
        "sipguard_disk_free_bytes", "Room that the daemon may still use there", labels=["of"]
    )
    for of, directory in disks.items():
        try:
            usage = shutil.disk_usage(os.fspath(directory))
        except OSError:
            continue
        size.add_metric([of], usage.total)
        free.add_metric([of], usage.free)
    yield from (size, free)
