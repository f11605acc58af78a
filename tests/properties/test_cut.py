"""Where the money ends: calls by rates with every option, held slice by slice at every level and the vendor,
cut at the granted second and charged. Nobody pays more than is held, and nobody is cut a second too early.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipguard.model.ledger import Posting
from sipguard.model.rate import Rate
from sipguard.model.verdict import Candidate, Level, Permit
from sipguard.policy import credit
from sipguard.policy.funds import Funds
from sipguard.policy.rating import charge, cost_of
from tests.harness import rater
from tests.policy.world import World, routing_gateway
from tests.properties.test_rating import RATES, oracle

CALL = 1
SLICE = 30
TEMPLATE = World(gateways=[routing_gateway(cost_table_key=20, vendor_credit_micros=0)]).permit()
LEDGERS = (*(level.account.balance_ledger for level in TEMPLATE.levels), 301)
INCOME = 999


def priced(rates: tuple[Rate, ...]) -> Permit:
    """The permit of three levels and a prepaid vendor, who buy and sell by these four rates."""
    levels = tuple(
        Level(level.account, rate, cost_of(rate, SLICE), level.income_ledger)
        for level, rate in zip(TEMPLATE.levels, rates[:3], strict=True)
    )
    first = TEMPLATE.candidates[0]
    candidate = Candidate(first.gateway, first.route_key, rates[3], cost_of(rates[3], SLICE), first.number)
    return Permit(
        TEMPLATE.mapping_gateway, levels, TEMPLATE.called, "", (candidate,), SLICE, None, TEMPLATE.revision
    )


@given(
    st.tuples(RATES, RATES, RATES, RATES),
    st.tuples(*[st.one_of(st.integers(0, 10**6), st.integers(0, 10**10))] * 4),
    st.integers(0, 1000),
)
def test_nobody_pays_more_than_is_held_and_nobody_is_cut_too_early(
    rates: tuple[Rate, ...], money: tuple[int, ...], early_ms: int
) -> None:
    permit = priced(rates)
    candidate = permit.candidates[0]
    funds = Funds(dict(zip(LEDGERS, money, strict=True)))
    if funds.hold(CALL, credit.holds(permit, candidate)) is not None:
        assert any(cost_of(rate, SLICE) > has for rate, has in zip(rates, money, strict=True))
        return
    granted = SLICE
    for _ in range(20):
        wanted = granted + SLICE
        affordable = credit.affordable_seconds(CALL, permit, candidate, funds)
        asked = wanted if affordable is None else min(wanted, affordable)
        if asked <= granted:
            break
        assert funds.extend(CALL, credit.renewal(permit, candidate, granted, asked)) is None, "as promised"
        granted = asked
        if granted < wanted:
            break
    else:
        affordable = None
    if affordable is not None:
        assert any(cost_of(rate, granted + 1) > has for rate, has in zip(rates, money, strict=True))

    # The end comes at the granted second, or a moment before it.
    length_ms = max(0, granted * 1000 - early_ms)
    for ledger, rate in zip(LEDGERS, rates, strict=True):
        owed = charge(rate, length_ms).micros
        assert owed == rater.charge_micros(length_ms, oracle(rate))
        assert owed <= funds.held_by(CALL, ledger), "L-10: the charge is within what was granted"
        funds.post([Posting(ledger, -owed), Posting(INCOME, owed)])
    funds.release(CALL)
    assert all(funds.balance(ledger) >= 0 for ledger in LEDGERS), "L-08"
