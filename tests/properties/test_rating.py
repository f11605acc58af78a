"""Charges against an independent rater over every option; the longest call against the charge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipguard.model.rate import Rate, Rounding, Terms, Tier
from sipguard.policy.rating import charge, cost_of, max_seconds
from tests.harness import rater

PRICES = st.one_of(st.just(0), st.integers(1, 100), st.integers(0, 10**9))
ROUNDINGS = st.sampled_from(Rounding)


def maybe(values: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    """Most tables do without most options."""
    return st.one_of(st.just(0), values)


TIERS = st.dictionaries(st.integers(1, 400), PRICES, max_size=3).map(
    lambda prices: tuple(Tier(*tier) for tier in sorted(prices.items()))
)
TERMS = st.builds(
    Terms,
    time_rounding=ROUNDINGS,
    money_rounding=ROUNDINGS,
    money_unit_micros=st.one_of(st.sampled_from([1, 7, 10_000]), st.integers(1, 2_000_000)),
    tax_ppm=maybe(st.integers(1, 1_000_000)),
)
RATES = st.builds(
    Rate,
    key=st.just(1),
    table_key=st.just(1),
    prefix=st.just(""),
    destination=st.just(""),
    connect_fee_micros=maybe(st.integers(0, 10**7)),
    initial_seconds=st.integers(1, 200),
    next_seconds=st.integers(1, 200),
    rate_micros=PRICES,
    grace_seconds=maybe(st.integers(1, 100)),
    minimum_seconds=maybe(st.integers(1, 500)),
    minimum_micros=maybe(st.integers(1, 10**7)),
    tiers=TIERS,
    terms=TERMS,
)
DURATIONS_MS = st.one_of(st.integers(0, 700_000), st.integers(0, 10**8))
MONEY = st.one_of(st.integers(-10, 1_000), st.integers(0, 10**10))


def oracle(rate: Rate) -> rater.Price:
    terms = rate.terms
    return rater.Price(
        rate.connect_fee_micros,
        rate.initial_seconds,
        rate.next_seconds,
        rate.rate_micros,
        rate.grace_seconds,
        rate.minimum_seconds,
        rate.minimum_micros,
        tuple((tier.after_seconds, tier.rate_micros) for tier in rate.tiers),
        terms.time_rounding.value,
        terms.money_rounding.value,
        terms.money_unit_micros,
        terms.tax_ppm,
    )


@given(RATES, DURATIONS_MS)
def test_the_charge_is_what_the_independent_rater_says(rate: Rate, duration_ms: int) -> None:
    owed, price = charge(rate, duration_ms), oracle(rate)
    assert owed.billed_seconds == rater.billed_seconds(duration_ms, price)
    assert owed.micros == rater.charge_micros(duration_ms, price)
    assert owed.tax_micros == rater.tax_micros(owed.micros - owed.tax_micros, price)


@given(RATES, DURATIONS_MS)
def test_billed_seconds_are_the_least_whole_increments_that_cover_the_call(
    rate: Rate, duration_ms: int
) -> None:
    billed = charge(rate, duration_ms).billed_seconds
    if not billed:
        assert duration_ms <= rate.grace_seconds * 1000
        return
    slack = {Rounding.UP: 0, Rounding.HALF_UP: 500, Rounding.DOWN: 999}[rate.terms.time_rounding]
    covered = max(duration_ms - slack, rate.minimum_seconds * 1000)
    assert billed * 1000 >= covered
    assert (billed - rate.initial_seconds) % rate.next_seconds == 0
    assert billed == rate.initial_seconds or (billed - rate.next_seconds) * 1000 < max(
        duration_ms + 500, covered
    )


@given(RATES, DURATIONS_MS, st.integers(0, 10**6))
def test_a_longer_call_never_costs_less(rate: Rate, duration_ms: int, more_ms: int) -> None:
    assert charge(rate, duration_ms).micros <= charge(rate, duration_ms + more_ms).micros


@given(RATES, MONEY)
def test_the_longest_call_is_paid_for_and_one_second_more_is_not(rate: Rate, micros: int) -> None:
    longest = max_seconds(rate, micros)
    if longest is None:
        assert cost_of(rate, 10**9) <= micros
    elif longest == 0:
        assert cost_of(rate, 1) > micros
    else:
        assert cost_of(rate, longest) <= micros < cost_of(rate, longest + 1)


@given(RATES, st.integers(0, 20_000), st.integers(0, 5))
def test_the_very_amount_that_a_call_costs_pays_for_it(rate: Rate, seconds: int, less: int) -> None:
    """Where rounding turns over: exactly the cost is enough, a micro-unit less is not."""
    micros = cost_of(rate, seconds)
    longest = max_seconds(rate, micros)
    assert longest is None or longest >= seconds
    if less and micros - less >= 0:
        shorter = max_seconds(rate, micros - less)
        assert shorter is not None
        assert shorter < seconds or seconds == 0


@given(RATES, MONEY, st.integers(0, 10**9))
def test_more_money_never_buys_a_shorter_call(rate: Rate, micros: int, more: int) -> None:
    short, long = max_seconds(rate, micros), max_seconds(rate, micros + more)
    assert long is None or (short is not None and short <= long)


@given(RATES, DURATIONS_MS, MONEY)
def test_what_is_cut_at_the_longest_call_never_costs_more_than_there_was(
    rate: Rate, duration_ms: int, micros: int
) -> None:
    """L-10: the charge of any call that ends by the granted second is covered."""
    longest = max_seconds(rate, micros)
    if longest is None or longest > 0:
        ends_ms = duration_ms if longest is None else min(duration_ms, longest * 1000)
        assert charge(rate, ends_ms).micros <= micros


@given(RATES, st.lists(st.integers(1, 300), max_size=20))
def test_slices_add_up_to_the_whole(rate: Rate, slices: list[int]) -> None:
    """What is held by renewals, slice after slice, is what the call costs in the end; none is negative."""
    held, until = cost_of(rate, 60), 60
    for seconds in slices:
        more = cost_of(rate, until + seconds) - cost_of(rate, until)
        assert more >= 0
        held, until = held + more, until + seconds
    assert held == cost_of(rate, until) >= charge(rate, until * 1000 - 1).micros
