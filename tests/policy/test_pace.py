"""Calls per second: never more than the limit in any second, never fewer than it allows."""

from __future__ import annotations

from msgspec.structs import replace

from sipguard.model.verdict import Permit
from sipguard.policy import pace
from sipguard.policy.pace import WINDOW_NS, Pace
from tests.policy.world import ACME, RESELLER, World, mapping_gateway, routing_gateway

MS = 1_000_000


def permitted() -> Permit:
    world = World(trunks=[mapping_gateway(cps_limit=5)])
    return world.change(ACME, cps_limit=5).change(RESELLER, cps_limit=9).permit()


def test_counts_the_gateway_and_every_limited_level() -> None:
    permit, counted = permitted(), Pace()
    counted.take(permit, 0)
    assert counted.used(pace.mapping_gateway_key(permit.mapping_gateway), 0) == 1
    assert [counted.used(pace.account_key(level.account), 0) for level in permit.levels] == [1, 1, 0]


def test_a_second_later_it_is_forgotten_and_not_a_moment_sooner() -> None:
    permit, counted = permitted(), Pace()
    key = pace.account_key(permit.levels[0].account)
    counted.take(permit, 100 * MS)
    counted.take(permit, 600 * MS)
    assert counted.used(key, 100 * MS + WINDOW_NS - 1) == 2
    assert counted.used(key, 100 * MS + WINDOW_NS) == 1
    assert counted.used(key, 600 * MS + WINDOW_NS) == 0


def test_an_account_a_mapping_and_a_routing_gateway_of_one_key_are_three() -> None:
    permit, counted = permitted(), Pace()
    gateway = routing_gateway(permit.mapping_gateway.key, cps_limit=1)
    counted.take_route(gateway, 0)
    assert counted.used(pace.routing_gateway_key(gateway), 0) == 1
    assert counted.used(pace.mapping_gateway_key(permit.mapping_gateway), 0) == 0
    assert counted.used(pace.account_key(permit.levels[2].account), 0) == 0


def test_emergency_calls_use_nothing_up() -> None:
    permit, counted = permitted(), Pace()
    counted.take(replace(permit, emergency=True), 0)
    assert counted.used(pace.account_key(permit.levels[0].account), 0) == 0


def test_a_gateway_without_a_limit_is_not_counted() -> None:
    counted, gateway = Pace(), routing_gateway()
    counted.take_route(gateway, 0)
    assert counted.used(pace.routing_gateway_key(gateway), 0) == 0
