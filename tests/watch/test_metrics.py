"""What Prometheus is told: in its own format, bounded, documented, and of the present."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sipguard.calls.audit import Auditor
from sipguard.model.verdict import Reason
from sipguard.store import database
from sipguard.store.series_step import Counted
from sipguard.watch.endpoints import Endpoints
from sipguard.watch.http import Request
from sipguard.watch.meter import BOUNDS, OTHERS, GatewayCounts, Meter
from sipguard.watch.metrics import COUNTERS, GAUGES, Exposition
from sipguard.watch.pulse import Beat, Pulse
from sipguard.watch.summary import Summary
from tests.calls.desk import Desk
from tests.policy.world import World, mapping_gateway

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

COUNTED = Counted(
    records=3,
    outcomes=[
        ("answered", 200, None, 2),
        ("answered", 200, "operator", 1),
        ("refused", 403, "section_blocked", 4),
    ],
    gateways=[
        ("routing_gateway", "vendor-1", 3, 0, 1, 0, 65_000),
        ("routing_gateway", "gone", 1, 0, 0, 0, 5_000),
    ],
    durations=[1, 0, 2] + [0] * (len(BOUNDS.duration_ms) - 2),
    duration_ms=20_500,
    pdds=[0, 3] + [0] * (len(BOUNDS.pdd_ms) - 1),
    pdd_ms=600,
    money=[("USD", 1_500_000, 700_000)],
)


class Site:
    """A proxy at a desk, and what is told of it."""

    def __init__(self, world: World, path: Path, gateways_max: int = 500) -> None:
        self.desk = Desk(world)
        self.meter, self.pulse = Meter(gateways_max), Pulse()
        self.store = database.open(path)
        self.summary = Summary(
            self.desk.exchange,
            Auditor(self.desk.exchange),
            self.store,
            self.meter,
            self.pulse,
            epoch=1,
            disks={"database": path.parent, "redo": path.parent / "gone"},
            gateways_max=gateways_max,
            alerts={},
        )
        self.summary.now.follow()
        self.now, self.counts = 100.0, 0
        self.endpoints = Endpoints(
            self.desk.exchange, self.summary, Exposition(), self.count, lambda: self.now
        )

    async def count(self) -> None:
        self.counts += 1

    async def get(self, path: str, **query: str) -> bytes:
        response = await self.endpoints.handle(Request(path, query))
        assert response.status == 200, response.body
        return response.body

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await test()
            await self.store.close()

        asyncio.run(run())


@pytest.fixture
def site(path: Path) -> Site:
    return Site(World(), path)


def value(text: bytes, name: str) -> float:
    (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", text.decode(), re.MULTILINE)
    return float(found)


def test_every_figure_stands_where_it_should(site: Site) -> None:
    async def test() -> None:
        site.meter.take(COUNTED)
        for second in range(12):
            site.pulse.beat(Beat(float(second), 50 * second, 20 * second, 5 * second, 0.002 * (second == 3)))
        site.desk.invite()
        text = await site.get("/metrics")
        assert value(text, 'sipguard_calls{state="attempt"}') == 1
        assert value(text, 'sipguard_call_records_total{outcome="answered"}') == 3
        assert value(text, 'sipguard_refusals_total{reason="section_blocked"}') == 4
        assert value(text, 'sipguard_refusals_total{reason="no_rate"}') == 0, "there before it first happens"
        assert value(text, 'sipguard_cuts_total{reason="operator"}') == 1
        assert value(text, 'sipguard_final_responses_total{status="403"}') == 4
        assert value(text, 'sipguard_call_duration_seconds_bucket{le="1.0"}') == 1
        assert value(text, 'sipguard_call_duration_seconds_bucket{le="6.0"}') == 1
        assert value(text, 'sipguard_call_duration_seconds_bucket{le="15.0"}') == 3
        assert value(text, 'sipguard_call_duration_seconds_bucket{le="+Inf"}') == 3
        assert value(text, "sipguard_call_duration_seconds_sum") == 20.5
        assert value(text, 'sipguard_charges_total{currency="USD"}') == 1.5
        assert value(text, "sipguard_calls_per_second") == 50
        assert value(text, "sipguard_loop_lag_seconds") == 0.002
        assert value(text, "sipguard_attempts_total") == 1
        assert value(text, "sipguard_ready") == 1
        assert value(text, 'sipguard_disk_size_bytes{of="database"}') > 0
        labels = 'gateway="{}",kind="routing_gateway",outcome="{}"'
        assert value(text, f"sipguard_gateway_seizures_total{{{labels.format('vendor-1', 'failed')}}}") in (
            0,
            1,
        )
        assert value(text, f"sipguard_gateway_seizures_total{{{labels.format(OTHERS, 'answered')}}}") == 1

    site.run(test)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say(site: Site) -> None:
    async def test() -> None:
        site.meter.take(COUNTED)
        text = await site.get("/metrics")
        check = ("promtool", "check", "metrics")
        done = await asyncio.to_thread(subprocess.run, check, input=text, capture_output=True)
        # Of its rules of naming only what the metrics of every process break.
        told = [line for line in done.stderr.decode().splitlines() if not line.startswith("process_")]
        assert told == []

    site.run(test)


def test_every_metric_is_documented_and_no_other(site: Site) -> None:
    async def test() -> None:
        site.meter.take(COUNTED)
        text = (await site.get("/metrics")).decode()
        told = set(re.findall(r"^# TYPE (sipguard_\w+) ", text, re.MULTILINE))
        documented = set(re.findall(r"^\| `(sipguard_\w+)", OPERATIONS.read_text(), re.MULTILINE))
        assert told == documented
        assert told >= set(GAUGES) | {f"{name}_total" for name in COUNTERS}

    site.run(test)


def test_the_number_of_series_is_bounded(path: Path) -> None:
    """A thousand gateways, reasons and currencies that nobody has thought of make no thousand series."""
    world = World()
    world.trunks = [
        mapping_gateway(key, sources=(f"198.18.{key // 250}.{key % 250}/32",)) for key in range(1, 501)
    ]
    site = Site(world, path, gateways_max=10)

    async def test() -> None:
        for number in range(1_000):
            site.meter.take(
                COUNTED._replace(
                    outcomes=[
                        ("refused", 403, f"reason-{number}", 1),
                        ("answered", number, f"cut-{number}", 1),
                    ],
                    money=[(f"C{number:03}", 1, 1)],
                    gateways=[("mapping_gateway", f"trunk-{number}", 1, 0, 0, 0, 0)],
                )
            )
        text = (await site.get("/metrics")).decode()
        series = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len(series) < 900
        assert sum("sipguard_gateway_calls{" in line for line in series) <= 10
        total = sum(float(line.split()[-1]) for line in series if "seizures" in line and 'answered"' in line)
        assert total == 1_000, "what is not told apart is not lost"
        assert len([line for line in series if line.startswith("sipguard_refusals_total")]) <= 41

    site.run(test)


def test_a_gateway_that_is_taken_away_does_not_take_its_counts_along() -> None:
    meter = Meter()
    meter.configure([("routing_gateway", "a"), ("routing_gateway", "b")])
    counts = Counted(
        gateways=[("routing_gateway", "a", 1, 0, 0, 0, 9), ("routing_gateway", "b", 2, 0, 0, 0, 9)]
    )
    meter.take(counts)
    meter.configure([("routing_gateway", "b")])
    meter.take(counts)
    assert meter.gateways == {
        ("routing_gateway", OTHERS): GatewayCounts(answered=2, duration_ms=18),
        ("routing_gateway", "b"): GatewayCounts(answered=4, duration_ms=18),
    }


def test_a_scrape_costs_once_a_second_however_many_ask(site: Site) -> None:
    async def test() -> None:
        first = await asyncio.gather(*(site.get("/metrics") for _ in range(5)))
        assert (site.counts, len(set(first))) == (1, 1)
        site.desk.invite()
        site.now += 0.9
        assert value(await site.get("/metrics"), "sipguard_attempts_total") == 0
        site.now += 0.2
        assert value(await site.get("/metrics"), "sipguard_attempts_total") == 1
        assert site.counts == 2

    site.run(test)


def test_a_database_that_hangs_delays_no_answer(site: Site) -> None:
    async def test() -> None:
        never = asyncio.Event()
        counting = 0

        async def hang() -> None:
            nonlocal counting
            counting += 1
            await never.wait()

        site.endpoints._count = hang
        await site.get("/metrics")
        site.now += 2
        await site.get("/metrics")
        assert counting == 1, "and there is only one that waits"
        never.set()

    site.run(test)


def test_it_is_not_ready_while_it_takes_no_calls(site: Site) -> None:
    async def test() -> None:
        site.desk.exchange.draining = True
        response = await site.endpoints.handle(Request("/readyz", {}))
        assert (response.status, response.body) == (503, b'{"ready":false,"reasons":["draining"]}')
        assert (await site.endpoints.handle(Request("/healthz", {}))).status == 200, "it is alive"

    site.run(test)


def test_present_calls_by_pages(path: Path) -> None:
    world = World()
    site = Site(world, path)

    async def test() -> None:
        import json

        for _ in range(7):
            site.desk.invite()
        seen: list[int] = []
        query: dict[str, Any] = {"limit": "3"}
        while True:
            page = json.loads(await site.get("/calls", **query))
            assert page["total"] == 7
            seen += [one["call"] for one in page["calls"]]
            if page["next"] is None:
                break
            query["after"] = str(page["next"])
        assert seen == sorted(set(seen))
        assert len(seen) == 7

    site.run(test)


def test_every_reason_has_a_series(site: Site) -> None:
    assert set(site.meter.refusals) == {reason.value for reason in Reason}
