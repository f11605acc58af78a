"""init."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipguard.cli import database
from tests.cli.conftest import Installation


def test_it_makes_the_database_and_says_what_is_in_it(bare: Installation) -> None:
    made, loaded = bare.says("init").splitlines()
    assert made == f"{bare.database} was made"
    assert loaded.startswith(
        f"{database.DEMO} was loaded: 7 accounts, 3 mapping gateways, 2 routing gateways, "
    )
    assert {row["id"] for row in bare.json("account", "list")} >= {"Customer-001", "BD-Wholesale-Agent"}
    assert bare.json("ledger", "verify")["ok"]


def test_a_second_time_changes_nothing(installed: Installation) -> None:
    before = installed.json("account", "list")
    up_to_date, nothing = installed.says("init").splitlines()
    assert up_to_date == f"{installed.database} is up to date"
    assert nothing == "it holds data already, so no data set was loaded"
    assert installed.json("account", "list") == before


def test_data_on_top_of_data_is_refused(installed: Installation) -> None:
    result = installed.run("init", "--data", str(database.DEMO))
    assert result.exit_code == 2
    assert f"sipguard: {database.DEMO}: the database is in use" in result.stderr


def test_a_data_set_of_ones_own(bare: Installation, tmp_path: Path) -> None:
    data = tmp_path / "data.toml"
    data.write_text('currency = "EUR"\n[[account]]\nid = "Solo"\n')
    bare.says("init", "--data", str(data))
    (row,) = bare.json("account", "list")
    assert (row["id"], row["currency"], row["category"]) == ("Solo", "EUR", "account")


@pytest.mark.parametrize(
    "text", ["currency = ", 'currency = "BDT"\n[[account]]\nid = "a"\nagent = "b"\n', None]
)
def test_a_bad_data_set_makes_nothing(text: str | None, bare: Installation, tmp_path: Path) -> None:
    data = tmp_path / "data.toml"
    if text is not None:
        data.write_text(text)
    result = bare.run("init", "--data", str(data))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"sipguard: {data}: ")
    assert not bare.database.parent.exists()


def test_an_empty_database_is_filled(bare: Installation, tmp_path: Path) -> None:
    """As one that was left by an init that was killed between its two steps."""
    bare.says("init")
    filled = bare.json("account", "list")
    bare.database.unlink()
    bare.database.touch()
    bare.says("init")
    assert bare.json("account", "list") == filled


def test_without_demo_data(bare: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "DEMO", tmp_path / "none.toml")
    expected = "there is no demo data here, name a data set with --data FILE"
    assert bare.refuses("init") == (2, expected)


def test_a_directory_that_cannot_be_made(bare: Installation) -> None:
    bare.database.parent.write_text("in the way")
    code, message = bare.refuses("init")
    assert code == 3
    assert message == f"{bare.database.parent}: cannot be made: File exists"
