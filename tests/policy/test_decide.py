"""The order of the checks, and what every refusal says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sipguard.model.rate import RateTable
from sipguard.model.verdict import Permit, Reason
from sipguard.policy.funds import Funds
from sipguard.policy.health import Cause, Outage
from tests.policy.world import (
    ACME,
    LONDON,
    RESELLER,
    ROOT,
    Calls,
    World,
    block,
    mapping_gateway,
    rate,
    routing_gateway,
)


def test_a_permit_says_all_that_the_next_step_needs() -> None:
    permit = World().permit("02079460000", calling="+442079461111")
    assert (permit.called, permit.calling) == (LONDON, "442079461111")
    assert [level.account.id for level in permit.levels] == ["acme", "reseller", "root"]
    assert [candidate.number for candidate in permit.candidates] == [LONDON]
    assert (permit.slice_seconds, permit.revision, permit.emergency) == (30, 7, False)


def test_an_unknown_source_is_nobody() -> None:
    refusal = World().refusal(source="192.0.2.9")
    assert refusal.reason is Reason.UNKNOWN_SOURCE
    assert (refusal.level, refusal.account_id, refusal.gateway_id, refusal.called) == (None, None, None, None)
    assert "192.0.2.9" in refusal.observed


def test_a_bad_number_is_shown_as_it_came_and_bounded() -> None:
    refusal = World().refusal("\r\nFrom: \u0664" + "x" * 5000)
    assert refusal.reason is Reason.BAD_NUMBER
    assert refusal.observed.isascii()
    assert refusal.observed.isprintable()
    assert len(refusal.observed) < 400
    assert (refusal.account_id, refusal.gateway_id, refusal.called) == ("acme", "trunk-1", None)


def test_a_refusal_carries_what_was_known() -> None:
    refusal = World(sections=[block(1, ROOT, "44")]).refusal(calling="+442079461111")
    assert (refusal.account_id, refusal.gateway_id) == ("acme", "trunk-1")
    assert (refusal.called, refusal.calling) == (LONDON, "442079461111")


def test_no_table_is_refused_unless_levels_may_be_free() -> None:
    world = World().change(RESELLER, rate_table_key=None)
    refusal = world.refusal()
    assert (refusal.reason, refusal.level) == (Reason.NO_RATE, "reseller")
    world.settings = replace(world.settings, free_levels=True)
    permit = world.permit()
    assert [level.rate is None for level in permit.levels] == [False, True, False]
    assert [level.hold_micros for level in permit.levels] == [30_000, 0, 30_000]


def test_a_table_without_the_number_is_refused_even_then() -> None:
    world = World(rates=[rate(1, 11, "53"), rate(2, 12), rate(3, 13)])
    world.settings = replace(world.settings, free_levels=True)
    refusal = world.refusal()
    assert (refusal.reason, refusal.level, refusal.observed) == (Reason.NO_RATE, "root", LONDON)


def test_where_the_top_is_free_no_margin_is_kept() -> None:
    world = World(gateways=[routing_gateway(cost_table_key=20)]).change(ROOT, rate_table_key=None)
    world.settings = replace(world.settings, free_levels=True)
    assert world.permit().candidates[0].cost is not None


def test_the_longest_prefix_prices_the_call() -> None:
    world = World(
        rates=[rate(1, 11), rate(2, 12), rate(3, 13, "44"), rate(4, 13, "4420"), rate(5, 13, "447")]
    )
    level = world.permit().levels[0]
    assert level.rate is not None
    assert level.rate.key == 4


@pytest.mark.parametrize(("key", "level"), [(ACME, "acme"), (RESELLER, "reseller"), (ROOT, "root")])
def test_the_rate_cap_of_every_level(key: int, level: str) -> None:
    World().change(key, max_rate_micros=60_000).permit()
    refusal = World().change(key, max_rate_micros=59_999).refusal()
    assert (refusal.reason, refusal.level) == (Reason.RATE_CAP, level)
    assert refusal.rule == f"account:{level}.max_rate"
    assert "0.06" in refusal.observed
    assert "0.059999" in refusal.required


def everything_wrong() -> World:
    """Fails every check that a known source can fail, one after the other as they are mended."""
    world = World(
        sections=[block(1, ROOT, "44")],
        tables=[RateTable(key, f"table-{key}", "USD") for key in (11, 12, 13, 20)],
        rates=[],
        trunks=[mapping_gateway(locked=True, tech_prefixes=("77#",))],
        gateways=[routing_gateway(capacity=0, cost_table_key=20)],
        routes=[],
        funds=Funds(),
        counts=Calls(accounts={RESELLER: 1}),
        out={1: Outage(Cause.PROBES, "answer to OPTIONS: none in time", 0, None)},
    )
    world.change(ACME, locked=True).change(ROOT, valid_till=1).change(RESELLER, call_limit=1)
    return world.change(ACME, max_rate_micros=1, cps_limit=0)


def test_the_order_of_the_checks() -> None:
    """Design section 6, and the order in which Reason lists them."""
    plain, world, number = World(), everything_wrong(), "abc"
    seen = []

    def judge() -> None:
        seen.append(world.refusal(number).reason)

    judge()
    world.trunks = [mapping_gateway(locked=True)]
    judge()
    world.trunks = plain.trunks
    judge()
    world.change(ACME, locked=False)
    judge()
    world.change(ROOT, valid_till=None)
    judge()
    number = LONDON
    judge()
    world.sections = []
    judge()
    world.rates = [*plain.rates[:3], rate(9, 20, price=70_000)]
    judge()
    world.change(ACME, max_rate_micros=None)
    judge()
    world.counts = plain.counts
    judge()
    world.change(ACME, cps_limit=None)
    judge()
    world.funds = plain.funds
    judge()
    world.routes = plain.routes
    judge()
    world.out = {}
    judge()
    world.rates = plain.rates
    judge()

    judged_here = [reason for reason in Reason if reason not in NOT_DECIDED_HERE]
    assert seen == judged_here
    world.gateways = plain.gateways
    assert isinstance(world.judge(), Permit)


# The first two follow a permit; the others are of strangers and phones (test_credential.py).
NOT_DECIDED_HERE = {
    Reason.STORE_DOWN,
    Reason.OVERLOADED,
    Reason.UNKNOWN_SOURCE,
    Reason.CREDENTIALS_REFUSED,
    Reason.CALLER_REFUSED,
    Reason.PHONE_LOCKED,
    Reason.NOT_REGISTERED,
}
