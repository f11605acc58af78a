"""Routes: which gateways may take the call, in which order, with what number, and why none may."""

from __future__ import annotations

from collections import Counter

import pytest

from sipguard.model.gateway import Route, RouteMode
from sipguard.model.rate import RateTable
from sipguard.model.verdict import Permit, Reason
from sipguard.policy.funds import Funds
from sipguard.policy.route import CANDIDATES_MAX
from tests.policy.world import (
    LONDON,
    NOW,
    UNIT,
    Calls,
    World,
    gateway_ids,
    mapping_gateway,
    numbers,
    rate,
    route,
    routing_gateway,
)

ON = {"mode": RouteMode.CONTINUE}
FULL = Calls(routing_gateways={1: 1})


def world(*routes: Route, **more: object) -> World:
    """Three gateways; the first has one line."""
    gateways = [routing_gateway(1, capacity=1), routing_gateway(2), routing_gateway(3)]
    return World(gateways=gateways, routes=list(routes), **more)  # type: ignore[arg-type]


ORDERS = [
    ("the longest prefix only", [route(1, 1, "44"), route(2, 2, "4420")], ["vendor-2"]),
    ("continue to shorter ones", [route(1, 1, "44"), route(2, 2, "4420", **ON)], ["vendor-2", "vendor-1"]),
    (
        "terminate in the middle",
        [route(1, 1, ""), route(2, 2, "44"), route(3, 3, "4420", **ON)],
        ["vendor-3", "vendor-2"],
    ),
    (
        "one that terminates stops for all of its prefix",
        [route(1, 1, "44"), route(2, 2, "4420", **ON), route(3, 3, "4420", priority=2)],
        ["vendor-2", "vendor-3"],
    ),
    (
        "priority within a prefix",
        [route(1, 1, "44", priority=3), route(2, 2, "44", priority=1), route(3, 3, "44", priority=2)],
        ["vendor-2", "vendor-3", "vendor-1"],
    ),
    (
        "a longer prefix before a better priority",
        [route(1, 1, "4", priority=1, **ON), route(2, 2, "44", priority=9, **ON)],
        ["vendor-2", "vendor-1"],
    ),
    ("a gateway is tried once", [route(1, 1, "44"), route(2, 1, "4420", **ON)], ["vendor-1"]),
]


@pytest.mark.item("R-05")
@pytest.mark.parametrize(
    ("routes", "expected"), [case[1:] for case in ORDERS], ids=[case[0] for case in ORDERS]
)
def test_order(routes: list[Route], expected: list[str]) -> None:
    assert gateway_ids(world(*routes).permit()) == expected


def test_equal_priorities_share_by_weight() -> None:
    shared = world(route(1, 1, weight=1), route(2, 2, weight=3), route(3, 3, weight=6))
    directory = shared.directory()
    shared.directory = lambda: directory  # type: ignore[method-assign]
    first = Counter(gateway_ids(shared.permit(call_id=call_id))[0] for call_id in numbers(4000))
    assert {name: round(count / 400) for name, count in first.items()} == {
        "vendor-1": 1,
        "vendor-2": 3,
        "vendor-3": 6,
    }


def test_one_call_id_draws_one_order() -> None:
    shared = world(route(1, 1), route(2, 2), route(3, 3))
    orders = {tuple(gateway_ids(shared.permit(call_id=call_id))) for call_id in numbers(60)}
    assert len(orders) == 6
    assert len({tuple(gateway_ids(shared.permit(call_id="one"))) for _ in range(5)}) == 1


def test_only_gateways_that_the_trunk_may_use() -> None:
    mapped = [mapping_gateway(routing_gateway_keys=frozenset({3}))]
    assert gateway_ids(world(route(1, 1), route(2, 2), route(3, 3), trunks=mapped).permit()) == ["vendor-3"]
    assert world(route(1, 1), trunks=mapped).refusal().reason is Reason.NO_ROUTE


def test_a_route_of_somebody_else_terminates_nothing() -> None:
    mapped = [mapping_gateway(routing_gateway_keys=frozenset({1}))]
    assert gateway_ids(world(route(1, 1, "44"), route(2, 2, "4420"), trunks=mapped).permit()) == ["vendor-1"]


def test_a_full_gateway_is_passed_over_and_terminates_still() -> None:
    both = [route(1, 1, "44"), route(2, 2, "44", priority=2)]
    assert gateway_ids(world(*both, counts=FULL).permit()) == ["vendor-2"]
    refusal = world(route(1, 1, "44"), route(2, 2, "4"), counts=FULL).refusal()
    assert refusal.reason is Reason.GATEWAYS_FULL
    assert "vendor-1 full" in refusal.observed


def test_a_gateway_at_its_calls_per_second_is_passed_over() -> None:
    paced = World(gateways=[routing_gateway(1, cps_limit=1), routing_gateway(2)], routes=[route(1, 1, **ON)])
    gateway = paced.permit().candidates[0].gateway
    paced.pace.take_route(gateway, NOW.monotonic_ns)
    assert paced.refusal().reason is Reason.GATEWAYS_FULL


def test_a_locked_gateway_is_no_route() -> None:
    locked = World(gateways=[routing_gateway(locked=True)])
    refusal = locked.refusal()
    assert refusal.reason is Reason.NO_ROUTE
    assert "locked" in refusal.observed


