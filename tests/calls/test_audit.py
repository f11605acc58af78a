"""The auditor finds every kind of difference, names it, tells it once, and repairs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sipguard.calls.audit import Auditor
from sipguard.calls.call import Call
from tests.calls.kinds import simulation
from tests.calls.simulation import Simulation
from tests.harness.ends import Chances


@pytest.fixture
def world() -> Simulation:
    """Stopped while calls are up and others are being set up."""
    world = simulation(7, Chances(cancelled=0, caller_vanishes=0))
    world.run(60, per_second=20, until_ns=12_000_000_000)
    exchange = world.exchange
    assert 0 < exchange.current.answered < len(exchange.current)
    return world


def audit(auditor: Auditor, rounds: int = 1) -> list[str]:
    async def go() -> list[str]:
        found: list[str] = []
        for _ in range(rounds):
            found = await auditor.round()
        return found

    return asyncio.run(go())


def test_a_busy_proxy_without_a_mistake_shows_no_difference(world: Simulation) -> None:
    assert audit(Auditor(world.exchange), rounds=2) == []


def live(world: Simulation) -> Call:
    return next(call for call in world.exchange.current if call.answered_ms is not None)


def lose_a_channel(world: Simulation, call: Call) -> None:
    world.exchange.current._by_mapping_gateway[call.permit.mapping_gateway.key].discard(call.id)


def keep_a_channel(world: Simulation, call: Call) -> None:
    world.exchange.current._by_routing_gateway[call.candidate.gateway.key].add(99)


def lose_a_hold(world: Simulation, call: Call) -> None:
    world.exchange.funds._drop(call.id, call.permit.levels[0].account.balance_ledger)


def change_what_a_ledger_holds(world: Simulation, call: Call) -> None:
    world.exchange.funds._held[call.permit.levels[0].account.balance_ledger] += 1


def keep_a_hold(world: Simulation, _: Call) -> None:
    world.exchange.funds.hold(99, ())


def end_in_the_engine_alone(world: Simulation, call: Call) -> None:
    world.engine.hangup(call.id, "", world.now)


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lose_a_channel, "does not count call"),
        (keep_a_channel, "counts call 99, which is over"),
        (lose_a_hold, "its granted time costs"),
        (change_what_a_ledger_holds, "micro-units, its calls"),
        (keep_a_hold, "calls hold money"),
        (end_in_the_engine_alone, "is charged and not up"),
    ],
)
def test_every_kind_of_mistake_is_found_and_told_once(
    world: Simulation, mistake: Callable[[Simulation, Call], None], says: str
) -> None:
    auditor = Auditor(world.exchange)
    mistake(world, live(world))
    found = audit(auditor, rounds=2)
    assert any(says in difference for difference in found), found
    assert (auditor.differences, auditor.rounds) == (len(found), 2)
    told = world.exchange.notices.since(0)
    assert len(told) == auditor.found == len(found), "once, although it was found twice"
    assert {notice.facts["what"] for notice in told} == set(found)


def test_what_changes_during_a_round_is_no_difference(world: Simulation) -> None:
    async def go() -> list[str]:
        auditor = Auditor(world.exchange, slice_calls=2)
        found: list[str] = []
        while len(world.exchange.current):
            before = auditor.rounds
            task = asyncio.create_task(auditor.round())
            while auditor.rounds == before and not task.done():
                world.step()
                await asyncio.sleep(0)
            found += await task
        assert auditor.rounds > 10
        return found

    assert asyncio.run(go()) == []
