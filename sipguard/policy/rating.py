"""What a call costs: the one arithmetic that admits, extends, cuts and bills. Integers only.

An answered call that was no longer than the grace costs nothing. Any other, step by step:

    duration   rounded to whole seconds, then at least the minimum seconds
    billed     initial increment, then as many next increments as it takes; owed whole, however short the call
    price      connect fee + billed time at the rate of each tier, rounded once; at least the minimum charge
    tax        on that price, rounded by the same rule; on top

`max_seconds` is the inverse of `cost_of`, exact: each step is turned around by itself.
"""

from __future__ import annotations

from typing import NamedTuple

from sipguard.model.money import Micros
from sipguard.model.rate import PPM, Rate, Rounding, Terms

_MINUTE = 60
# Looked up once: a member of an enum costs as much to name as a division.
_UP, _DOWN = Rounding.UP, Rounding.DOWN


class Charge(NamedTuple):
    """What a level owes for a call."""

    billed_seconds: int
    micros: Micros
    """All of it, tax included."""
    tax_micros: Micros
    """The part of `micros` that is tax."""


def charge(rate: Rate, duration_ms: int) -> Charge:
    """The charge of an answered call that lasted `duration_ms` (0 is a call, too)."""
    assert duration_ms >= 0, f"a call of {duration_ms} ms"
    if 0 < rate.grace_seconds * 1000 >= duration_ms:
        return Charge(0, 0, 0)
    terms = rate.terms
    billed = billed_seconds(rate, _divided(duration_ms, 1000, terms.time_rounding))
    net = _price(rate, billed)
    tax = _tax(net, terms)
    return Charge(billed, net + tax, tax)


def cost_of(rate: Rate, seconds: int) -> Micros:
    """What an answered call of up to `seconds` costs, tax included; what has to be held for it."""
    return charge(rate, seconds * 1000).micros


def billed_seconds(rate: Rate, seconds: int) -> int:
    """`seconds` of a call beyond its grace, at least the minimum, rounded up to the increments."""
    beyond = max(seconds, rate.minimum_seconds) - rate.initial_seconds
    if beyond <= 0:
        return rate.initial_seconds
    return rate.initial_seconds + -(-beyond // rate.next_seconds) * rate.next_seconds


def dearest(rate: Rate) -> Micros:
    """The highest price per minute of all tiers."""
    if not rate.tiers:
        return rate.rate_micros
    return max(rate.rate_micros, *(tier.rate_micros for tier in rate.tiers))


def rate_at(rate: Rate, second: int) -> Micros:
    """The price per minute that holds from `second` of the billed time on."""
    price = rate.rate_micros
    for tier in rate.tiers:
        if tier.after_seconds > second:
            break
        price = tier.rate_micros
    return price


def max_seconds(rate: Rate, micros: Micros) -> int | None:
    """The longest call that `micros` pays for, floored on the increments; None: without end (a free rate).

    0 where not even the first increment is paid for. `cost_of(rate, max_seconds(rate, m)) <= m`, and one
    second more costs more than m. The grace is paid for by nothing, as long as m is not negative.
    """
    if micros < 0:
        return 0
    terms = rate.terms
    net = _before_tax(micros, terms)
    if net < rate.minimum_micros:
        return rate.grace_seconds
    affordable = _affordable(rate, _before_rounding(net, terms) - _MINUTE * rate.connect_fee_micros)
    if affordable is None:
        return None
    if affordable < billed_seconds(rate, 0):
        return rate.grace_seconds
    longest = affordable - (affordable - rate.initial_seconds) % rate.next_seconds
    return max(longest, rate.grace_seconds)


def _price(rate: Rate, billed: int) -> Micros:
    """Price of billed seconds before tax."""
    sixtieths = _MINUTE * rate.connect_fee_micros
    if rate.tiers:
        start, price = 0, rate.rate_micros
        for after, next_price in rate.tiers:
            if after >= billed:
                break
            sixtieths += (after - start) * price
            start, price = after, next_price
        sixtieths += (billed - start) * price
    else:
        sixtieths += billed * rate.rate_micros
    return max(_rounded(sixtieths, _MINUTE, rate.terms), rate.minimum_micros)


def _tax(net: Micros, terms: Terms) -> Micros:
    return _rounded(net * terms.tax_ppm, PPM, terms) if terms.tax_ppm else 0


def _rounded(parts: int, per_micro: int, terms: Terms) -> Micros:
    """So many parts of a micro-unit, rounded once to the unit of the table."""
    unit = terms.money_unit_micros
    return _divided(parts, per_micro * unit, terms.money_rounding) * unit


def _divided(value: int, by: int, rounding: Rounding) -> int:
    if rounding is _UP:
        return -(-value // by)
    if rounding is _DOWN:
        return value // by
    return (2 * value + by) // (2 * by)


def _before_tax(micros: Micros, terms: Terms) -> Micros:
    """The greatest price that costs at most `micros` with its tax."""
    if not terms.tax_ppm:
        return micros
    # Rounding moves the tax by less than one unit: the answer lies within it of the unrounded one.
    low = max(0, (micros - terms.money_unit_micros) * PPM // (PPM + terms.tax_ppm))
    high = (micros + terms.money_unit_micros) * PPM // (PPM + terms.tax_ppm) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if middle + _tax(middle, terms) <= micros:
            low = middle
        else:
            high = middle
    return low


def _before_rounding(net: Micros, terms: Terms) -> int:
    """The most sixtieths of a micro-unit that `_rounded` makes no more than `net` of."""
    unit = _MINUTE * terms.money_unit_micros
    whole = net // terms.money_unit_micros * unit
    if terms.money_rounding is _UP:
        return whole
    if terms.money_rounding is _DOWN:
        return whole + unit - 1
    return whole + (unit - 1) // 2


def _affordable(rate: Rate, sixtieths: int) -> int | None:
    """The most billed seconds that cost no more than so many sixtieths, tier by tier; None: without end.

    Less than any billed time where not even the connect fee was covered.
    """
    if sixtieths < 0:
        return 0
    start, price = 0, rate.rate_micros
    for after, next_price in rate.tiers:
        cost = (after - start) * price
        if cost > sixtieths:
            return start + sixtieths // price
        sixtieths -= cost
        start, price = after, next_price
    return start + sixtieths // price if price else None
