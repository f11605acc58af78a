"""When a row counts: hours and days on the clock of a zone, dates, and which of several rows comes first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipguard.model.rate import ALL_DAYS, ALWAYS, Rate, RateTable, Window, check_window
from sipguard.policy.decide import Moment
from sipguard.policy.window import first_open, is_open, zone_of
from tests.policy.world import ACME, LONDON, World, rate

DHAKA, NEW_YORK = zone_of("Asia/Dhaka"), zone_of("America/New_York")
WEEKDAYS, SUNDAY = 0b001_1111, 0b100_0000
PEAK = Window(days=WEEKDAYS, from_minute=8 * 60, till_minute=20 * 60)
NIGHT = Window(from_minute=22 * 60, till_minute=6 * 60)
SUNDAY_NIGHT = NIGHT._replace(days=SUNDAY)


def ms(text: str) -> int:
    """UTC unless the text has an offset."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("window", "zone", "at", "expected"),
    [
        (ALWAYS, UTC, "1970-01-01T00:00", True),
        # 2026-11-23 is a Monday.
        (PEAK, UTC, "2026-11-23T08:00", True),
        (PEAK, UTC, "2026-11-23T07:59:59.999", False),
        (PEAK, UTC, "2026-11-23T19:59:59.999", True),
        (PEAK, UTC, "2026-11-23T20:00", False),
        (PEAK, UTC, "2026-11-22T12:00", False),
        (PEAK, DHAKA, "2026-11-23T02:00", True),
        (PEAK, DHAKA, "2026-11-23T14:00", False),
        (PEAK, DHAKA, "2026-11-27T13:59", True),
        (PEAK, DHAKA, "2026-11-22T23:00", False),
        (NIGHT, UTC, "2026-11-23T22:00", True),
        (NIGHT, UTC, "2026-11-23T00:00", True),
        (NIGHT, UTC, "2026-11-23T05:59", True),
        (NIGHT, UTC, "2026-11-23T06:00", False),
        (SUNDAY_NIGHT, UTC, "2026-11-22T23:00", True),
        (SUNDAY_NIGHT, UTC, "2026-11-23T05:59", True),  # Monday morning belongs to Sunday's night
        (SUNDAY_NIGHT, UTC, "2026-11-22T05:59", False),  # Sunday morning to Saturday's
        # On 2026-11-01 New York sets its clock back at 02:00 EDT: 01:30 comes twice.
        (Window(from_minute=60, till_minute=120), NEW_YORK, "2026-11-01T01:30-04:00", True),
        (Window(from_minute=60, till_minute=120), NEW_YORK, "2026-11-01T01:30-05:00", True),
        (Window(from_minute=60, till_minute=120), NEW_YORK, "2026-11-01T02:00-05:00", False),
        (Window(valid_from=100), UTC, "1970-01-01T00:01:39.999", False),
        (Window(valid_from=100), UTC, "1970-01-01T00:01:40", True),
        (Window(valid_till=100), UTC, "1970-01-01T00:01:39.999", True),
        (Window(valid_till=100), UTC, "1970-01-01T00:01:40", False),
    ],
)
def test_open(window: Window, zone: object, at: str, expected: bool) -> None:
    assert is_open(window, ms(at), zone) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "window",
    [
        Window(from_minute=5, till_minute=5),
        Window(from_minute=-1),
        Window(from_minute=1440),
        Window(till_minute=1441),
        Window(days=0),
        Window(days=128),
        Window(valid_from=5, valid_till=5),
    ],
)
def test_a_window_that_means_nothing_is_refused(window: Window) -> None:
    with pytest.raises(ValueError, match=r"hours|days|valid"):
        check_window(window)


def test_an_unknown_zone_is_named() -> None:
    for name in ("Asia/Dacca2", "../etc/passwd", ""):
        with pytest.raises(ValueError, match="no time zone"):
            zone_of(name)


