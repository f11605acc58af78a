"""What a minute costs: rate tables and their rows."""

from __future__ import annotations

from typing import NamedTuple

from sipguard.model.money import Micros


class RateTable(NamedTuple):
    """A named price list in one currency."""

    key: int
    id: str
    currency: str


class Rate(NamedTuple):
    """One row of a rate table: the price of calls to numbers that start with `prefix`.

    A tuple and not a dataclass: directories of ten million rows build these on demand.
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
    """Price per minute."""
