"""Destinations that figures are kept of: countries by their code, and what an operator wants to see apart.

Country codes are free of prefixes (ITU-T E.164 section 6): the first one or two digits say how long a code
is. So every judged number has one, also where no gateway took the call and no price list names it.
"""

from __future__ import annotations

from collections.abc import Iterable

_ONE_DIGIT = ("1", "7")
_TWO_DIGITS = frozenset(
    [
        "20",
        "27",
        "30",
        "31",
        "32",
        "33",
        "34",
        "36",
        "39",
        "40",
        "41",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "49",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "81",
        "82",
        "84",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "98",
    ]
)


def country_code(digits: str) -> str:
    """The country code that E.164 digits begin with; what there is of it, where they are fewer."""
    if digits[:1] in _ONE_DIGIT:
        return digits[:1]
    return digits[:2] if digits[:2] in _TWO_DIGITS else digits[:3]


def fronts(more: Iterable[str] = ()) -> list[str]:
    """Every country code there is room for, and `more`: digits that operators want figures of."""
    codes = {country_code(f"{number:03}") for number in range(100, 1000)}
    return sorted(codes | set(more))
