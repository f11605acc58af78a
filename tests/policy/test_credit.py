"""What a call needs of everybody's money: the first slice, renewals, the longest it may last."""

from __future__ import annotations

import pytest

from sipguard.model.verdict import Permit, Reason
from sipguard.policy import credit
from sipguard.policy.funds import Funds, Want
from sipguard.policy.rating import cost_of
from tests.policy.world import ACME, RESELLER, ROOT, UNIT, World, rate, routing_gateway

CALL = 1
LEVELS = [(ACME, "acme"), (RESELLER, "reseller"), (ROOT, "root")]


def with_vendor(vendor_credit_micros: int | None = 0) -> World:
    """A prepaid vendor that charges 0.03 per minute, whole minutes."""
    world = World(gateways=[routing_gateway(cost_table_key=20, vendor_credit_micros=vendor_credit_micros)])
    world.rates[3] = rate(9, 20, price=30_000, initial=60, following=60)
    return world


def admitted(world: World) -> Permit:
    permit = world.permit()
    assert world.funds.hold(CALL, credit.holds(permit, permit.candidates[0])) is None
    return permit


@pytest.mark.parametrize(("key", "level"), LEVELS)
def test_every_level_has_to_afford_the_first_slice(key: int, level: str) -> None:
    """30 s at 0.06 per minute are 0.03."""
    balances = {101: UNIT, 102: UNIT, 103: UNIT}
    World(funds=Funds(balances | {100 + key: 30_000})).permit()
    refusal = World(funds=Funds(balances | {100 + key: 29_999})).refusal()
    assert (refusal.reason, refusal.level) == (Reason.NOT_ENOUGH_MONEY, level)
    assert refusal.rule == f"account:{level}.balance"
    assert (refusal.observed, refusal.required) == ("0.029999 available", "0.03")


def test_credit_is_money_and_held_money_is_not() -> None:
    world = World(funds=Funds({101: UNIT, 102: UNIT, 103: 0})).change(ACME, credit_limit_micros=30_000)
    permit = admitted(world)
    assert permit.levels[0].hold_micros == 30_000
    assert world.refusal().observed == "0.00 available"
    world.funds.release(CALL)
    world.permit()


def test_the_first_increment_is_held_whole() -> None:
    world = World()
    world.rates[2] = rate(3, 13, fee=5_000, initial=60, following=60)
    assert world.permit().levels[0].hold_micros == 65_000


def test_a_free_call_needs_no_money() -> None:
    world = World(rates=[rate(key, 10 + key, price=0) for key in (1, 2, 3)], funds=Funds({103: -UNIT}))
    permit = world.permit()
    assert credit.holds(permit, permit.candidates[0]) == []


def test_holds_name_every_level_and_the_vendor() -> None:
    world = with_vendor(vendor_credit_micros=7)
    permit = world.permit()
    assert credit.holds(permit, permit.candidates[0]) == [
        Want(103, 30_000, 0),
        Want(102, 30_000, 0),
        Want(101, 30_000, 0),
        Want(301, 30_000, 7),
    ]


def test_a_postpaid_vendor_is_asked_for_nothing() -> None:
    permit = with_vendor(vendor_credit_micros=None).permit()
    assert permit.candidates[0].hold_micros == 0
    assert permit.candidates[0].cost is not None
    assert {want.ledger for want in credit.holds(permit, permit.candidates[0])} == {101, 102, 103}


def test_a_renewal_asks_for_the_difference_only() -> None:
    permit = with_vendor().permit()
    # The levels pay by the second; the vendor's first minute is held already.
    assert credit.renewal(permit, permit.candidates[0], 30, 60) == [
        Want(103, 30_000, 0),
        Want(102, 30_000, 0),
        Want(101, 30_000, 0),
    ]
    assert Want(301, 30_000, 0) in credit.renewal(permit, permit.candidates[0], 60, 61)


@pytest.mark.parametrize(
    ("short", "seconds"),
    [
        ({}, 10_000),
        ({103: 45_000}, 45),
        ({101: 45_999}, 45),
        ({301: 60_000}, 120),
        ({301: 59_999, 102: 90_000}, 60),
    ],
)
def test_the_call_lasts_as_long_as_the_poorest_of_all_can_pay(short: dict[int, int], seconds: int) -> None:
    world = with_vendor()
    world.funds = Funds({101: 10 * UNIT, 102: 10 * UNIT, 103: 10 * UNIT, 301: 10 * UNIT} | short)
    permit = admitted(world)
    candidate = permit.candidates[0]
    granted = credit.affordable_seconds(CALL, permit, candidate, world.funds)
    assert granted == seconds
    assert world.funds.extend(CALL, credit.renewal(permit, candidate, permit.slice_seconds, granted)) is None
    assert world.funds.extend(CALL, credit.renewal(permit, candidate, granted, granted + 60)) is not None


def test_a_lowered_credit_limit_takes_nothing_back() -> None:
    world = World(funds=Funds({101: UNIT, 102: UNIT, 103: 30_000}))
    permit = admitted(world)
    # Another call's charge left the account overdrawn.
    world.funds = Funds({101: UNIT, 102: UNIT, 103: 30_000})
    world.funds.hold(CALL, credit.holds(permit, permit.candidates[0]))
    world.funds.hold(2, [Want(103, 50_000, None)])
    assert credit.affordable_seconds(CALL, permit, permit.candidates[0], world.funds) == 30


def test_a_call_that_is_free_for_all_has_no_end() -> None:
    world = World(rates=[rate(key, 10 + key, price=0) for key in (1, 2, 3)])
    permit = admitted(world)
    assert credit.affordable_seconds(CALL, permit, permit.candidates[0], world.funds) is None


def test_admission_and_billing_share_their_arithmetic() -> None:
    permit = World().permit()
    assert all(
        level.hold_micros == cost_of(level.rate, 30) for level in permit.levels if level.rate is not None
    )
