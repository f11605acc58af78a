"""Money as an integer: micro-units (10^-6) of the currency of a tree. Never a float (design: money)."""

from __future__ import annotations

import re
from typing import TypeAlias

Micros: TypeAlias = int
"""An amount in micro-units of its currency: 1.50 BDT is 1_500_000."""

MICROS_PER_UNIT = 1_000_000
# SQLite and PostgreSQL keep signed 64-bit integers; an amount beyond this is a mistake, not money.
MICROS_LIMIT = 2**63 - 1

_DECIMAL = re.compile(r"([+-]?)(\d{1,15})(?:\.(\d{1,6}))?", re.ASCII)


def parse_micros(text: str) -> Micros:
    """Read a decimal amount such as ``"12.5"`` or ``"-0.000001"`` as micro-units.

    Plain decimals only: no exponent, no thousands separator, at most six decimals, ASCII digits.
    Raises ValueError that names the text otherwise.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"not an amount of money with at most six decimals: {text!r}")
    sign, units, fraction = match.groups()
    micros = int(units) * MICROS_PER_UNIT + int((fraction or "").ljust(6, "0"))
    if micros > MICROS_LIMIT:
        raise ValueError(f"amount too large: {text!r}")
    return -micros if sign == "-" else micros


def format_micros(micros: Micros) -> str:
    """Write micro-units as a decimal, at least two decimals, exact: 1_500_000 is ``"1.50"``."""
    sign = "-" if micros < 0 else ""
    units, fraction = divmod(abs(micros), MICROS_PER_UNIT)
    decimals = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{units}.{decimals}"
