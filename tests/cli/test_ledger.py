"""ledger verify."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Installation


def test_all_is_well(installed: Installation) -> None:
    assert installed.says("ledger", "verify").splitlines() == [
        "9 entries, 24 postings",
        "residual 0.00 BDT",
        "everything adds up: every entry, every balance, every link of the hash chain",
    ]
    report = installed.json("ledger", "verify")
    assert report["ok"] is True
    assert report["residual_micros"] == {"BDT": 0}


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (
            "UPDATE ledger_account SET balance_micros = balance_micros + 1 WHERE key = 5",
            ["ledger account 5 says 49999.186668, its postings sum to 49999.186667"],
        ),
        (
            "UPDATE journal_entry SET memo = 'never' WHERE key = 2",
            ["the hash chain is broken at entry 2: missing, altered or not linked"],
        ),
        (
            "UPDATE posting SET amount_micros = amount_micros + 1 WHERE entry = 9 AND position = 0",
            [
                "all postings in BDT together are 0.000001, not 0",
                "the postings of entry 9 do not sum to zero",
                "its postings sum to",
                "the hash chain is broken at entry 9",
            ],
        ),
    ],
)
def test_what_does_not_add_up_is_named(tampering: str, found: list[str], installed: Installation) -> None:
    for table in ("journal_entry", "posting"):
        installed.execute(f"DROP TRIGGER {table}_no_update")
    installed.execute(tampering)
    result = installed.run("ledger", "verify")
    assert result.exit_code == 1
    wrong = [line for line in result.stdout.splitlines() if line.startswith("WRONG: ")]
    assert len(wrong) == len(found)
    for line, words in zip(wrong, found, strict=True):
        assert words in line
    assert "everything adds up" not in result.stdout
    assert installed.run("ledger", "verify", "--json").exit_code == 1


def test_a_journal_that_cannot_be_read_is_wrong_too(installed: Installation) -> None:
    installed.execute("DROP TABLE posting")
    result = installed.run("ledger", "verify")
    assert result.exit_code == 1
    assert "WRONG: the journal could not be read to its end: no such table: posting" in result.stdout
