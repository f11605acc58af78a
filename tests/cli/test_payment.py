"""payment and statement on the command line, without a daemon."""

from __future__ import annotations

from tests.cli.conftest import Installation


def test_money_is_paid_moved_taken_back_and_told_of(installed: Installation) -> None:
    before = installed.json("balance", "Customer-001")["balance_micros"]
    paid = installed.json("payment", "add", "Customer-001", "12.5", "--reason", "by bank", "--key", "a")
    assert (
        installed.json("payment", "add", "Customer-001", "12.5", "--reason", "by bank", "--key", "a") == paid
    )
    assert installed.json("balance", "Customer-001")["balance_micros"] == before + 12_500_000
    back = installed.json("payment", "reverse", paid["id"], "--reason", "bounced")
    assert back["reverses"] == paid["id"]
    assert installed.json("balance", "Customer-001")["balance_micros"] == before
    assert [each["id"] for each in installed.json("payment", "list", "--account", "Customer-001")] == [
        back["id"],
        paid["id"],
    ]
    told = installed.json("statement", "Customer-001")
    assert told["closing_micros"] == before
    assert "by bank" in installed.says("statement", "Customer-001")
    assert ",closing," in installed.says("statement", "Customer-001", "--csv")
    assert installed.json("ledger", "verify")["ok"]


def test_what_cannot_be_paid_is_told_in_a_sentence(installed: Installation) -> None:
    reason = ("--reason", "r")
    assert installed.refuses("payment", "add", "Customer-001", "1e3", *reason)[0] == 2
    assert installed.refuses("payment", "add", "nobody", "1", *reason) == (2, "there is no account nobody")
    code, text = installed.refuses("payment", "deduct", "Customer-001", "1000000", *reason)
    assert code == 1
    assert text.startswith("not enough money: ")