PEAK_RATE = rate(1, 13, "44", price=90_000, window=PEAK)
OTHER_HOURS = rate(2, 13, "44", price=30_000)
RAISED = rate(3, 13, "44", price=45_000, window=Window(valid_from=ms("2026-12-01") // 1000))
LONDON_SUNDAY = rate(4, 13, "4420", price=10_000, window=Window(days=SUNDAY))


def buys_at(world: World, at: str) -> int:
    """What acme's minute costs at a moment."""
    found = world.permit(LONDON, now=Moment(ms(at), 0)).levels[0].rate
    assert found is not None
    return found.rate_micros


def trade(*rates: Rate, zone: str = "UTC", **table: object) -> World:
    """acme (table 13) buys by `rates`; the others by what they had."""
    world = World(rates=[rate(11, 11, price=1), rate(12, 12, price=1), *rates])
    world.tables = [RateTable(*each[:3], **table) if each.key == 13 else each for each in world.tables]
    return world.change(ACME, time_zone=zone)


def test_a_call_is_priced_by_its_start() -> None:
    world = trade(PEAK_RATE, OTHER_HOURS, RAISED, LONDON_SUNDAY)
    assert buys_at(world, "2026-11-23T12:00") == 90_000
    assert buys_at(world, "2026-11-23T21:00") == 30_000
    assert buys_at(world, "2026-12-01T00:00") == 45_000  # the newest date counts among rows of all hours
    assert buys_at(world, "2026-12-01T12:00") == 90_000  # hours and days before the whole week
    assert buys_at(world, "2026-11-22T12:00") == 10_000
    assert buys_at(world, "2026-11-22T23:59:59.999") == 10_000


def test_the_clock_is_that_of_the_account_unless_the_table_has_its_own() -> None:
    assert buys_at(trade(PEAK_RATE, OTHER_HOURS, zone="Asia/Dhaka"), "2026-11-23T03:00") == 90_000
    assert buys_at(trade(PEAK_RATE, OTHER_HOURS, time_zone="Asia/Dhaka"), "2026-11-23T03:00") == 90_000
    world = trade(PEAK_RATE, OTHER_HOURS, zone="Asia/Dhaka", time_zone="America/New_York")
    assert buys_at(world, "2026-11-23T03:00") == 30_000


def test_a_number_whose_rows_are_all_closed_has_no_rate() -> None:
    world = trade(PEAK_RATE)
    refusal = world.refusal(now=Moment(ms("2026-11-23T21:00"), 0))
    assert (refusal.reason, refusal.level) == ("no_rate", "acme")


@pytest.mark.parametrize("other", [rate(2, 13, "44"), rate(2, 13, "44", window=PEAK)])
def test_a_row_given_twice_is_refused(other: Rate) -> None:
    with pytest.raises(ValueError, match=r"rates: "):
        trade(rate(1, 13, "44", window=other.window), other).directory()


WINDOWS = st.builds(
    Window,
    valid_from=st.sampled_from([0, 1_000_000, 2_000_000]),
    valid_till=st.sampled_from([None, 3_000_000]),
    days=st.sampled_from([ALL_DAYS, WEEKDAYS, SUNDAY]),
    from_minute=st.sampled_from([0, 600, 1200]),
    till_minute=st.sampled_from([1440, 300]),
)


@given(
    st.lists(st.tuples(st.sampled_from(["", "4", "44", "442"]), WINDOWS), max_size=12),
    st.integers(0, 4_000_000_000),
    st.sampled_from([UTC, DHAKA]),
)
def test_the_columns_find_what_a_plain_search_finds(
    given_rows: Iterable[tuple[str, Window]], unix_ms: int, zone: object
) -> None:
    unique = {(prefix, window._replace(valid_till=None)): window for prefix, window in given_rows}
    rows = [
        rate(key, 13, prefix, price=key, window=window)
        for key, ((prefix, _), window) in enumerate(unique.items(), 1)
    ]
    rates = trade(*rows).directory().rates
    priced = rates.find(13, LONDON, unix_ms, zone, 0)  # type: ignore[arg-type]
    assert (priced and priced.rate) == first_open(rows, unix_ms, zone)  # type: ignore[arg-type]
