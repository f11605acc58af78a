"""Concurrent calls and calls per second: of the mapping gateway, the account and every agent above it."""

from __future__ import annotations

import pytest

from sipguard.model.verdict import Reason
from sipguard.policy.decide import Moment
from tests.policy.world import ACME, NOW, RESELLER, ROOT, Calls, World, mapping_gateway

ACCOUNTS = [(ACME, "acme"), (RESELLER, "reseller"), (ROOT, "root")]


@pytest.mark.parametrize(("key", "level"), ACCOUNTS)
def test_the_last_call_that_fits_and_the_first_that_does_not(key: int, level: str) -> None:
    world = World(counts=Calls(accounts={key: 4})).change(key, call_limit=5)
    world.permit()
    world.counts = Calls(accounts={key: 5})
    refusal = world.refusal()
    assert (refusal.reason, refusal.level) == (Reason.CONCURRENT_LIMIT, level)
    assert (refusal.rule, refusal.observed) == (f"account:{level}.call_limit", "5 calls")
    assert "5" in refusal.required


def test_the_mapping_gateway_has_a_capacity_of_its_own() -> None:
    world = World(trunks=[mapping_gateway(capacity=2)], counts=Calls(mapping_gateways={1: 1}))
    world.permit()
    world.counts = Calls(mapping_gateways={1: 2})
    refusal = world.refusal()
    assert (refusal.reason, refusal.level) == (Reason.CONCURRENT_LIMIT, "trunk-1")
    assert refusal.rule == "gateway:trunk-1.capacity"


def test_a_limit_of_zero_allows_none() -> None:
    assert World().change(ROOT, call_limit=0).refusal().reason is Reason.CONCURRENT_LIMIT
    assert World().change(ROOT, cps_limit=0).refusal().reason is Reason.CALLS_PER_SECOND


@pytest.mark.parametrize(("key", "level"), ACCOUNTS)
def test_calls_per_second_of_every_level(key: int, level: str) -> None:
    world = World().change(key, cps_limit=2)
    for _ in range(2):
        world.pace.take(world.permit(), NOW.monotonic_ns)
    refusal = world.refusal()
    assert (refusal.reason, refusal.level) == (Reason.CALLS_PER_SECOND, level)
    assert refusal.rule == f"account:{level}.cps_limit"
    world.permit(now=Moment(NOW.unix_ms, NOW.monotonic_ns + 1_000_000_000))


def test_calls_per_second_of_the_mapping_gateway() -> None:
    world = World(trunks=[mapping_gateway(cps_limit=1)])
    world.pace.take(world.permit(), NOW.monotonic_ns)
    refusal = world.refusal()
    assert (refusal.reason, refusal.rule) == (Reason.CALLS_PER_SECOND, "gateway:trunk-1.cps_limit")


def test_a_decision_takes_nothing() -> None:
    world = World().change(ACME, cps_limit=1, call_limit=1)
    first, second = world.permit(), world.permit()
    assert first == second
    assert world.funds.totals().calls == 0


def test_concurrent_calls_are_named_before_calls_per_second() -> None:
    world = World(trunks=[mapping_gateway(cps_limit=0)], counts=Calls(accounts={ROOT: 1})).change(
        ROOT, call_limit=1
    )
    assert world.refusal().reason is Reason.CONCURRENT_LIMIT
