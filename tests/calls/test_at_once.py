"""What comes many times, or for more than there is, in one instant."""

from __future__ import annotations

import pytest

from sipguard.model.cdr import Outcome
from tests.calls.crowd import Crowd
from tests.harness.ends import Address, Chances
from tests.policy.world import ACME, RESELLER, ROOT, TRUNK, UNIT, World, route, routing_gateway

CALLER, GATEWAY = (TRUNK, 5060), ("198.51.100.1", 5060)
NUMBER = "442079460000"
ANSWERS = Chances(
    lost=0,
    repeated=0,
    cancelled=0,
    ack_lost=0,
    reinvited=0,
    forked=0,
    caller_vanishes=0,
    talk_ms=20_000,
    ways={"ring": 1},
)


class Copying(Crowd):
    """Every INVITE of the caller arrives `copies` times in one instant."""

    copies = 1

    def send(self, source: Address, target: Address, message: bytes) -> None:
        copies = self.copies if source == CALLER and message.startswith(b"INVITE") else 1
        for _ in range(copies):
            super().send(source, target, message)


def crowd(units: dict[int, int] | None = None) -> Copying:
    """One customer of two levels of agents; `units`: other balances than 10 units, in micro-units."""
    world = World(gateways=[routing_gateway(host=GATEWAY[0], cost_table_key=20, vendor_credit_micros=0)])
    world.routes = [route(1)]
    balances = {100 + key: 10 * UNIT for key in (ROOT, RESELLER, ACME)} | {301: 10 * UNIT} | (units or {})
    return Copying(world.directory(), balances, {CALLER: NUMBER}, [GATEWAY], 1, ANSWERS, slow_commits=0)


def place(world: Copying, calls: int) -> None:
    world.bursts(calls, calls, 1, lambda _: None)
    assert world.exchange.funds.totals().calls == 0
    assert not any(world.exchange.current.counts().values())


def test_l05_64_copies_of_an_invite_are_one_call() -> None:
    """Of one transaction: what comes by another way is another attempt, and merging is for ends."""
    world = crowd()
    world.copies = 64
    place(world, 1)
    assert [one.asked for one in world._gateways] == [{NUMBER: 1}], "the gateway was asked once"
    (cdr,) = world.disk.cdrs.values()
    assert cdr.outcome is Outcome.ANSWERED
    assert list(world.disk.entries.values()) == [1], "one charge"
    assert world.disk.balances[100 + ACME] == 10 * UNIT - cdr.levels[0].charge_micros


@pytest.mark.parametrize("short", [100 + ACME, 100 + RESELLER, 100 + ROOT, 301])
def test_l08_twenty_ask_and_there_is_room_for_ten(short: int) -> None:
    """At each level, and at the vendor: ten get it, in full, and the rest nothing."""
    slice_micros = 15_000 if short == 301 else 30_000
    world = crowd({short: 10 * slice_micros})
    world.lowest = {short: 10 * slice_micros}
    place(world, 20)
    outcomes = [cdr.outcome for cdr in world.disk.cdrs.values()]
    assert outcomes.count(Outcome.ANSWERED) == 10
    assert outcomes.count(Outcome.REFUSED) == 10
    assert world.lowest[short] == 0, "all of it was held, and not one micro-unit more"


def test_l08_one_micro_unit_less_is_room_for_nine() -> None:
    world = crowd({100 + RESELLER: 10 * 30_000 - 1})
    place(world, 20)
    outcomes = [cdr.outcome for cdr in world.disk.cdrs.values()]
    assert outcomes.count(Outcome.ANSWERED) == 9
