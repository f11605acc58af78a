"""Emergency calls pass before everything, matched on the number as received (A34; mission: point 7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipguard.model.verdict import Permit, Reason
from sipguard.policy import credit
from sipguard.policy.funds import Funds
from tests.policy.world import (
    ACME,
    NOW,
    ROOT,
    Calls,
    World,
    block,
    gateway_ids,
    mapping_gateway,
    routing_gateway,
)


def hopeless() -> World:
    """Everything that can stop a call stops one."""
    world = World(
        sections=[block(1, ROOT, "")],
        rates=[],
        trunks=[mapping_gateway(locked=True, capacity=0, cps_limit=0, routing_gateway_keys=frozenset())],
        gateways=[routing_gateway(capacity=1)],
        routes=[],
        funds=Funds(),
        counts=Calls(accounts={ACME: 9}, mapping_gateways={1: 9}, routing_gateways={1: 9}),
    )
    return world.change(ACME, locked=True, call_limit=0, cps_limit=0, max_call_seconds=1, valid_till=1)


SPELLINGS = [
    "112",
    "999",
    "1-1-2",
    "%3112",
    "(112)",
    "112;phone-context=+44",
    "112;phone-context=ims.example",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_nothing_stops_an_emergency_call(spelling: str) -> None:
    permit = hopeless().permit(spelling)
    assert permit.emergency
    assert permit.candidates[0].number == permit.called in {"112", "999"}
    assert permit.max_seconds is None


@pytest.mark.parametrize("longer", ["1125355550100", "1120", "11", "0112", "00112", "44112"])
def test_what_begins_or_ends_like_one_is_none(longer: str) -> None:
    verdict = hopeless().judge(longer)
    assert not isinstance(verdict, Permit)
    assert verdict.reason is Reason.GATEWAY_LOCKED


def test_it_costs_nothing_and_holds_nothing() -> None:
    permit = World().permit("112")
    assert all(level.rate is None and level.hold_micros == 0 for level in permit.levels)
    assert credit.holds(permit, permit.candidates[0]) == []
    assert [level.account.id for level in permit.levels] == ["acme", "reseller", "root"]


def test_the_source_has_to_be_known() -> None:
    assert World().refusal("112", source="192.0.2.77").reason is Reason.UNKNOWN_SOURCE


def test_gateways_in_the_configured_order_locked_ones_last() -> None:
    world = World(gateways=[routing_gateway(1), routing_gateway(2, locked=True), routing_gateway(3)])
    world.settings = replace(world.settings, emergency_gateway_ids=("vendor-3", "vendor-2", "vendor-1"))
    assert gateway_ids(world.permit("112")) == ["vendor-3", "vendor-1", "vendor-2"]


def test_the_number_leaves_as_it_was_matched() -> None:
    world = World(gateways=[routing_gateway(strip_digits=2, add_prefix="44")])
    assert world.permit("112").candidates[0].number == "112"


def test_without_a_gateway_it_is_refused_by_name() -> None:
    world = World()
    world.settings = replace(world.settings, emergency_gateway_ids=())
    refusal = world.refusal("112")
    assert (refusal.reason, refusal.rule) == (Reason.NO_ROUTE, "settings.emergency_gateway_ids")
    assert (refusal.account_id, refusal.called) == ("acme", "112")


def test_it_uses_up_none_of_the_calls_per_second() -> None:
    world = World().change(ACME, cps_limit=1)
    world.pace.take(world.permit("112"), NOW.monotonic_ns)
    world.permit()
