"""What a minute costs: rate tables, their rows, and when a row counts."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sipguard.model.money import Micros

PPM = 1_000_000
"""A whole in parts per million, by which tax is given."""

ALL_DAYS = 0b111_1111
DAY_MINUTES = 24 * 60


class Rounding(StrEnum):
    """Where a value goes that lies between two steps. Durations and amounts are never negative."""

    UP = "up"
    HALF_UP = "half_up"
    DOWN = "down"


class Terms(NamedTuple):
    """How the prices of a table become a charge: the same for all of its rows."""

    time_rounding: Rounding = Rounding.UP
    """Milliseconds to whole seconds, before the increments."""
    money_rounding: Rounding = Rounding.HALF_UP
    """To `money_unit_micros`: of the price once, at its end, and of the tax on it."""
    money_unit_micros: Micros = 1
    """Smallest amount that is charged, at least 1: 10_000 is a hundredth of the currency."""
    tax_ppm: int = 0
    """Tax on top of the price, in parts per million; it is the buyer's (Account.tax_ppm), not the table's."""


PLAIN_TERMS = Terms()


class Window(NamedTuple):
    """When a row counts. A call is priced by the moment of its INVITE."""

    valid_from: int = 0
    """Unix seconds, inclusive; 0: since ever."""
    valid_till: int | None = None
    """Unix seconds, exclusive."""
    days: int = ALL_DAYS
    """Days of the week as bits, Monday the lowest; a window over midnight belongs to the day it begins on."""
    from_minute: int = 0
    """Minute of the local day, inclusive, 0 to 1439."""
    till_minute: int = DAY_MINUTES
    """Exclusive, 1 to 1440; less than `from_minute`: on the next day."""


ALWAYS = Window()


class Tier(NamedTuple):
    """Another price for the rest of a long call."""

    after_seconds: int
    """From this second of the billed time on, at least 1."""
    rate_micros: Micros
    """Price per minute."""


class RateTable(NamedTuple):
    """A named price list in one currency."""

    key: int
    id: str
    currency: str
    time_rounding: Rounding = Rounding.UP
    money_rounding: Rounding = Rounding.HALF_UP
    money_unit_micros: Micros = 1
    time_zone: str | None = None
    """IANA name of the zone that its hours and days are in; None: that of the account that buys by it, and
    UTC where a vendor charges by it."""


class Rate(NamedTuple):
    """One row of a rate table: the price of calls to numbers that start with `prefix`.

    A tuple and not a dataclass: directories of ten million rows build these on demand. It is kept with
    every live call (calls/saved.py), by position: new fields go to the end and have a default.
    """

    key: int
    table_key: int
    prefix: str
    destination: str
    connect_fee_micros: Micros
    initial_seconds: int
    """First billing increment, at least 1."""
    next_seconds: int
    """Every later increment, at least 1."""
    rate_micros: Micros
    """Price per minute, until the first tier."""
    grace_seconds: int = 0
    """A call no longer than this costs nothing, not even its fee."""
    minimum_seconds: int = 0
    """Billed at least, then rounded up to the increments."""
    minimum_micros: Micros = 0
    """Charged at least, before tax."""
    tiers: tuple[Tier, ...] = ()
    """In ascending order of `after_seconds`."""
    window: Window = ALWAYS
    terms: Terms = PLAIN_TERMS
    """Those of its table and of the buyer; rows as the store reads them have none of their own."""


def check_rate(rate: Rate) -> None:
    """Raise ValueError that says what is wrong with the numbers of a row."""
    if rate.rate_micros < 0 or rate.connect_fee_micros < 0:
        raise ValueError(f"price {rate.rate_micros}, connect fee {rate.connect_fee_micros}: one is negative")
    if rate.initial_seconds < 1 or rate.next_seconds < 1:
        raise ValueError(f"increments {rate.initial_seconds}/{rate.next_seconds}: one is less than 1")
    if rate.grace_seconds < 0 or rate.minimum_seconds < 0 or rate.minimum_micros < 0:
        raise ValueError(
            f"grace {rate.grace_seconds}, minimum {rate.minimum_seconds} s, {rate.minimum_micros}: "
            "one is negative"
        )
    _check_tiers(rate.tiers)
    check_window(rate.window)


def _check_tiers(tiers: tuple[Tier, ...]) -> None:
    before = 0
    for after, price in tiers:
        if after <= before or price < 0:
            raise ValueError(f"tiers {tiers}: not ascending, or a negative price")
        before = after


def check_window(window: Window) -> None:
    """Raise ValueError that says why a window can never be open, or means nothing."""
    start, end = window.from_minute, window.till_minute
    if not (0 <= start < DAY_MINUTES and 1 <= end <= DAY_MINUTES and start != end):
        raise ValueError(f"hours from minute {start} till minute {end}")
    if not 0 < window.days <= ALL_DAYS:
        raise ValueError(f"days {window.days:b}")
    if window.valid_till is not None and window.valid_till <= window.valid_from:
        raise ValueError(f"valid till {window.valid_till}, not after valid from {window.valid_from}")
