"""What a decision costs by the depth of the chain: `pytest benchmarks/test_decide.py` (no part of the tests).

Each level has twenty sections and a rate table of five hundred prefixes; the call is permitted, the dearest
way through, or blocked at the calling account, the last level that is asked.
"""

from __future__ import annotations

from itertools import cycle

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from sipguard.model.call import Attempt
from sipguard.model.rate import RateTable
from sipguard.model.section import Section
from sipguard.model.verdict import Permit, Refusal
from sipguard.policy import credit
from sipguard.policy.decide import decide
from sipguard.policy.directory import Directory
from sipguard.policy.funds import Funds
from tests.policy.world import (
    NOW,
    TRUNK,
    UNIT,
    World,
    account,
    allow,
    block,
    mapping_gateway,
    rate,
    route,
    routing_gateway,
)

BLOCKED = "87013"
CALLED = [f"4420794{number:05d}" for number in range(0, 100_000, 97)]


def trade(levels: int) -> World:
    """A chain of `levels` accounts with limits, sections and rates, and three prepaid vendors."""
    keys = range(1, levels + 1)
    sections: list[Section] = []
    for key in keys:
        sections += [allow(key * 100, key, ""), *(block(key * 100 + n, key, f"88{n}") for n in range(20, 40))]
    sections.append(block(9999, levels, BLOCKED))
    return World(
        accounts=[
            account(key, f"a{key}", key - 1 or None, call_limit=10**6, cps_limit=10**6, max_rate_micros=10**9)
            for key in keys
        ],
        sections=sections,
        tables=[RateTable(key, f"table-{key}", "USD") for key in (*(10 + key for key in keys), 20)],
        rates=[
            *(rate(key * 1000 + n, 10 + key, str(n)) for key in keys for n in range(1, 500)),
            rate(9, 20, price=30_000),
        ],
        trunks=[mapping_gateway(account_key=levels, capacity=10**6, cps_limit=10**6)],
        gateways=[
            routing_gateway(key, cost_table_key=20, vendor_credit_micros=0, capacity=10**6)
            for key in (1, 2, 3)
        ],
        routes=[route(key, key, "44", weight=key) for key in (1, 2, 3)],
        funds=Funds(
            {100 + key: 10**6 * UNIT for key in keys} | {300 + key: 10**6 * UNIT for key in (1, 2, 3)}
        ),
    )


@pytest.mark.parametrize("levels", [3, 5])
def test_permit(benchmark: BenchmarkFixture, levels: int) -> None:
    world = trade(levels)
    directory = world.directory()
    attempts = cycle([_attempt(called) for called in CALLED])
    verdict = benchmark(lambda: decide(next(attempts), directory, world.funds, world.counts, world.pace, NOW))
    assert isinstance(verdict, Permit)
    assert len(verdict.levels) == levels


@pytest.mark.parametrize("levels", [3, 5])
def test_refusal(benchmark: BenchmarkFixture, levels: int) -> None:
    world = trade(levels)
    directory = world.directory()
    attempt = _attempt(f"{BLOCKED}0000001")
    verdict = benchmark(lambda: decide(attempt, directory, world.funds, world.counts, world.pace, NOW))
    assert isinstance(verdict, Refusal)
    assert verdict.rule == "section:9999"


@pytest.mark.parametrize("levels", [3, 5])
def test_holds_and_release(benchmark: BenchmarkFixture, levels: int) -> None:
    world = trade(levels)
    permit = _permit(world, world.directory())

    def admit() -> None:
        world.funds.hold(1, credit.holds(permit, permit.candidates[0]))
        world.pace.take(permit, NOW.monotonic_ns)
        world.funds.release(1)

    # A bounded number of rounds: the clock stands still, so the pace forgets nothing.
    benchmark.pedantic(admit, rounds=2000, iterations=1)


def _permit(world: World, directory: Directory) -> Permit:
    verdict = decide(_attempt(CALLED[0]), directory, world.funds, world.counts, world.pace, NOW)
    assert isinstance(verdict, Permit)
    return verdict


def _attempt(called: str) -> Attempt:
    return Attempt(TRUNK, 5060, called, "+442079461111", f"{called}@127.0.0.2")
