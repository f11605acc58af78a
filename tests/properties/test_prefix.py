"""The native prefix index against the oracle: what policy relies on, seen from Python."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipguard._engine import PrefixMap
from tests.properties import prefix_oracle

PREFIXES = st.text(alphabet="0123456789", max_size=18) | st.text(alphabet="12", max_size=6)
NUMBERS = st.text(alphabet="0123456789", max_size=30) | st.text(alphabet="12", max_size=9)
ROWS = st.dictionaries(st.tuples(st.integers(0, 3), PREFIXES), st.integers(0, 2**32 - 2), max_size=60)


@given(ROWS, st.lists(st.tuples(st.integers(0, 4), NUMBERS), max_size=20))
def test_finds_what_the_oracle_finds(rows: dict[tuple[int, str], int], asked: list[tuple[int, str]]) -> None:
    spaces = array("q", (space for space, _ in rows))
    prefixes = [prefix for _, prefix in rows]
    values = array("q", rows.values())
    native = PrefixMap(spaces, prefixes, values)
    oracle = prefix_oracle.PrefixMap(spaces, prefixes, values)
    assert len(native) == len(oracle)
    for space, digits in asked + list(rows):
        assert native.longest(space, digits) == oracle.longest(space, digits)
        assert native.all(space, digits) == oracle.all(space, digits)


BAD_COLUMNS = {
    "unequal columns": ([1], ["44", "45"], [0, 1]),
    "a prefix of letters": ([1], ["4x"], [0]),
    "digits that are not ASCII": ([1], ["\u0664"], [0]),
    "19 digits": ([1], ["4" * 19], [0]),
    "a value too large": ([1], ["44"], [2**32 - 1]),
    "one prefix twice": ([1, 1], ["44", "44"], [0, 1]),
}


@pytest.mark.parametrize("columns", BAD_COLUMNS.values(), ids=BAD_COLUMNS)
@pytest.mark.parametrize("kind", [PrefixMap, prefix_oracle.PrefixMap])
def test_refuses_bad_columns(kind: type[PrefixMap], columns: tuple[list[int], list[str], list[int]]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        kind(*columns)