@pytest.mark.item("R-06")
def test_no_route_names_the_number() -> None:
    refusal = world(route(1, 1, "53")).refusal()
    assert (refusal.reason, refusal.observed) == (Reason.NO_ROUTE, f"no route for {LONDON}")


PREPAID = {"cost_table_key": 20, "vendor_credit_micros": 0}


def test_a_vendor_whose_money_is_spent_is_passed_over() -> None:
    """30 s at 0.03 per minute are 0.015."""
    gateways = [routing_gateway(1, **PREPAID), routing_gateway(2, cost_table_key=20)]
    spent = World(gateways=gateways, routes=[route(1, 1), route(2, 2, priority=2)])
    balances = {101: UNIT, 102: UNIT, 103: UNIT}
    spent.funds = Funds(balances | {301: 15_000})
    assert gateway_ids(spent.permit()) == ["vendor-1", "vendor-2"]
    spent.funds = Funds(balances | {301: 14_999})
    assert gateway_ids(spent.permit()) == ["vendor-2"]
    spent.gateways[1] = routing_gateway(2, locked=True)
    assert spent.refusal().reason is Reason.GATEWAYS_FULL


@pytest.mark.parametrize(
    ("price", "fee", "kept"), [(60_000, 0, True), (60_001, 0, False), (0, 0, True), (30_000, 1, False)]
)
def test_no_call_is_sold_below_its_cost(price: int, fee: int, kept: bool) -> None:
    """The top level pays 0.06 per minute and no fee."""
    sold = World(gateways=[routing_gateway(cost_table_key=20)])
    sold.rates[3] = rate(9, 20, price=price, fee=fee)
    verdict = sold.judge()
    assert isinstance(verdict, Permit) is kept
    assert isinstance(verdict, Permit) or verdict.reason is Reason.MARGIN


def test_a_gateway_may_be_sold_below_its_cost_where_that_is_allowed() -> None:
    gateways = [routing_gateway(1, cost_table_key=20), routing_gateway(2, cost_table_key=20)]
    sold = World(gateways=gateways, routes=[route(1, 1, priority=1), route(2, 2, priority=2)])
    sold.rates[3] = rate(9, 20, price=60_001)
    assert sold.refusal().reason is Reason.MARGIN
    sold.gateways[1] = routing_gateway(2, cost_table_key=20, sells_below_cost=True)
    assert gateway_ids(sold.permit()) == ["vendor-2"], "and through no other"


def test_the_margin_is_the_operators_not_an_agents() -> None:
    """An agent may sell below what it pays; the top pays more than the vendor takes."""
    sold = World(gateways=[routing_gateway(cost_table_key=20)])
    sold.rates[2] = rate(3, 13, price=1)
    sold.permit()


def test_room_is_named_before_margin_and_margin_before_no_route() -> None:
    gateways = [
        routing_gateway(1, capacity=1),
        routing_gateway(2, cost_table_key=20),
        routing_gateway(3, locked=True),
    ]
    none = World(gateways=gateways, routes=[route(1, 1), route(2, 2), route(3, 3)], counts=FULL)
    none.rates[3] = rate(9, 20, price=70_000)
    assert none.refusal().reason is Reason.GATEWAYS_FULL
    none.routes = none.routes[1:]
    assert none.refusal().reason is Reason.MARGIN
    none.routes = none.routes[1:]
    assert none.refusal().reason is Reason.NO_ROUTE


def test_a_vendor_without_a_price_for_the_number_is_no_route() -> None:
    unpriced = World(gateways=[routing_gateway(cost_table_key=20)])
    unpriced.rates[3] = rate(9, 20, "53")
    assert unpriced.refusal().reason is Reason.NO_ROUTE


def test_a_vendor_in_another_currency_is_no_route() -> None:
    foreign = World(gateways=[routing_gateway(cost_table_key=20)])
    foreign.tables[3] = RateTable(20, "vendor", "EUR")
    assert "no rate in USD" in foreign.refusal().observed


@pytest.mark.parametrize(
    ("strip", "add", "sent"),
    [
        (0, "", LONDON),
        (0, "+", "+" + LONDON),
        (0, "9911", "9911" + LONDON),
        (2, "0", "02079460000"),
        (len(LONDON) - 1, "", "0"),
    ],
)
def test_the_vendors_rewrite(strip: int, add: str, sent: str) -> None:
    permit = World(gateways=[routing_gateway(strip_digits=strip, add_prefix=add)]).permit()
    assert (permit.called, permit.candidates[0].number) == (LONDON, sent)


def test_a_rewrite_that_leaves_no_number_is_no_route() -> None:
    assert (
        World(gateways=[routing_gateway(strip_digits=12, add_prefix="5355550100")]).refusal().reason
        is Reason.NO_ROUTE
    )


def test_a_call_tries_a_bounded_number_of_gateways_the_best_first() -> None:
    many = range(1, CANDIDATES_MAX + 10)
    gateways = [routing_gateway(key) for key in many]
    routes = [route(key, key, priority=100 - key) for key in many]
    expected = [f"vendor-{key}" for key in reversed(many)][:CANDIDATES_MAX]
    assert gateway_ids(World(gateways=gateways, routes=routes).permit()) == expected


@pytest.mark.parametrize(
    ("bad", "message"),
    [(route(4, 9), "route 4: no routing gateway with key 9"), (route(4, 1, weight=0), "route 4: weight 0")],
)
def test_a_route_that_is_none_is_named(bad: Route, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        World(routes=[bad]).directory()
