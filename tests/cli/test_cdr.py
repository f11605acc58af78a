"""cdr list and cdr show."""

from __future__ import annotations

import pytest
from msgspec.structs import fields

from sipguard.model.cdr import Cdr, GatewayTry, LevelCharge
from tests.cli.calls import ANSWERED, CHARGES, HOSTILE, REFUSED
from tests.cli.conftest import Installation


def test_the_newest_come_first(installed: Installation) -> None:
    assert [record["call"] for record in installed.json("cdr", "list")] == [HOSTILE, REFUSED, ANSWERED]
    assert [record["call"] for record in installed.json("cdr", "list", "--limit", "1")] == [HOSTILE]
    assert "1 record, the newest first; there are more" in installed.says("cdr", "list", "--limit", "1")


@pytest.mark.parametrize(
    ("account", "calls"),
    [
        ("Customer-001", [REFUSED, ANSWERED]),
        ("BD-Wholesale-Agent", [REFUSED, ANSWERED]),
        ("Customer-002", []),
    ],
)
def test_of_one_account_and_what_is_below_it(account: str, calls: list[int], installed: Installation) -> None:
    assert [record["call"] for record in installed.json("cdr", "list", "--account", account)] == calls
    assert f"{len(calls)} records, the newest first\n" in installed.says("cdr", "list", "--account", account)


def test_of_an_account_that_is_not_there(installed: Installation) -> None:
    expected = "there is no account Customer-003, did you mean Customer-002?"
    assert installed.refuses("cdr", "list", "--account", "Customer-003") == (2, expected)


def test_the_table_has_the_charge_of_every_level(installed: Installation) -> None:
    lines = installed.says("cdr", "list").splitlines()
    first = next(index for index, line in enumerate(lines) if str(ANSWERED) in line)
    cells = lines[first].split()
    assert cells[2:] == [
        *("Customer-001", "8801711000001", "answered", "200", "61.000", "s"),
        *("Customer-001", "2.70", str(ANSWERED)),
    ]
    assert [line.split() for line in lines[first + 1 : first + 3]] == [
        ["Dhaka-Retail-Sub", "1.15"],
        ["BD-Wholesale-Agent", "0.813333"],
    ]


def test_json_has_every_field_of_the_model(installed: Installation) -> None:
    (record,) = installed.json("cdr", "show", str(ANSWERED))
    assert list(record) == [field.name for field in fields(Cdr)]
    assert [list(level) for level in record["levels"]] == [[field.name for field in fields(LevelCharge)]] * 3
    assert [list(tried) for tried in record["tries"]] == [[field.name for field in fields(GatewayTry)]] * 2
    assert {level["account_id"]: level["charge_micros"] for level in record["levels"]} == CHARGES
    assert record["outcome"] == "answered"


def test_show_by_our_id_and_by_the_call_id_of_sip(installed: Installation) -> None:
    answered, refused = (installed.says("cdr", "show", str(call)) for call in (ANSWERED, REFUSED))
    both = installed.says("cdr", "show", "a84b4c76e66710@192.0.2.1")
    assert both == refused + answered
    # A Call-ID may be digits only.
    assert [record["call"] for record in installed.json("cdr", "show", "7")] == [HOSTILE]


def test_show_says_what_was_decided_and_why(installed: Installation) -> None:
    lines = [" ".join(line.split()) for line in installed.says("cdr", "show", str(REFUSED)).splitlines()]
    assert "called 14155550100 as received, judged as 14155550100" in lines
    assert "outcome refused, SIP status 403, Q.850 cause 21" in lines
    assert "reason section_blocked" in lines
    assert "decided at level Dhaka-Retail-Sub, rule account:Dhaka-Retail-Sub.sections" in lines
    assert "compared found 14155550100, needed one of 880" in lines


def test_show_has_every_gateway_and_every_level(installed: Installation) -> None:
    lines = [" ".join(line.split()) for line in installed.says("cdr", "show", str(ANSWERED)).splitlines()]
    assert "Vendor-A 8801711000001 503 response" in lines
    assert "Vendor-B 8801711000001 200 response" in lines
    assert "Customer-001 880 1.30 120 s 2.70 0.00 497.30" in lines
    assert "BD-Wholesale-Agent 880 0.80 61 s 0.813333 0.00 49999.186667" in lines
    assert "The vendor charges 0.660833 BDT." in lines
    assert "post-dial delay 0.500 s" in lines
    assert "codecs PCMA,PCMU offered, PCMA answered" in lines
    assert any(line.startswith("answered ") and line.endswith("2.000 s after the INVITE") for line in lines)


def test_what_a_peer_sent_reaches_no_terminal(installed: Installation) -> None:
    for printed in (installed.says("cdr", "list"), installed.says("cdr", "show", str(HOSTILE))):
        assert "[red]1[/red]\N{REPLACEMENT CHARACTER}[2J" in printed
        assert all(char.isprintable() or char == "\n" for char in printed)


@pytest.mark.parametrize("call", ["99", "9" * 40, "nobody@example.net"])
def test_a_call_that_is_not_there(call: str, installed: Installation) -> None:
    assert installed.refuses("cdr", "show", call) == (2, f"there is no record of call {call}")


def test_refusals_are_listed_and_harmless(installed: Installation) -> None:
    assert installed.json("cdr", "refusals") == []
    installed.execute(
        "INSERT INTO refusal VALUES (1, 1700000000000, '192.0.2.1', 'INV\x1bITE', 483, 1234, '[red]x')"
    )
    (row,) = installed.json("cdr", "refusals")
    assert (row["source_host"], row["status"], row["count"]) == ("192.0.2.1", 483, 1234)
    said = installed.says("cdr", "refusals", "--limit", "5")
    assert "INV\N{REPLACEMENT CHARACTER}ITE" in said
    assert "1,234" in said
    assert "[red]x" in said
