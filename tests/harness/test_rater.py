"""The oracle itself, against sums done by hand."""

from __future__ import annotations

import pytest

from tests.harness.rater import Price, billed_seconds, charge_micros


@pytest.mark.parametrize(
    ("duration_ms", "initial", "following", "seconds"),
    [
        (45_000, 30, 60, 90),
        (120_000, 60, 60, 120),
        (120_001, 60, 60, 180),
        (0, 60, 60, 60),
        (1, 1, 1, 1),
        (1_000, 1, 1, 1),
        (1_001, 1, 1, 2),
        (30_000, 30, 6, 30),
        (30_001, 30, 6, 36),
    ],
)
def test_billed_seconds(duration_ms: int, initial: int, following: int, seconds: int) -> None:
    assert billed_seconds(duration_ms, Price(0, initial, following, 1)) == seconds


@pytest.mark.parametrize(
    ("duration_ms", "price", "micros"),
    [
        (60_000, Price(100_000, 60, 60, 1_200_000), 1_300_000),
        (1_000, Price(0, 1, 1, 30), 1),  # half a micro-unit goes up
        (1_000, Price(0, 1, 1, 29), 0),
        (3_000, Price(0, 1, 1, 333_333), 16_667),  # rounded once: 3 x 5,555.55
        (3_000, Price(9, 1, 1, 60, grace_seconds=3), 0),
        (3_001, Price(9, 1, 1, 60, grace_seconds=3), 13),
        (90_000, Price(0, 1, 1, 600, tiers=((60, 60),)), 630),
        (1_000, Price(0, 1, 1, 60, minimum_seconds=10), 10),
        (1_000, Price(0, 1, 1, 60, minimum_micros=7), 7),
        (1_499, Price(0, 1, 1, 60, time_rounding="half_up"), 1),
        (1_999, Price(0, 1, 1, 60, time_rounding="down"), 1),
        (1_000, Price(0, 1, 1, 660, money_rounding="up", money_unit_micros=10), 20),
        (1_000, Price(0, 1, 1, 60_000, tax_ppm=75_000), 1_075),
    ],
)
def test_charge(duration_ms: int, price: Price, micros: int) -> None:
    assert charge_micros(duration_ms, price) == micros
