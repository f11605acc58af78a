"""A call with every option of a rate: charged by settlement, with its tax; saved and read again."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from sipguard.calls import saved, settlement
from sipguard.calls.call import Call
from sipguard.model.call import Attempt
from sipguard.model.ledger import Posting
from sipguard.model.rate import RateTable, Rounding, Tier, Window
from sipguard.policy.rating import charge
from tests.policy.world import ACME, LONDON, NOW, OPERATOR_COST, TAX, TRUNK, World, rate, routing_gateway

TALKED_MS = 90_500


def world() -> World:
    """acme pays 7.5 % of tax, its agents none; the vendor charges, too."""
    rates = [
        rate(1, 11),
        rate(2, 12),
        rate(
            3,
            13,
            price=60_000_000,
            fee=11,
            grace_seconds=5,
            minimum_seconds=7,
            minimum_micros=13,
            tiers=(Tier(60, 30_000_000),),
            window=Window(valid_from=1),
        ),
        rate(9, 20, price=30_000),
    ]
    made = World(rates=rates, gateways=[routing_gateway(cost_table_key=20)])
    made.tables[2] = RateTable(13, "table-13", "USD", Rounding.DOWN, Rounding.UP, 100)
    made.funds.post([Posting(103, 10**9), Posting(0, -(10**9))])
    return made.change(ACME, tax_ppm=75_000)


@pytest.fixture
def call() -> Call:
    permit = world().permit(LONDON)
    attempt = Attempt(TRUNK, 5060, LONDON, "", "call@127.0.0.2")
    return Call(1, permit, attempt, "agent", NOW, permit.candidates[0], answered_ms=NOW.unix_ms)


def test_the_entry_sums_to_zero_and_the_tax_is_apart(call: Call) -> None:
    entry = settlement.entry_of(call, settlement.charges(call, TALKED_MS), OPERATOR_COST, TAX, 0)
    assert entry is not None
    # 11 + 60 s of 1,000,000 + 30 s of 500,000, up to hundreds: 75,000,100, and 7.5 % of it, up to hundreds.
    price, tax = 75_000_100, 5_625_100
    assert entry.postings == (
        Posting(103, -price - tax),
        Posting(202, price),
        Posting(TAX, tax),
        Posting(102, -91_000),
        Posting(201, 91_000),
        Posting(101, -91_000),
        Posting(900, 91_000),
        Posting(301, -45_500),
        Posting(OPERATOR_COST, 45_500),
    )
    assert sum(posting.amount_micros for posting in entry.postings) == 0

    cdr = settlement.answered(
        call, world().funds, settlement.charges(call, TALKED_MS), TALKED_MS, "caller", None, None
    )
    level = cdr.levels[0]
    assert (level.billed_seconds, level.charge_micros) == (90, price + tax)
    assert (level.tax_ppm, level.tax_micros) == (75_000, tax)
    assert [(other.tax_ppm, other.tax_micros) for other in cdr.levels[1:]] == [(0, 0), (0, 0)]


def test_a_call_within_the_grace_posts_nothing_for_its_level(call: Call) -> None:
    entry = settlement.entry_of(call, settlement.charges(call, 5_000), OPERATOR_COST, TAX, 0)
    assert entry is not None
    assert {103, 202, TAX}.isdisjoint(posting.ledger for posting in entry.postings)


def test_a_live_call_keeps_the_terms_that_it_was_admitted_by(call: Call) -> None:
    plain = World().directory()  # by now everything has another price
    again = saved.load(1, saved.save(call, b""), plain, NOW, b"")
    assert [level.rate for level in again.permit.levels] == [level.rate for level in call.permit.levels]
    assert again.candidate.cost == call.candidate.cost


def test_a_call_that_version_1_saved_is_read_and_costs_what_it_did(call: Call) -> None:
    state = msgspec.msgpack.decode(saved.save(call, b""))
    cost, levels = state[24], state[26]
    assert state[0] == saved.VERSION
    state[0] = 1
    state[24] = cost[:8]  # a rate ended with its price
    for level in levels:
        level[7] = level[7][:8]
    again = saved.load(1, msgspec.msgpack.encode(state), World().directory(), NOW, b"")
    assert [level.rate and level.rate[:8] for level in again.permit.levels] == [
        level.rate and level.rate[:8] for level in call.permit.levels
    ]
    rate_of_1 = again.permit.levels[0].rate
    assert rate_of_1 is not None
    assert charge(rate_of_1, TALKED_MS).micros == 11 + 91 * 1_000_000


def test_another_version_is_refused(call: Call) -> None:
    state = msgspec.msgpack.decode(saved.save(call, b""))
    state[0] = saved.VERSION + 1
    with pytest.raises(ValueError, match="saved as version 3"):
        saved.load(1, msgspec.msgpack.encode(state), World().directory(), NOW, b"")


def test_the_tax_of_an_account_is_held_with_its_price() -> None:
    taxed = world().permit(LONDON).levels[0]
    untaxed = world().change(ACME, tax_ppm=0).permit(LONDON).levels[0]
    # A slice of 30 s: 11 + 30 million, up to hundreds, and 7.5 % of it up to hundreds.
    assert (untaxed.hold_micros, taxed.hold_micros) == (30_000_100, 32_250_200)


def test_the_cap_is_compared_with_the_dearest_tier() -> None:
    made = world()
    made.rates[2] = made.rates[2]._replace(tiers=(Tier(60, 61_000_000),))
    refusal = made.change(ACME, max_rate_micros=60_500_000).refusal(LONDON)
    assert (refusal.reason, refusal.observed) == ("rate_cap", "61.00 per minute by rate:3")


def test_a_tier_below_the_vendors_price_keeps_no_margin() -> None:
    made = world()
    made.rates[0] = rate(1, 11, tiers=(Tier(600, 29_999),))
    assert made.refusal(LONDON).reason == "margin"
    made.rates[3] = rate(9, 20, price=30_000, tiers=(Tier(600, 29_999),))
    assert made.permit(LONDON)
    made.accounts = [dataclasses.replace(account, tax_ppm=1) for account in made.accounts]
    assert made.permit(LONDON), "tax is no margin"
