"""The figures that only the proxy has: right, bounded, put together in steps between which calls go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from sipguard.calls import report
from sipguard.watch.meter import Meter
from sipguard.watch.now import STEP, Now
from sipguard.watch.pulse import Pulse
from tests.calls.desk import Desk
from tests.policy.world import World, mapping_gateway, routing_gateway

MANY = 1_000


def now_of(desk: Desk) -> Now:
    return Now(desk.exchange, Meter(), Pulse(), epoch=1, alerts={"gateway_down": 1})


async def turns_of(work: Awaitable[Any]) -> tuple[Any, int]:
    """What comes of it, and how often the loop could turn to something else meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    found = await work
    counting.cancel()
    return found, turns


def test_a_network_of_a_thousand_gateways_holds_no_call_up() -> None:
    trunks = [
        mapping_gateway(key, sources=(f"198.51.{key // 250}.{key % 250}/32",)) for key in range(1, MANY)
    ]
    now = now_of(Desk(World(trunks=trunks)))
    told, turns = asyncio.run(turns_of(now.told(None)))
    assert len(told["gateways"]) == MANY
    assert turns >= MANY / STEP - 1
    told, turns = asyncio.run(turns_of(now.told(50)))
    assert (len(told["gateways"]), told["gateways_total"]) == (50, MANY)
    assert turns >= MANY / STEP - 1
    assert len(msgspec.json.encode(told)) < 20_000, "what screens are told each second does not grow"


def test_those_gateways_come_first_that_somebody_should_look_at() -> None:
    gateways = [
        routing_gateway(1, capacity=10),
        routing_gateway(2, locked=True),
        routing_gateway(3, capacity=1_000),
    ]
    desk = Desk(
        World(
            gateways=gateways,
            trunks=[mapping_gateway(1, id="quiet"), mapping_gateway(2, id="last", sources=())],
        )
    )
    desk.invite()
    found = asyncio.run(now_of(desk).busiest(4))
    assert [one.id for one in found] == ["vendor-2", "vendor-1", "quiet", "last"]
    assert [one.up for one in found] == [False, True, True, True]
    assert found[1].calls == 1


def test_accounts_are_told_of_by_name_and_strangers_left_out() -> None:
    desk = Desk(World())
    desk.invite()
    told: dict[str, Any] = asyncio.run(now_of(desk).told(0, ("acme", "nobody", "root")))
    assert sorted(told["accounts"]) == ["acme", "root"]
    assert [told["accounts"][id]["calls"] for id in ("acme", "root")] == [1, 1]
    assert told["accounts"]["acme"]["held_micros"] > 0
    assert told["gateways"] == []
    assert told["alerts"]["gateway_down"] == 1


def test_why_a_gateway_is_out_is_told() -> None:
    desk = Desk(World(gateways=[replace(routing_gateway(), host="vendor.example")]))
    (gateway,) = asyncio.run(now_of(desk).told(1))["gateways"]  # type: ignore[misc]
    assert gateway["up"] is False
    assert gateway["why"]


@pytest.mark.parametrize(("after", "limit"), [(0, 10), (7_000, 50), (19_990, 100), (0, 30_000)])
def test_the_oldest_calls_are_found_in_steps(after: int, limit: int) -> None:
    calls = [(number * 7_919) % 20_011 for number in range(1, 20_000)]  # in no order
    found, turns = asyncio.run(turns_of(report.oldest(calls, after, limit)))
    assert found == sorted(call for call in calls if call > after)[:limit]
    assert turns >= len(calls) // report.IDS_SLICE


def test_a_long_list_is_written_in_steps() -> None:
    rows = [{"call": number} for number in range(500)]
    written, turns = asyncio.run(turns_of(report.encoded(rows)))
    assert msgspec.json.decode(msgspec.json.encode({"ok": written})) == {"ok": rows}
    assert turns >= len(rows) // report.SLICE
    assert msgspec.json.encode(asyncio.run(report.encoded([]))) == b"[]"
