"""Routing gateways of agents: whose calls use them, and where they may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipguard.model.gateway import RouteMode
from sipguard.model.verdict import Reason
from sipguard.policy.owner import Reach
from tests.policy.world import (
    ACME,
    RESELLER,
    ROOT,
    World,
    account,
    gateway_ids,
    mapping_gateway,
    route,
    routing_gateway,
)

OTHER = 77


def owned(owner_key: int | None, **changes: object) -> World:
    """A gateway of an agent beside one of the operator, for all numbers; the agent's is tried first."""
    world = World()
    world.gateways = [
        routing_gateway(1),
        replace(routing_gateway(2), owner_key=owner_key, cost_table_key=None),
    ]
    world.routes = [route(1, 1, priority=2), replace(route(2, 2), **changes)]  # type: ignore[arg-type]
    return world


@pytest.mark.parametrize("owner_key", [None, ROOT, RESELLER, ACME])
def test_calls_from_below_its_owner_use_it(owner_key: int | None) -> None:
    assert gateway_ids(owned(owner_key).permit()) == ["vendor-2", "vendor-1"]


def test_nobody_elses_do_and_it_stops_nobody() -> None:
    world = owned(OTHER, mode=RouteMode.TERMINATE, prefix="4420")
    world.accounts.append(account(OTHER, "other", ROOT, rate_table_key=12))
    assert gateway_ids(world.permit()) == ["vendor-1"]


def test_a_trunk_that_may_use_it_by_name_may_not_either() -> None:
    world = owned(OTHER)
    world.accounts.append(account(OTHER, "other", ROOT, rate_table_key=12))
    world.trunks = [mapping_gateway(routing_gateway_keys=frozenset({2}))]
    assert world.refusal().reason is Reason.NO_ROUTE


@pytest.mark.parametrize(
    ("address", "open_"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("10.20.1.1", True),
        ("::ffff:10.20.1.1", True),
        ("10.21.1.1", False),
        ("9.9.9.9", False),
        ("::ffff:9.9.9.9", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("not an address", False),
    ],
)
def test_where_gateways_of_agents_may_be(address: str, open_: bool) -> None:
    assert Reach(["10.20.0.0/16", "127.0.0.0/8"], ["9.9.9.9"]).permits(address) is open_
