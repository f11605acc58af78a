"""phone and range on the command line."""

from __future__ import annotations

from tests.cli.conftest import Installation


def test_a_phone_comes_changes_and_goes(installed: Installation) -> None:
    assert installed.json(
        "range", "add", "r", "--account-id", "Dhaka-Retail-Sub", "--first", "8801000", "--last", "8801999"
    )
    told = installed.json(
        "phone",
        "add",
        "desk-1",
        "--account-id",
        "Customer-001",
        "--numbers",
        "8801234",
        "--numbers",
        "8801235",
    )
    assert told["credential"]["username"] == "desk-1"
    assert len(told["credential"]["password"]) == 20
    changed = installed.json(
        "phone", "modify", "desk-1", "--lock", "outgoing", "--call-limit", "2", "--clear", "numbers"
    )
    assert (changed["lock"], changed["call_limit"], changed["numbers"]) == ("outgoing", 2, [])
    assert (
        installed.json("phone", "modify", "desk-1", "--lock", "none", "--clear", "call_limit")["call_limit"]
        is None
    )
    assert "desk-1" in installed.says("phone", "list", "--account", "Customer-001")
    assert installed.says("phone", "remove", "desk-1") == "desk-1 was removed\n"
    assert installed.says("range", "remove", "r") == "r was removed\n"
    assert installed.refuses("phone", "remove", "desk-1") == (2, "there is no phone desk-1")


def test_what_a_form_refuses_is_told_with_its_field(installed: Installation) -> None:
    code, text = installed.refuses("phone", "add", "a/b", "--account-id", "Customer-001")
    assert (code, text.split(":")[0]) == (2, "id")
    help = installed.says("phone", "add", "--help")
    assert "--call-limit" in help
    assert "--password" not in help
