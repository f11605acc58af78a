"""The arithmetic of charges, by the formula of design section 7."""

from __future__ import annotations

import pytest

from sipguard.model.rate import Rate, Rounding, Terms, Tier
from sipguard.policy.rating import Charge, billed_seconds, charge, cost_of, max_seconds
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
    assert charge(by, duration_ms) == (billed, micros, 0)  # type: ignore[arg-type]


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


def seconds_at(price: int = 60, **more: object) -> Rate:
    """1/1, by default a micro-unit per second."""
    return rate(1, 1, price=price, **more)


@pytest.mark.parametrize(
    ("by", "duration_ms", "owed"),
    [
        pytest.param(seconds_at(fee=5, grace_seconds=3), 3_000, Charge(0, 0, 0), id="within the grace"),
        pytest.param(seconds_at(fee=5, grace_seconds=3), 3_001, Charge(4, 9, 0), id="a moment beyond it"),
        pytest.param(seconds_at(fee=5, grace_seconds=0), 0, Charge(1, 6, 0), id="no grace, no free call"),
        pytest.param(seconds_at(minimum_seconds=30), 5_000, Charge(30, 30, 0), id="minimum seconds"),
        pytest.param(
            seconds_at(initial=12, following=12, minimum_seconds=30),
            5_000,
            Charge(36, 36, 0),
            id="minimum seconds, in whole increments",
        ),
        pytest.param(seconds_at(minimum_micros=100), 5_000, Charge(5, 100, 0), id="minimum charge"),
        pytest.param(seconds_at(minimum_micros=100), 200_000, Charge(200, 200, 0), id="above the minimum"),
        pytest.param(
            seconds_at(tiers=(Tier(60, 30), Tier(120, 0))), 59_000, Charge(59, 59, 0), id="before the tier"
        ),
        pytest.param(
            seconds_at(tiers=(Tier(60, 30), Tier(120, 0))), 90_000, Charge(90, 75, 0), id="in the tier"
        ),
        pytest.param(
            seconds_at(tiers=(Tier(60, 30), Tier(120, 0))), 999_000, Charge(999, 90, 0), id="free at last"
        ),
        pytest.param(
            seconds_at(initial=60, following=60, tiers=(Tier(90, 0),)),
            61_000,
            Charge(120, 90, 0),
            id="a tier that begins inside an increment",
        ),
        pytest.param(seconds_at(terms=Terms(Rounding.UP)), 1_001, Charge(2, 2, 0), id="time up"),
        pytest.param(seconds_at(terms=Terms(Rounding.HALF_UP)), 1_499, Charge(1, 1, 0), id="time half up"),
        pytest.param(seconds_at(terms=Terms(Rounding.HALF_UP)), 1_500, Charge(2, 2, 0), id="time at half"),
        pytest.param(seconds_at(terms=Terms(Rounding.DOWN)), 1_999, Charge(1, 1, 0), id="time down"),
        pytest.param(
            seconds_at(terms=Terms(money_rounding=Rounding.UP, money_unit_micros=10)),
            11_000,
            Charge(11, 20, 0),
            id="money up to tens",
        ),
        pytest.param(
            seconds_at(terms=Terms(money_rounding=Rounding.DOWN, money_unit_micros=10)),
            19_000,
            Charge(19, 10, 0),
            id="money down to tens",
        ),
        pytest.param(
            seconds_at(terms=Terms(money_unit_micros=10)), 15_000, Charge(15, 20, 0), id="money half up"
        ),
        pytest.param(seconds_at(terms=Terms(tax_ppm=150_000)), 100_000, Charge(100, 115, 15), id="15 % tax"),
        pytest.param(
            seconds_at(terms=Terms(tax_ppm=150_000, money_unit_micros=10)),
            100_000,
            Charge(100, 120, 20),
            id="tax is rounded as the price is",
        ),
        pytest.param(
            seconds_at(terms=Terms(tax_ppm=500_000), minimum_micros=10),
            1_000,
            Charge(1, 15, 5),
            id="the minimum is before tax",
        ),
    ],
)
def test_options_by_hand(by: Rate, duration_ms: int, owed: Charge) -> None:
    assert charge(by, duration_ms) == owed


@pytest.mark.parametrize(
    ("by", "micros", "seconds"),
    [
        (seconds_at(grace_seconds=3), 0, 3),
        (seconds_at(grace_seconds=3), -1, 0),
        (seconds_at(grace_seconds=3), 4, 4),
        (seconds_at(minimum_micros=10), 9, 0),
        (seconds_at(minimum_micros=10), 10, 10),
        (seconds_at(minimum_seconds=10), 9, 0),
        (seconds_at(minimum_seconds=10), 11, 11),
        (seconds_at(tiers=(Tier(60, 30),)), 59, 59),
        (seconds_at(tiers=(Tier(60, 30),)), 61, 62),
        (seconds_at(tiers=(Tier(60, 0),)), 59, 59),
        (seconds_at(tiers=(Tier(60, 0),)), 60, None),
        (seconds_at(terms=Terms(tax_ppm=150_000)), 115, 100),
        (seconds_at(terms=Terms(tax_ppm=150_000)), 113, 98),
        (seconds_at(terms=Terms(money_unit_micros=10, money_rounding=Rounding.UP)), 19, 10),
        (seconds_at(terms=Terms(money_unit_micros=10, money_rounding=Rounding.DOWN)), 19, 19),
        (seconds_at(terms=Terms(money_unit_micros=10)), 19, 14),
    ],
)
def test_the_longest_call_with_options(by: Rate, micros: int, seconds: int | None) -> None:
    assert max_seconds(by, micros) == seconds
