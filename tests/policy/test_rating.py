"""The arithmetic of charges, by the formula of design section 7."""

from __future__ import annotations

import pytest

from sipguard.policy.rating import billed_seconds, charge, cost_of, max_seconds
from tests.policy.world import rate

MINUTE = 1_000_000
HALF_MINUTES = rate(1, 1, price=MINUTE, initial=30, following=60)
WHOLE_MINUTES = rate(1, 1, price=MINUTE, initial=60, following=60)
SECONDS = rate(1, 1, price=MINUTE, initial=1, following=1)
SIXES = rate(1, 1, price=MINUTE, fee=50_000, initial=30, following=6)


@pytest.mark.parametrize(
    ("by", "duration_ms", "billed", "micros"),
    [
        (HALF_MINUTES, 45_000, 90, 1_500_000),
        (HALF_MINUTES, 30_000, 30, 500_000),
        (HALF_MINUTES, 30_001, 90, 1_500_000),
        (WHOLE_MINUTES, 120_000, 120, 2_000_000),
        (WHOLE_MINUTES, 120_001, 180, 3_000_000),
        (WHOLE_MINUTES, 0, 60, 1_000_000),
        (SECONDS, 0, 1, 16_667),
        (SECONDS, 1, 1, 16_667),
        (SECONDS, 61_000, 61, 1_016_667),
        (SIXES, 31_000, 36, 650_000),
        (SIXES, 0, 30, 550_000),
    ],
)
def test_charges_by_hand(by: object, duration_ms: int, billed: int, micros: int) -> None:
    assert charge(by, duration_ms) == (billed, micros)  # type: ignore[arg-type]


def test_rounds_once_and_half_up() -> None:
    # 1 s at 30 micro-units per minute is half a micro-unit; 3 s are one and a half.
    tiny = rate(1, 1, price=30)
    assert [cost_of(tiny, seconds) for seconds in (1, 2, 3, 4)] == [1, 1, 2, 2]
    assert cost_of(rate(1, 1, price=29), 1) == 0


def test_a_negative_duration_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        charge(SECONDS, -1)


@pytest.mark.parametrize(
    ("by", "micros", "seconds"),
    [
        (HALF_MINUTES, 1_500_000, 90),
        (HALF_MINUTES, 1_499_999, 30),
        (HALF_MINUTES, 499_999, 0),
        (WHOLE_MINUTES, 999_999, 0),
        (WHOLE_MINUTES, 1_000_000, 60),
        (SIXES, 49_999, 0),
        (SIXES, 650_000, 36),
        (SIXES, -1, 0),
        (rate(1, 1, price=30), 0, 0),
        (rate(1, 1, price=30), 1, 2),
        (rate(1, 1, price=0), 0, None),
        (rate(1, 1, price=0, fee=5), 5, None),
        (rate(1, 1, price=0, fee=5), 4, 0),
    ],
)
def test_the_longest_call_that_money_buys(by: object, micros: int, seconds: int | None) -> None:
    assert max_seconds(by, micros) == seconds  # type: ignore[arg-type]


def test_increments_are_owed_whole() -> None:
    assert [billed_seconds(SIXES, seconds) for seconds in (0, 30, 31, 36, 37)] == [30, 30, 36, 36, 42]
