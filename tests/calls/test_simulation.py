"""Whatever callers, gateways, the network and kills do: every call ends, once, and the money adds up."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from sipguard.model.cdr import Outcome
from tests.calls.simulation import UNIX_MS, Simulation
from tests.harness.ends import MS, Chances
from tests.policy.world import ACME, RESELLER, ROOT, UNIT, World, mapping_gateway, route, routing_gateway

CALLS = int(os.environ.get("SIMULATED_CALLS", "400"))
SEEDS = range(int(os.environ.get("SIMULATED_SEEDS", "3")))

CALLER = ("127.0.0.2", 5060)
GATEWAYS = [("198.51.100.1", 5060), ("198.51.100.2", 5060)]


def simulation(seed: int, chances: Chances | None = None, units: int = 1000) -> Simulation:
    world = World()
    world.gateways = [
        routing_gateway(1, host=GATEWAYS[0][0], capacity=30, cost_table_key=20),
        routing_gateway(2, host=GATEWAYS[1][0], cost_table_key=20),
    ]
    world.trunks = [mapping_gateway(capacity=80)]
    world.change(RESELLER, call_limit=70).change(ACME, max_call_seconds=300)
    world.routes = [route(1, 1, priority=1), route(2, 2, priority=2)]
    balances = {100 + key: units * UNIT for key in (ROOT, RESELLER, ACME)} | {301: 0, 302: 0}
    return Simulation(world.directory(), balances, CALLER, GATEWAYS, seed, chances or Chances())


def assert_all_is_over(world: Simulation) -> None:
    exchange, disk = world.exchange, world.disk
    assert len(exchange.current) == 0, "L-14: no slot in use without a call"
    assert not any(exchange.current.counts().values())
    totals = exchange.funds.totals()
    assert (totals.calls, totals.held_micros) == (0, 0), "L-09: nothing reserved without a live call"
    assert all(call.ended_ms is not None for call in disk.live.values())
    stats = world.engine.stats()
    assert (stats.transactions, stats.calls) == (0, 0)
    assert sum(disk.balances.values()) == sum(world.balances.values()), "L-01, L-07"
    for ledger, balance in disk.balances.items():
        assert exchange.funds.balance(ledger) == balance, "L-03: memory and disk agree"
    assert disk.duplicates == 0, "L-04"
    assert max(disk.entries.values(), default=0) <= 1
    answered = {call for call, cdr in disk.cdrs.items() if cdr.outcome is Outcome.ANSWERED}
    assert answered == set(disk.live), "L-11: every answered call has its one record"
    for call in answered:
        cdr = disk.cdrs[call]
        assert len(cdr.levels) == 3, "L-12"
        assert f"call:{call}" in disk.entries, "L-04"
    seen = {cdr.sip_call_id for cdr in disk.cdrs.values() if cdr.outcome is Outcome.ANSWERED}
    assert world.answered() <= seen, "no caller heard an answer that is not in the books"
    for ledger in (100 + ROOT, 100 + RESELLER, 100 + ACME):
        assert world.lowest[ledger] >= 0, "L-08: balance less holds never below the limit"
    assert not world.up(), "every end that was up has heard a BYE"
    assert world.asked() <= {"442079460000"}, "judged = sent"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_ordinary_network(seed: int) -> None:
    world = simulation(seed)
    world.run(CALLS, per_second=4)
    assert_all_is_over(world)
    assert len(world.disk.cdrs) == CALLS, "one record for each attempt, refused ones too"
    outcomes = {cdr.outcome for cdr in world.disk.cdrs.values()}
    assert outcomes == set(Outcome), "the world is rich enough to show every outcome"


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_in_between(seed: int) -> None:
    world = simulation(1000 + seed)
    world.run(CALLS, per_second=4, kills=25)
    assert_all_is_over(world)
    assert world.life > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_money_for_a_few_calls_only(seed: int) -> None:
    """Many calls on one small balance: those that cannot pay are refused or cut, and nobody goes below."""
    world = simulation(2000 + seed, units=1)
    world.run(CALLS, per_second=8)
    assert_all_is_over(world)
    reasons = {cdr.reason for cdr in world.disk.cdrs.values()}
    assert "not_enough_money" in reasons


@pytest.mark.parametrize("seed", SEEDS)
def test_money_for_a_few_calls_and_kills(seed: int) -> None:
    """What was held before a kill is held after it."""
    world = simulation(4000 + seed, units=1)
    world.run(CALLS, per_second=8, kills=25)
    assert_all_is_over(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bad_network_and_kills(seed: int) -> None:
    world = simulation(3000 + seed, Chances(0.25, 0.2, cancelled=0.4, ack_lost=0.3))
    world.run(CALLS // 2, per_second=4, kills=10)
    assert_all_is_over(world)


VANISHING = Chances(caller_dies=0.2, callee_dies=0.15, caller_forgets=0.15, never_acknowledged=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_ends_that_vanish(seed: int) -> None:
    """They are found, and their calls cost until they were last there, and not longer."""
    world = simulation(5000 + seed, VANISHING)
    world.run(CALLS, per_second=4)
    assert_all_is_over(world)
    cdrs = {cdr.sip_call_id: cdr for cdr in world.disk.cdrs.values()}
    reasons = Counter(cdr.reason for cdr in cdrs.values())
    for reason in ("caller_gone", "callee_gone", "caller_over", "no_ack"):
        assert reasons[reason], reason
    for call_id, died_ns in world.died().items():
        cdr = cdrs[call_id]
        if cdr.reason == "caller_gone":
            died_ms = UNIX_MS + died_ns // MS
            assert died_ms - 60_000 < cdr.ended_ms < died_ms + 1000, "asked every 15 to 25 s"


@pytest.mark.parametrize("seed", SEEDS)
def test_ends_that_vanish_and_kills(seed: int) -> None:
    world = simulation(6000 + seed, VANISHING)
    world.run(CALLS, per_second=4, kills=25)
    assert_all_is_over(world)
