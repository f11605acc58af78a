"""What a call should have cost, said a second time: fractions, no code of sipguard's."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple


class Price(NamedTuple):
    """A row of a rate table. Money in micro-units, the rate per minute."""

    connect_fee_micros: int
    initial_seconds: int
    next_seconds: int
    rate_micros: int


def billed_seconds(duration_ms: int, price: Price) -> int:
    """The first increment whole, then every started next one."""
    beyond = Fraction(duration_ms, 1000) - price.initial_seconds
    return price.initial_seconds + max(0, ceil(beyond / price.next_seconds)) * price.next_seconds


def charge_micros(duration_ms: int, price: Price) -> int:
    """Fee and billed time, rounded half up to the micro-unit, once and at the end."""
    exact = price.connect_fee_micros + Fraction(billed_seconds(duration_ms, price) * price.rate_micros, 60)
    return floor(exact + Fraction(1, 2))
