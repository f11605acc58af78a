"""config on the command line: exit codes, what is printed, and the file of passwords."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Installation


def test_export_diff_and_apply(installed: Installation, tmp_path: Path) -> None:
    files = tmp_path / "network"
    assert "7 accounts" in installed.says("config", "export", str(files))
    assert installed.says("config", "diff", str(files)) == ""
    accounts = files / "accounts.jsonl"
    accounts.write_text(accounts.read_text().replace('"call_limit": 30', '"call_limit": 31'))
    (files / "phones.jsonl").write_text('{"id": "desk", "account_id": "Customer-001"}\n')
    told = "~ account Customer-001\n    call_limit: 30 -> 31\n+ phone desk\n"
    different = installed.run("config", "diff", str(files))
    assert (different.exit_code, different.stdout.startswith(told)) == (1, True)
    as_json = installed.run("config", "diff", str(files), "--json")
    assert '"was": 30' in as_json.stdout
    asked = installed.run("config", "apply", str(files))
    assert (asked.exit_code, "Make these changes" in asked.stdout) == (1, True)
    assert installed.says("config", "apply", str(files), "--dry-run").endswith(
        "2 changes and 0 price lists could be made\n"
    )
    passwords = tmp_path / "passwords.csv"
    made = installed.says("config", "apply", str(files), "--yes", "--passwords", str(passwords))
    assert made.endswith("2 changes and 0 price lists were made\n")
    assert passwords.stat().st_mode & 0o777 == 0o600
    header, desk = passwords.read_text().splitlines()
    assert (header, desk.startswith("desk,desk,")) == ("id,username,password", True)
    assert installed.says("config", "apply", str(files), "--yes") == "nothing to do\n"
    assert installed.json("account", "show", "Customer-001")["call_limit"] == 31


def test_what_is_wrong_is_told_by_file_and_line(installed: Installation, tmp_path: Path) -> None:
    files = tmp_path / "network"
    installed.says("config", "export", str(files))
    (files / "phones.jsonl").write_text('{"id": "desk", "account_id": "nobody"}\n{"id": "p"}\n')
    code, text = installed.refuses("config", "diff", str(files))
    assert (code, text) == (2, "phones.jsonl line 2: account_id: Field required")
    (files / "phones.jsonl").write_text('{"id": "desk", "account_id": "nobody"}\n')
    result = installed.run("config", "apply", str(files), "--yes")
    assert (result.exit_code, result.stderr) == (
        1,
        "sipguard: phones.jsonl line 1 (phone desk): there is no account nobody\n",
    )
    assert installed.refuses("config", "diff", str(tmp_path / "none"))[0] == 2


def test_a_house_that_is_empty_becomes_another(installed: Installation, tmp_path: Path) -> None:
    files = tmp_path / "network"
    installed.says("config", "export", str(files))
    other = tmp_path / "other"
    other.mkdir()
    house = Installation(other)
    (other / "house.toml").write_text('currency = "BDT"\n')
    house.says("init", "--data", str(other / "house.toml"))
    house.says("config", "apply", str(files), "--yes")
    house.says("config", "export", str(other / "network"))
    assert {path.name: path.read_bytes() for path in files.rglob("*") if path.is_file()} == {
        path.name: path.read_bytes() for path in (other / "network").rglob("*") if path.is_file()
    }
