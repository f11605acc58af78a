"""account list and balance."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from sipguard.cli.account import _guides
from tests.cli.calls import CHARGES
from tests.cli.conftest import Installation

OPENING = {
    "Customer-001": 500_000_000,
    "Dhaka-Retail-Sub": 5_000_000_000,
    "BD-Wholesale-Agent": 50_000_000_000,
}

TREE = """\
System operator Operator 0.81
├─ BD-Wholesale-Agent Agent 49999.186667 1000.00 - 1.15 BDT active
│ ├─ Chittagong-Retail-Sub Agent 0.10 0.00 - 0.00 BDT active
│ │ └─ Customer-002 Account 2000.00 0.00 - BDT locked
│ └─ Dhaka-Retail-Sub Agent 4998.85 0.00 - 2.70 BDT active
│ └─ Customer-001 Account 497.30 0.00 - BDT active
└─ Card-Agent Agent 3000.00 0.00 - 0.00 BDT expired
└─ Card-Customer-001 Account 200.00 0.00 - BDT not yet valid"""


def test_the_tree_has_the_operator_as_its_root(installed: Installation) -> None:
    installed.execute(
        "UPDATE account SET locked = 1, name = '' WHERE id = 'Customer-002';"
        "UPDATE account SET valid_till = 1 WHERE id = 'Card-Agent';"
        "UPDATE account SET valid_from = 4102444800 WHERE id = 'Card-Customer-001';"
        "UPDATE account SET name = ''"
    )
    lines = installed.says("account", "list", "--tree").splitlines()
    rows = [" ".join(line.split()) for line in lines[3:-2]]
    assert "\n".join(rows) == TREE.replace("0.81\n", "0.813333\n")
    assert lines[-1] == (
        "The operator earned 0.813333 from its accounts, its vendors' calls cost 0.660833: margin 0.1525"
    )


def test_names_are_not_markup(installed: Installation) -> None:
    installed.execute("UPDATE account SET name = '[bold]x[/bold]\x1b[2J' WHERE id = 'Customer-001'")
    printed = installed.says("account", "list")
    assert "[bold]x[/bold]\N{REPLACEMENT CHARACTER}[2J" in printed
    assert "\x1b" not in printed


def test_json_has_every_account_with_its_money(installed: Installation) -> None:
    rows = {row["id"]: row for row in installed.json("account", "list")}
    assert {id: rows[id]["balance_micros"] for id in CHARGES} == {
        id: OPENING[id] - charge for id, charge in CHARGES.items()
    }
    assert rows["Customer-001"]["agent_id"] == "Dhaka-Retail-Sub"
    assert rows["BD-Wholesale-Agent"]["agent_id"] is None
    assert rows["Dhaka-Retail-Sub"]["revenue_micros"] == CHARGES["Customer-001"]
    assert {row["held_micros"] for row in rows.values()} == {None}


def test_an_account_is_an_agent_while_it_has_sub_accounts(installed: Installation) -> None:
    def category(id: str) -> object:
        return {row["id"]: row["category"] for row in installed.json("account", "list")}[id]

    assert (category("Card-Agent"), category("Card-Customer-001")) == ("agent", "account")
    installed.execute("UPDATE account SET agent_key = NULL WHERE id = 'Card-Customer-001'")
    assert category("Card-Agent") == "account"


def test_held_money_comes_from_the_daemon(installed: Installation) -> None:
    ledgers: dict[str, int] = {}

    def held(_: dict[str, object]) -> object:
        return ledgers

    with installed.daemon({"held": held}):
        (before,) = [row for row in installed.json("account", "list") if row["id"] == "BD-Wholesale-Agent"]
        assert before["held_micros"] == 0
        # The data set opens its ledger account first, after the four of the house.
        ledgers["5"] = 800_000
        (after,) = [row for row in installed.json("account", "list") if row["held_micros"]]
        assert after["id"] == "BD-Wholesale-Agent"
        assert after["available_micros"] == before["available_micros"] - 800_000
        printed = installed.says("balance", "BD-Wholesale-Agent")
    assert [line.split()[-3:-1] for line in printed.splitlines()] == [
        ["balance", "49999.186667"],
        ["limit", "1000.00"],
        ["calls", "0.80"],
        ["available", "50998.386667"],
    ]


def test_balance(installed: Installation) -> None:
    assert installed.json("balance", "Customer-001") == {
        "id": "Customer-001",
        "currency": "BDT",
        "balance_micros": 497_300_000,
        "credit_limit_micros": 0,
        "held_micros": None,
        "available_micros": 497_300_000,
    }


def test_an_account_that_is_not_there(installed: Installation) -> None:
    expected = "there is no account customer-1, did you mean Customer-001?"
    assert installed.refuses("balance", "customer-1") == (2, expected)
    assert installed.refuses("balance", "zzz") == (2, "there is no account zzz")


def _trees(nodes: int) -> list[list[int]]:
    """The depths, in depth-first order, of every forest of so many nodes."""
    candidates = product(range(nodes), repeat=nodes)
    return [
        list(depths)
        for depths in candidates
        if depths[0] == 0 and all(after <= before + 1 for before, after in pairwise(depths))
    ]


@pytest.mark.parametrize("depths", _trees(5), ids=str)
def test_guides_lead_from_every_node_to_the_one_above_it(depths: list[int]) -> None:
    """Walking up from a node's corner meets lines only, and ends where the node above it stands."""
    guides = _guides(depths)
    for row, (depth, guide) in enumerate(zip(depths, guides, strict=True)):
        column = 3 * depth
        assert guide[column:] in ("├─ ", "└─ ")
        above = row - 1
        while above >= 0 and depths[above] >= depth:
            assert guides[above][column] in "│├"
            above -= 1
        assert above < 0 if depth == 0 else depths[above] == depth - 1
        below = depths[row + 1 :]
        siblings = below[: next((index for index, other in enumerate(below) if other < depth), len(below))]
        assert guide.endswith("└─ ") == (depth not in siblings)
