"""import vos3000: exports made from the manual, not by a real client (vos3000/), and what becomes of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Installation

EXAMPLES = Path(__file__).with_name("vos3000")
ENGLISH = sorted(map(str, (EXAMPLES / "english").glob("*.csv")))
CHINESE = sorted((EXAMPLES / "chinese").glob("*.csv"))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with nothing in it but its currency; nobody writes to it."""
    directory = tmp_path_factory.mktemp("empty")
    file = directory / "house.toml"
    file.write_text('currency = "BDT"\n')
    made = Installation(directory)
    made.says("init", "--data", str(file))
    return made.database


@pytest.fixture
def house(bare: Installation, empty: Path) -> Installation:
    """With nothing in it but its currency."""
    bare.database.parent.mkdir()
    shutil.copy(empty, bare.database)
    return bare


def imported(house: Installation, *arguments: str) -> str:
    return house.says("import", "vos3000", *arguments, "--yes")


def problems(house: Installation, *arguments: str) -> str:
    result = house.run("import", "vos3000", *arguments, "--yes")
    assert result.exit_code == 2, result.output
    assert house.json("account", "list") == []
    return result.stderr


def exported(house: Installation, tmp_path: Path) -> dict[str, list[Any]]:
    """The network as files, by name: objects, and lines of CSV."""
    house.says("config", "export", str(tmp_path / "network"))
    found: dict[str, list[Any]] = {}
    for path in (tmp_path / "network").iterdir():
        if path.suffix in (".jsonl", ".csv"):
            lines = path.read_text(encoding="utf-8").splitlines()
            found[path.stem] = [json.loads(line) for line in lines] if path.suffix == ".jsonl" else lines[1:]
    return found


def file(tmp_path: Path, name: str, *lines: str) -> str:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_dry_run_says_everything_and_makes_nothing(house: Installation) -> None:
    told = house.says("import", "vos3000", *ENGLISH, "--dry-run")
    for word in (
        "column Fax",
        "column Authorization type",
        "column Rate type",
        "百融 is called vos-200b7afe here",
    ):
        assert word in told
    assert "account carrier and its balance of -300.00 is left out" in told
    assert "rates.csv line 5: Lock type: a locked price" in told
    assert told.endswith("11 changes, 3 price lists and 3 payments could be made\n")
    assert house.json("account", "list") == []
    assert house.json("rate", "list") == []


