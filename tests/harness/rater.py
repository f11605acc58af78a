"""What a call should have cost, said a second time: fractions, no code of sipguard's."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

HALF = Fraction(1, 2)
ROUND = {"up": ceil, "down": floor, "half_up": lambda exact: floor(exact + HALF)}


class Price(NamedTuple):
    """A row of a rate table with the rules of its table. Money in micro-units, rates per minute."""

    connect_fee_micros: int
    initial_seconds: int
    next_seconds: int
    rate_micros: int
    grace_seconds: int = 0
    minimum_seconds: int = 0
    minimum_micros: int = 0
    tiers: tuple[tuple[int, int], ...] = ()
    time_rounding: str = "up"
    money_rounding: str = "half_up"
    money_unit_micros: int = 1
    tax_ppm: int = 0


def billed_seconds(duration_ms: int, price: Price) -> int:
    """Nothing within the grace; else the first increment whole, then every started next one."""
    if price.grace_seconds and Fraction(duration_ms, 1000) <= price.grace_seconds:
        return 0
    seconds = ROUND[price.time_rounding](Fraction(duration_ms, 1000))
    billed = price.initial_seconds
    started = Fraction(max(seconds, price.minimum_seconds) - billed, price.next_seconds)
    return billed + max(0, ceil(started)) * price.next_seconds


def tax_micros(net_micros: int, price: Price) -> int:
    """Rounded as the price is."""
    return _rounded(Fraction(net_micros * price.tax_ppm, 1_000_000), price)


def charge_micros(duration_ms: int, price: Price) -> int:
    """All that is owed, tax included: each tier's share of the billed time, rounded once and at the end."""
    billed = billed_seconds(duration_ms, price)
    if not billed:
        return 0
    starts = [0, *(after for after, _ in price.tiers)]
    ends = [*starts[1:], billed]
    rates = [price.rate_micros, *(rate for _, rate in price.tiers)]
    shares = [max(0, min(end, billed) - start) for start, end in zip(starts, ends, strict=True)]
    minutes = sum(Fraction(share, 60) * rate for share, rate in zip(shares, rates, strict=True))
    net = max(price.minimum_micros, _rounded(price.connect_fee_micros + minutes, price))
    return net + tax_micros(net, price)


def _rounded(exact: Fraction, price: Price) -> int:
    return ROUND[price.money_rounding](exact / price.money_unit_micros) * price.money_unit_micros
