"""Accounts, authorizations, sections and the audit log on the command line, without a daemon."""

from __future__ import annotations

from pathlib import Path

from sipguard.cli.authorization import SLUGS
from sipguard.model import authorization
from tests.cli.conftest import Installation


def test_accounts_are_made_changed_moved_locked_and_removed(installed: Installation) -> None:
    tree = installed.json("account", "list")
    agent = next(row["id"] for row in tree if row["category"] == "agent")
    currency = tree[0]["currency"]
    made = installed.json("account", "add", "new", "--agent-id", agent, "--name", "New one")
    assert (made["agent_id"], made["currency"], made["balance_micros"]) == (agent, currency, 0)
    assert installed.json("account", "modify", "new", "--call-limit", "5")["call_limit"] == 5
    assert installed.json("account", "lock", "new")["locked"]
    assert not installed.json("account", "unlock", "new")["locked"]
    assert installed.json("account", "move", "new", "--top")["agent_id"] is None
    assert installed.json("account", "move", "new", "--to", agent)["agent_id"] == agent
    assert [row["id"] for row in installed.json("account", "search", "new ONE")] == ["new"]
    code, text = installed.refuses("account", "remove", agent)
    assert code == 1
    assert "sub-account" in text
    installed.says("account", "remove", "new")
    assert installed.refuses("account", "show", "new") == (2, "there is no account new")
    actions = [one["action"] for one in installed.json("audit", "--noun", "account", "--id", "new")]
    assert actions == [
        "account.delete",
        "account.move",
        "account.move",
        "account.unlock",
        "account.lock",
        "account.modify",
        "account.create",
    ]


def test_authorizations_and_templates(installed: Installation) -> None:
    assert tuple(authorization.SLUGS) == SLUGS
    top = next(row["id"] for row in installed.json("account", "list") if row["depth"] == 0)
    held = installed.json("authorization", "grant", top, "phone", "account")
    assert held["effective"] == ["account", "phone"]
    installed.json("template", "add", "gold", "account", "card")
    assert installed.json("authorization", "grant", top, "--template", "gold")["granted"] == [
        "account",
        "card",
    ]
    assert [one["id"] for one in installed.json("template", "list")][-1] == "gold"
    assert installed.json("authorization", "report")[0]["account_id"] == top
    assert installed.json("authorization", "check") == []
    assert installed.json("authorization", "grant", top)["granted"] == []
    assert installed.json("approval", "list") == []
    assert installed.refuses("approval", "approve", "7", "--reason", "r")[1] == "there is no approval 7"


def test_sections_and_sets(installed: Installation) -> None:
    top = next(row["id"] for row in installed.json("account", "list") if row["depth"] == 0)
    installed.json("destination-set", "set", "gulf", "966", "971")
    told = installed.json("section", "set", top, "called", "allow:880", "block:88019", "allow:@gulf")
    assert told["called"] == [
        {"action": "allow", "prefix": "880", "set_id": None},
        {"action": "allow", "prefix": None, "set_id": "gulf"},
        {"action": "block", "prefix": "88019", "set_id": None},
    ]
    installed.json("destination-set", "set", "gulf", "974")
    assert installed.refuses("destination-set", "remove", "gulf")[0] == 1
    assert "called allow @gulf" in installed.says("section", "show", top)
    assert installed.json("section", "set", top, "called")["called"] == []
    installed.says("destination-set", "remove", "gulf")


def test_a_file_of_accounts(installed: Installation, tmp_path: Path) -> None:
    currency = installed.json("account", "list")[0]["currency"]
    file = tmp_path / "accounts.csv"
    file.write_text(f"id,agent_id,currency\nbulk,,{currency}\nbulk-1,bulk,\nbulk-1,bulk,\n")
    result = installed.run("account", "import", str(file), "--batch-lines", "2")
    assert result.exit_code == 1
    assert result.stdout == "line 4: id: the account id bulk-1 is taken\n2 of 3 accounts were made\n"
    assert {row["id"] for row in installed.json("account", "list")} >= {"bulk", "bulk-1"}
