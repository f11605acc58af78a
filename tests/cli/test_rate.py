"""rate list, find, import, export on the demo data."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from sipguard.store.rate_import import RateImport
from tests.cli.conftest import Installation
from tests.store import books

# The demo's retail table, changed: 880 dearer, 8801 cheaper, 8809 with another increment, 1 as it was,
# 91 and 44 gone, 33 new.
PRICES = """\
prefix;destination;rate;connect_fee;initial;next
880;Bangladesh;1.21;0.10;60;60
8801;Bangladesh mobile;1.30;0.09;60;60
8809;Bangladesh premium;12;1;60;30
1;North America;3.00;0.10;60;60
33;France;3.10;0;60;60
"""
COUNTS = {"new": 1, "up": 1, "down": 1, "changed": 1, "gone": 2, "unchanged": 1}
CHANGES = "SELECT noun, action, id FROM change WHERE noun = 'rate_table' AND first IS NULL"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(PRICES)
    return path


def rows_of(installed: Installation, table: str = "retail") -> list[tuple[object, ...]]:
    return books.rows(
        installed.database,
        "SELECT rate.key, prefix, rate_micros, connect_fee_micros, next_seconds FROM rate"
        " JOIN rate_table ON rate_table.key = table_key WHERE id = ? AND removed_ms IS NULL ORDER BY prefix",
        table,
    )


def test_the_tables(installed: Installation) -> None:
    listed = installed.json("rate", "list")
    assert [(row["id"], row["rows"]) for row in listed] == [
        ("reseller", 6), ("retail", 6), ("vendor-a-cost", 6), ("vendor-b-cost", 6), ("wholesale", 6)
    ]  # fmt: skip
    assert listed[0]["money_rounding"] == "half_up"
    assert "wholesale" in installed.says("rate", "list")


def test_a_dry_run_says_what_would_change_and_changes_nothing(installed: Installation, file: Path) -> None:
    before = rows_of(installed)
    told = installed.json("rate", "import", "retail", str(file), "--dry-run")
    assert (told["imported"], told["lines"], told["counts"]) == (False, 5, COUNTS)
    kinds = {change["prefix"]: change["kind"] for change in told["changes"]}
    expected = {"880": "up", "8801": "down", "8809": "changed", "33": "new", "91": "gone", "44": "gone"}
    assert kinds == expected
    dearer = next(change for change in told["changes"] if change["kind"] == "up")
    assert (dearer["line"], dearer["old_rate_micros"], dearer["new_rate_micros"]) == (2, 1_200_000, 1_210_000)
    printed = installed.says("rate", "import", "retail", str(file), "--dry-run")
    assert "dry run: retail was not changed" in printed
    assert rows_of(installed) == before
    assert books.rows(installed.database, CHANGES) == []


def test_an_import_makes_the_table_what_the_file_says(installed: Installation, file: Path) -> None:
    keys = {row[1]: row[0] for row in rows_of(installed)}
    told = installed.json("rate", "import", "retail", str(file))
    assert (told["imported"], told["counts"]) == (True, COUNTS)
    after = rows_of(installed)
    assert [row[1:] for row in after] == [
        ("1", 3_000_000, 100_000, 60),
        ("33", 3_100_000, 0, 60),
        ("880", 1_210_000, 100_000, 60),
        ("8801", 1_300_000, 90_000, 60),
        ("8809", 12_000_000, 1_000_000, 30),
    ]
    assert [row[0] for row in after if keys.get(row[1]) == row[0]] == [keys["1"]], (
        "what changed has a new key"
    )
    gone = "SELECT prefix, rate_micros FROM rate WHERE key = ? AND removed_ms IS NOT NULL"
    assert books.rows(installed.database, gone, keys["880"]) == [("880", 1_200_000)], "call records name it"
    assert books.rows(installed.database, CHANGES) == [("rate_table", "import", "retail")]
    assert len(rows_of(installed, "reseller")) == 6

    again = installed.json("rate", "import", "retail", str(file))
    assert again["counts"]["unchanged"] == 5
    assert rows_of(installed) == after
    assert len(books.rows(installed.database, CHANGES)) == 1, "no change, no row in the feed"


def test_keep_leaves_what_is_not_in_the_file(installed: Installation, file: Path) -> None:
    told = installed.json("rate", "import", "retail", str(file), "--keep")
    assert told["counts"] == COUNTS | {"gone": 0}
    assert {"44", "91"} < {row[1] for row in rows_of(installed)}


def test_a_file_with_mistakes_changes_nothing(installed: Installation, file: Path) -> None:
    before = rows_of(installed)
    file.write_text(PRICES + "86;China;1,5;0;1;1\n880;again;1;0;1;1\n7;Russia;1;0;0;1\n")
    result = installed.run("rate", "import", "retail", str(file))
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "line 7, rate: found '1,5', expected an amount with a point such as \"1.25\", at most 6 decimals",
        "line 9, initial: found '0', expected whole seconds from 1 to 86400",
    ]
    assert "2 lines are wrong, nothing was changed" in result.stderr
    file.write_text(PRICES + "880;again;1;0;1;1\n")
    told = installed.run("rate", "import", "retail", str(file))
    assert (
        "line 7, prefix: found '880', expected days, hours or a valid_from of its own (line 2" in told.stdout
    )
    assert rows_of(installed) == before
    assert books.rows(installed.database, CHANGES) == []


def test_an_import_that_fails_halfway_changes_nothing(installed: Installation, file: Path) -> None:
    before = rows_of(installed)
    installed.execute(
        "CREATE TRIGGER full BEFORE INSERT ON rate WHEN NEW.prefix = '8801'"
        " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )
    code, said = installed.refuses("rate", "import", "retail", str(file))
    assert (code, said) == (3, f"{installed.database}: disk full")
    assert rows_of(installed) == before
    assert books.rows(installed.database, CHANGES) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("import", "retial", "x.csv"), "there is no rate table retial, did you mean retail?"),
        (("import", "retail", "nowhere.csv"), "nowhere.csv: cannot be read: No such file or directory"),
        (("export", "nothing-like-it"), "there is no rate table nothing-like-it"),
        (("find", "88x", "--table", "retail"), "88x is not a number of at most 18 digits"),
        (("find", "880", "--table", "retail", "--zone", "Mars/Base"), "no time zone 'Mars/Base'"),
        (("find", "880", "--table", "retail", "--at", "noon"), "--at noon: not a date and time"),
    ],
)
def test_what_cannot_be_done_is_said(installed: Installation, arguments: tuple[str, ...], says: str) -> None:
    code, said = installed.refuses("rate", *arguments)
    assert code == 2
    assert said.startswith(says)


def test_what_is_exported_is_imported_as_it_was(installed: Installation, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    assert (
        installed.says("rate", "export", "retail", str(file)) == f"6 rows of retail were written to {file}\n"
    )
    assert installed.says("rate", "export", "retail") == file.read_text()
    assert not list(tmp_path.glob("*.part"))
    assert installed.json("rate", "import", "retail", str(file))["counts"]["unchanged"] == 6
    told = installed.json("rate", "import", "vendor-a-cost", str(file))
    assert told["counts"]["gone"] + told["counts"]["unchanged"] < 6
    assert installed.says("rate", "export", "vendor-a-cost") == file.read_text()


def test_which_row_prices_a_number(installed: Installation, tmp_path: Path) -> None:
    assert installed.json("rate", "find", "+8801711000001", "--table", "retail")["found"]["prefix"] == "8801"
    file = tmp_path / "hours.csv"
    file.write_text("prefix,rate,hours,valid_from\n8801,2,22:00-06:00,\n8801,1,,\n880,3,,2030-01-01\n")
    installed.json("rate", "import", "retail", str(file))

    def price(number: str, at: str, *more: str) -> int | None:
        result = installed.run("rate", "find", number, "--table", "retail", "--at", at, *more, "--json")
        found = json.loads(result.stdout)["found"]
        assert result.exit_code == (0 if found else 1)
        return None if found is None else int(found["rate_micros"])

    assert price("8801711", "2026-11-23T23:00:00+00:00") == 2_000_000
    assert price("8801711", "2026-11-23T20:00:00+00:00") == 1_000_000
    assert price("8801711", "2026-11-23T20:00:00+00:00", "--zone", "Asia/Dhaka") == 2_000_000
    assert price("8802", "2026-11-23T20:00:00+00:00") is None
    assert price("8802", "2030-11-23T20:00:00+00:00") == 3_000_000
    printed = installed.says("rate", "find", "8801711", "--table", "retail", "--at", "2026-11-23T23:00+00:00")
    (marked,) = [line for line in printed.splitlines() if "->" in line]
    assert "22:00-06:00" in marked


def test_two_imports_at_once_do_not_mix(installed: Installation, file: Path) -> None:
    (key,) = books.rows(installed.database, "SELECT key FROM rate_table WHERE id = 'retail'")[0]
    with RateImport(installed.database, key) as slow:
        slow.compare(keep=False)  # of an empty list: everything is gone
        installed.json("rate", "import", "retail", str(file))
        with pytest.raises(RuntimeError, match="changed by somebody else"):
            slow.take_over("retail")
    assert len(rows_of(installed)) == 5


def test_a_row_never_changes(installed: Installation) -> None:
    for statement, says in [
        ("UPDATE rate SET rate_micros = 1 WHERE key = 1", "a row never changes"),
        ("DELETE FROM rate WHERE key = 1", "a row stays"),
    ]:
        with pytest.raises(sqlite3.IntegrityError, match=says):
            installed.execute(statement)