def test_the_network_is_made(house: Installation, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords.csv"
    imported(house, *ENGLISH, "--passwords", str(passwords))
    accounts = {row["id"]: row for row in house.json("account", "list")}
    assert {id: row["balance_micros"] for id, row in accounts.items()} == {
        "wholesale": 1_250_500_000,
        "dhaka": 80_250_000,
        "vos-200b7afe": -12_500_000,
    }
    centre = house.json("account", "show", "vos-200b7afe")
    assert (centre["agent_id"], centre["credit_limit_micros"], centre["locked"]) == (
        "wholesale",
        50_000_000,
        True,
    )
    assert house.json("account", "show", "wholesale")["valid_till"] is None
    assert house.json("account", "show", "dhaka")["memo"] == "pays late, ask first"
    assert house.json("rate", "find", "8801711", "--table", "Wholesale")["found"]["rate_micros"] == 900_000
    made = exported(house, tmp_path)
    (carrier,) = made["routing_gateways"]
    assert (carrier["port"], carrier["capacity"]) == (5070, 200)
    assert carrier["cost_table_id"].startswith("Cost-A-")
    assert made["routing_gateways.routes"] == ["carrier-a,880,2,1,terminate", "carrier-a,91,2,1,terminate"]
    centre_trunk, dhaka_trunk = made["mapping_gateways"]
    assert dhaka_trunk["sources"] == ["203.0.113.5/32", "203.0.113.6/32"]
    assert centre_trunk["username"] == "centre-trunk"
    phone, reception = made["phones"]
    assert (phone["numbers"], phone["call_limit"]) == (["8801711000001"], 2)
    assert reception["lock"] == "all"
    # The password of the first phone is that of the export; those that are guessed at once are not taken.
    told = [line.split(",")[0] for line in passwords.read_text().splitlines()]
    assert told == ["id", "centre-trunk", "reception"]
    assert "residual 0.00 BDT" in house.says("ledger", "verify")


def test_a_second_import_makes_nothing_and_pays_nothing(house: Installation) -> None:
    imported(house, *ENGLISH)
    before = house.json("account", "list")
    assert imported(house, *ENGLISH).endswith("everything is there already\n")
    assert house.json("account", "list") == before


def test_an_import_goes_on_where_it_was_interrupted(house: Installation) -> None:
    accounts = next(name for name in ENGLISH if "accounts" in name)
    rates = next(name for name in ENGLISH if "/rates" in name)
    imported(house, rates, accounts)
    house.execute("UPDATE account SET call_limit = 3 WHERE id = 'dhaka'; UPDATE rate SET removed_ms = 1;")
    told = imported(house, *ENGLISH)
    assert told.endswith("5 changes, 3 price lists and 0 payments were made\n")
    assert house.json("account", "show", "dhaka")["call_limit"] == 3


def test_what_is_there_stays_and_is_told(house: Installation, tmp_path: Path) -> None:
    header = "Account number,Balance,Maximum credit"
    imported(house, file(tmp_path, "a.csv", header, "acme,10,5"))
    told = imported(house, file(tmp_path, "b.csv", header, "acme,20,6"))
    assert "credit_limit_micros is 5000000 and stays, the export says 6000000" in told
    assert "b.csv line 2: Balance: 10.00 was booked as its opening before, and stays" in told
    assert house.json("account", "list")[0]["balance_micros"] == 10_000_000


@pytest.mark.parametrize(
    ("encoding", "delimiter", "newline"),
    [
        ("utf-8", "\t", "\n"),
        ("utf-8-sig", ",", "\r\n"),
        ("gb18030", ",", "\r\n"),
        ("gb18030", "\t", "\r\n"),
        ("utf-16", "\t", "\r\n"),
        ("utf-16-le", "\t", "\n"),
        ("utf-16-be", ",", "\r\n"),
    ],
)
def test_chinese_exports_of_every_encoding(
    house: Installation, tmp_path: Path, encoding: str, delimiter: str, newline: str
) -> None:
    paths = []
    for example in CHINESE:
        text = example.read_text(encoding="utf-8").replace("\t", delimiter).replace("\n", newline)
        path = tmp_path / example.name
        path.write_bytes(text.encode(encoding))
        paths.append(str(path))
    told = imported(house, *paths, "--rate-per", "cycle")
    assert told.endswith("7 changes, 2 price lists and 2 payments were made\n")
    assert [row["name"] for row in house.json("account", "list")] == ["孟加拉批发", "呼叫中心"]
    assert house.json("rate", "find", "880171", "--table", "Retail")["found"]["rate_micros"] == 1_200_000
    routes = exported(house, tmp_path)["routing_gateways.routes"]
    assert [line.partition(",")[2] for line in routes] == ["880,1,1,continue", "91,1,1,continue"]


def test_a_cycle_that_is_no_minute_has_to_be_explained(house: Installation, tmp_path: Path) -> None:
    rates = file(tmp_path, "Retail.csv", "Area prefix,Billing rate,Billing cycle", "880,0.12,6", "91,0.5,60")
    assert "Retail.csv line 2: Billing cycle: is no minute: say --rate-per" in problems(house, rates)
    imported(house, rates, "--rate-per", "minute")
    found = house.json("rate", "find", "8801", "--table", "Retail")["found"]
    assert (found["rate_micros"], found["initial_seconds"]) == (120_000, 6)


def test_of_two_columns_for_one_thing_the_better_counts(house: Installation, tmp_path: Path) -> None:
    header = "Area code,Rate prefix,Area name,Billing rate"
    told = imported(house, file(tmp_path, "Retail.csv", header, "880,88017,Mobile,1", "880,88018,Mobile,2"))
    assert "Retail.csv: column Area code is not taken over (2 lines say something in it)" in told
    assert house.json("rate", "find", "88018", "--table", "Retail")["found"]["rate_micros"] == 2_000_000


def test_everything_that_is_wrong_is_told_by_line(house: Installation, tmp_path: Path) -> None:
    accounts = file(
        tmp_path,
        "accounts.csv",
        "Account number,Balance,Maximum credit,Lock type,Validity",
        "a,ten,0,,",
        "b,0,-1,,",
        "c,-5,4,,",
        "d,0,0,perhaps,",
        "e,0,0,,soon",
        "e,0,0,,",
        ",0,0,,",
    )
    rates = file(tmp_path, "rates.csv", "Prefix,Rate", "880,1", "880,2", "+x,1", "91,0.0000001", "44,-1")
    phones = file(tmp_path, "phones.csv", "Phone number,Account number,Lines", "100,a,two")
    trunks = file(tmp_path, "mapping-gateways.csv", "Gateway ID,Account number,IP", "t,a,300.1.1.1", "u,a,")
    told = problems(house, accounts, f"rates={rates}", f"phones={phones}", f"mapping-gateways={trunks}")
    for place in (
        "accounts.csv line 2: Balance: ",
        "accounts.csv line 3: credit_limit_micros: ",
        "accounts.csv line 4: Balance: is below what may be owed (4.00)",
        "accounts.csv line 5: Lock type: found 'perhaps'",
        "accounts.csv line 6: Validity: found 'soon'",
        "accounts.csv line 7: Account number: e stands in accounts.csv line 6 already",
        "accounts.csv line 8: Account number: is empty",
        "rates.csv line 3: Prefix: 880 stands in rates twice",
        "rates.csv line 4: Prefix: found 'x'",
        "rates.csv line 5: Rate: ",
        "rates.csv line 6: Rate: a price is not below zero",
        "phones.csv line 2: Lines: found 'two'",
        "mapping-gateways.csv line 2: sources[0]: ",
        "mapping-gateways.csv line 3: IP: a static gateway has an address",
    ):
        assert place in told, told


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["a,b,c", "1,2,3"], "its columns do not tell what it is"),
        (["Account number,Balance", 'x,"1'], "x.csv line 2"),
        (["Account number,Balance,Balance", "a,1,1"], "the column Balance is there twice"),
        (["Account number,Balance", "a,1,2"], "x.csv line 2: found 3 cells, expected 2"),
        ([""], "is empty"),
    ],
)
def test_files_that_are_no_exports(house: Installation, tmp_path: Path, lines: list[str], told: str) -> None:
    assert told in problems(house, file(tmp_path, "x.csv", *lines))


def test_an_agent_that_is_nowhere_is_told_and_nothing_is_made(house: Installation, tmp_path: Path) -> None:
    accounts = file(tmp_path, "x.csv", "Account number,Balance,Agent account", "a,1,", "b,1,nobody")
    result = house.run("import", "vos3000", accounts, "--yes")
    assert (result.exit_code, result.stderr) == (
        1,
        "sipguard: x.csv line 3 (account b): there is no account nobody\n",
    )
    assert house.json("account", "list") == []
