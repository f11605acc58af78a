"""docs/conformance.md says of the checklist what the tests say."""

from __future__ import annotations

import pytest

from tests.torture.conformance import ROOT, TABLE, Row, named, renewed, rows

TEXT = TABLE.read_text()
ROWS = rows(TEXT)


def test_every_item_stands_once() -> None:
    assert len(ROWS) == len({row.item for row in ROWS}) == 133


def test_the_tests_column_and_the_sums_are_as_the_tests_are() -> None:
    assert renewed(TEXT) == TEXT, "run python -m tests.torture.conformance"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.item)
def test_a_result_has_its_ground(row: Row) -> None:
    """A shown item has tests that exist and name it, an open one a reason."""
    verdict, _, why = row.result.partition(": ")
    assert verdict in {"shown", "open"}
    if verdict == "open":
        assert len(why.split()) >= 3
    else:
        assert row.tests
    for test in row.tests:
        path, _, name = test.partition("::")
        assert f" {name}(" in (ROOT / path).read_text()


def test_no_test_names_an_item_that_is_none() -> None:
    sections = {row.item[0] for row in ROWS} - {"C"}  # c11_ and the like are of the list of bypasses
    strangers = set(named()) - {row.item for row in ROWS}
    assert not {item for item in strangers if item[0] in sections}
