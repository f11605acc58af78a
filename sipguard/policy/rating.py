"""What a call costs: the one arithmetic that admits, extends, cuts and bills. Integers only.

A call of d seconds at a rate of r per minute, with initial increment I and next increment N, costs

    connect fee + I*r/60 + ceil((d - I)/N)*N*r/60        (the last term only where d > I)

rounded once at the end, half up, to the micro-unit. Every answered call owes its first increment, however
short it was; durations are rounded up to whole seconds first.
"""

from __future__ import annotations

from sipguard.model.money import Micros
from sipguard.model.rate import Rate


def charge(rate: Rate, duration_ms: int) -> tuple[int, Micros]:
    """Billed seconds and charge of an answered call that lasted `duration_ms` (0 is a call, too)."""
    assert duration_ms >= 0, f"a call of {duration_ms} ms"
    billed = billed_seconds(rate, -(-duration_ms // 1000))
    return billed, _price(rate, billed)


def cost_of(rate: Rate, seconds: int) -> Micros:
    """What an answered call of up to `seconds` costs; what has to be held for it."""
    return _price(rate, billed_seconds(rate, seconds))


def billed_seconds(rate: Rate, seconds: int) -> int:
    """`seconds` rounded up to the increments of the rate."""
    beyond = seconds - rate.initial_seconds
    if beyond <= 0:
        return rate.initial_seconds
    return rate.initial_seconds + -(-beyond // rate.next_seconds) * rate.next_seconds


def max_seconds(rate: Rate, micros: Micros) -> int | None:
    """The longest call that `micros` pays for, floored on the increments; None: without end (a free rate).

    0 where not even the first increment is paid for. `cost_of(rate, max_seconds(rate, m)) <= m`, and one
    increment more costs more than m.
    """
    left = micros - rate.connect_fee_micros
    if left < 0:
        return 0
    if rate.rate_micros == 0:
        return None
    # (s*r + 30) // 60 <= left  <=>  s*r <= 60*left + 29: the rounding of _price, turned around.
    affordable = (60 * left + 29) // rate.rate_micros
    if affordable < rate.initial_seconds:
        return 0
    return affordable - (affordable - rate.initial_seconds) % rate.next_seconds


def _price(rate: Rate, billed: int) -> Micros:
    return rate.connect_fee_micros + (billed * rate.rate_micros + 30) // 60
