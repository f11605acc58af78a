"""docs/bypass.md says of the collection what the tests say."""

from __future__ import annotations

import pytest

from tests.security.bypass import ROOT, TABLE, Row, named, renewed, rows

TEXT = TABLE.read_text()
ROWS = rows(TEXT)


def test_every_case_stands_once() -> None:
    assert len(ROWS) == len({row.case for row in ROWS}) == 63


def test_the_tests_columns_are_as_the_tests_are() -> None:
    assert renewed(TEXT) == TEXT, "run python -m tests.security.bypass"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_a_case_has_tests_that_exist(row: Row) -> None:
    assert row.tests
    for test in row.tests:
        path, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text()


def test_a_test_that_is_gone_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = named()
    monkeypatch.setattr("tests.security.bypass.named", lambda: {**found, "A01": ((), 0)})
    assert renewed(TEXT) != TEXT
