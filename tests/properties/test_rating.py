"""Charges against the formula in exact fractions; the longest call against the charge."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from hypothesis import given
from hypothesis import strategies as st

from sipguard.model.rate import Rate
from sipguard.policy.rating import charge, cost_of, max_seconds

RATES = st.builds(
    Rate,
    key=st.just(1),
    table_key=st.just(1),
    prefix=st.just(""),
    destination=st.just(""),
    connect_fee_micros=st.integers(0, 10**7),
    initial_seconds=st.integers(1, 200),
    next_seconds=st.integers(1, 200),
    rate_micros=st.one_of(st.integers(0, 100), st.integers(0, 10**9)),
)
DURATIONS_MS = st.integers(0, 10**8)


def formula(rate: Rate, duration_ms: int) -> Fraction:
    """Design section 7, in minutes and not in seconds, as a price list is read."""
    seconds = ceil(Fraction(duration_ms, 1000))
    steps = max(0, ceil(Fraction(seconds - rate.initial_seconds, rate.next_seconds)))
    minutes = Fraction(rate.initial_seconds + steps * rate.next_seconds, 60)
    return rate.connect_fee_micros + minutes * rate.rate_micros


@given(RATES, DURATIONS_MS)
def test_the_charge_is_the_formula_rounded_half_up(rate: Rate, duration_ms: int) -> None:
    assert charge(rate, duration_ms)[1] == floor(formula(rate, duration_ms) + Fraction(1, 2))


@given(RATES, DURATIONS_MS)
def test_billed_seconds_are_the_least_whole_increments_that_cover_the_call(
    rate: Rate, duration_ms: int
) -> None:
    billed, _ = charge(rate, duration_ms)
    assert billed * 1000 >= duration_ms
    assert (billed - rate.initial_seconds) % rate.next_seconds == 0
    assert billed == rate.initial_seconds or (billed - rate.next_seconds) * 1000 < duration_ms


@given(RATES, DURATIONS_MS, st.integers(0, 10**6))
def test_a_longer_call_never_costs_less(rate: Rate, duration_ms: int, more_ms: int) -> None:
    assert charge(rate, duration_ms)[1] <= charge(rate, duration_ms + more_ms)[1]


@given(RATES, st.integers(-10, 10**9))
def test_the_longest_call_is_paid_for_and_one_increment_more_is_not(rate: Rate, micros: int) -> None:
    longest = max_seconds(rate, micros)
    if longest is None:
        assert cost_of(rate, 10**9) <= micros
    elif longest == 0:
        assert cost_of(rate, 1) > micros
    else:
        assert cost_of(rate, longest) <= micros < cost_of(rate, longest + 1)


@given(RATES, DURATIONS_MS, st.integers(0, 10**9))
def test_what_is_cut_at_the_longest_call_never_costs_more_than_there_was(
    rate: Rate, duration_ms: int, micros: int
) -> None:
    """L-10: the charge of any call that ends by the granted second is covered."""
    longest = max_seconds(rate, micros)
    if longest is not None and longest > 0 and duration_ms <= longest * 1000:
        assert charge(rate, duration_ms)[1] <= micros
