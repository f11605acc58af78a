"""cdr export: whole lines, in the order of writing, on from where it stopped, safe for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sipguard.store.batch import BatchWriter, CallClosed
from tests.cli.calls import ANSWERED, HOSTILE, REFUSED
from tests.cli.conftest import Installation
from tests.store import books


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def more(installed: Installation, count: int) -> None:
    """Write further records, after those that are there."""
    with books.connect(installed.database) as connection:
        told = [CallClosed(books.refused(number).cdr, None) for number in range(1_000, 1_000 + count)]
        assert BatchWriter(connection, "test").write(told).rejected == []


def test_csv_tells_amounts_as_decimals_and_times_in_a_zone(installed: Installation) -> None:
    answered, refused, _ = rows(installed.run("cdr", "export", "--zone", "Asia/Dhaka").stdout)
    names = ("sequence", "call", "outcome", "account", "called", "status")
    assert [answered[name] for name in names] == [
        *("1", str(ANSWERED), "answered", "Customer-001", "8801711000001", "200")
    ]
    assert answered["invited"] == "2023-11-15T04:13:20.000+06:00"
    assert (answered["pdd_seconds"], answered["duration_seconds"]) == ("0.500", "61.000")
    money = ("charge", "tax", "balance", "income", "cost", "currency", "rate", "billed_seconds", "prefix")
    assert [answered[name] for name in money] == [
        *("2.70", "0.00", "497.30", "0.813333", "0.660833", "BDT", "1.30", "120", "880")
    ]
    assert answered["levels"] == (
        "Customer-001 2.70 (120 s at 1.30, balance 497.30); Dhaka-Retail-Sub 1.15 (66 s at 1.00, balance"
        " 4998.85); BD-Wholesale-Agent 0.813333 (61 s at 0.80, balance 49999.186667)"
    )
    assert answered["tries"] == "Vendor-A 8801711000001 503 response; Vendor-B 8801711000001 200 response"
    assert (refused["answered"], refused["charge"], refused["reason"]) == ("", "", "section_blocked")
    assert rows(installed.run("cdr", "export").stdout)[0]["invited"] == "2023-11-14T22:13:20.000+00:00"


def test_json_lines_have_every_field(installed: Installation) -> None:
    lines = installed.run("cdr", "export", "--format", "jsonl").stdout.splitlines()
    for number, (line, call) in enumerate(zip(lines, (ANSWERED, REFUSED, HOSTILE), strict=True), 1):
        (shown,) = installed.json("cdr", "show", str(call))
        assert json.loads(line) == {"sequence": number, **shown}


@pytest.mark.parametrize(
    "text", ["=1+1", "+8801", "-1", "@cmd", "\t=1", "\r\n=1", " =1", "a\nb", 'a","b', "plain"]
)
def test_no_cell_is_a_formula_or_breaks_a_line(installed: Installation, text: str) -> None:
    with books.connect(installed.database) as connection:
        told = msgspec.structs.replace(books.refused(9).cdr, called_received=text, user_agent=text)
        BatchWriter(connection, "test").write([CallClosed(told, None)])
    said = installed.run("cdr", "export", "--after", "3").stdout
    assert said.count("\n") == 2
    (row,) = rows(said)
    for cell in row.values():
        assert not cell.lstrip("\N{REPLACEMENT CHARACTER} ").startswith(("=", "+", "@"))
        assert cell == "" or cell.isprintable()
    assert text.lstrip("\t\r\n") in row["called_received"] or "\n" in text


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("kept", [0, 5, 700, 1_500, None])
def test_resume_goes_on_behind_the_last_whole_line(
    installed: Installation, tmp_path: Path, kind: str, kept: int | None
) -> None:
    more(installed, 20)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    arguments = ("cdr", "export", "--format", kind, "--output")
    assert "23 records were written" in installed.says(*arguments, str(whole))
    cut.write_bytes(whole.read_bytes()[:kept])
    more(installed, 0)
    installed.says(*arguments, str(cut), "--resume")
    assert cut.read_bytes() == whole.read_bytes()


def test_another_day_goes_on_after_the_number_that_was_told(installed: Installation, tmp_path: Path) -> None:
    assert "3 records were written" in installed.says("cdr", "export", "--output", str(tmp_path / "monday"))
    more(installed, 2)
    said = installed.says("cdr", "export", "--output", str(tmp_path / "tuesday"), "--after", "3")
    assert "2 records were written" in said
    assert "through number 5" in said
    assert [row["sequence"] for row in rows((tmp_path / "tuesday").read_text())] == ["4", "5"]


def test_what_stands_in_the_way_of_a_file(installed: Installation, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("not,an,export\n1;2\n")
    code, said = installed.refuses("cdr", "export", "--output", str(there))
    assert (code, said) == (2, f"{there}: is there already; --resume goes on with it")
    code, said = installed.refuses("cdr", "export", "--output", str(there), "--resume")
    assert (code, said) == (2, f"{there}: its last line is none of a csv export: '1;2'")
    assert there.read_text() == "not,an,export\n1;2\n"
    nowhere = tmp_path / "no" / "where"
    assert installed.refuses("cdr", "export", "--output", str(nowhere)) == (
        2,
        f"{nowhere}: cannot be written: No such file or directory",
    )
    assert installed.refuses("cdr", "export", "--resume")[0] == 2


def test_ctrl_c_leaves_whole_lines_and_resume_the_rest(installed: Installation, tmp_path: Path) -> None:
    """The reader takes a little, so that the export stands still in the middle when it is interrupted."""
    more(installed, 5_000)
    line = [sys.executable, "-m", "sipguard", "--config", str(installed.config), "cdr", "export"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path.cwd()) as child:
        begun = os.read(child.stdout.fileno(), 1_000)
        child.send_signal(signal.SIGINT)
        out, said = child.communicate(timeout=60)
    assert child.returncode == 130
    text = (begun + out).decode()
    assert text.endswith("\n")
    found = [int(row["sequence"]) for row in rows(text)]
    assert found == list(range(1, len(found) + 1))
    assert len(found) < 5_003
    expected = f"{len(found)} records were written, through number {len(found)}; stopped before the end\n"
    assert said.decode() == expected

    part = tmp_path / "part"
    part.write_text(text)
    installed.says("cdr", "export", "--output", str(part), "--resume")
    assert [int(row["sequence"]) for row in rows(part.read_text())] == list(range(1, 5_004))


def test_a_reader_that_has_had_enough(installed: Installation) -> None:
    more(installed, 5_000)
    line = [sys.executable, "-m", "sipguard", "--config", str(installed.config), "cdr", "export"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path.cwd()) as child:
        os.read(child.stdout.fileno(), 100)
        child.stdout.close()
        said = child.stderr.read()
    assert child.returncode == 1
    assert said == b""
