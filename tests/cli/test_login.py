"""login: made, listed, locked, keyed and removed by hand."""

from __future__ import annotations

from click.testing import CliRunner, Result

from sipguard.cli import main
from tests.cli.conftest import Installation


def types(site: Installation, password: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(site.config), *arguments], input=f"{password}\n")


def test_logins_are_managed_by_hand(installed: Installation) -> None:
    for username, role in (("boss", "administrator"), ("eye", "viewer")):
        made = types(installed, "good enough for all", "login", "add", username, "--role", role)
        assert made.exit_code == 0, made.output
    clerk = ("login", "add", "clerk", "--role", "account", "--account")
    assert types(installed, "good enough for all", *clerk, "Customer-001").exit_code == 0
    assert types(installed, "good enough for all", *clerk, "Nobody").exit_code != 0
    assert types(installed, "good enough for all", "login", "add", "x", "--role", "account").exit_code == 2
    assert types(installed, "short", "login", "add", "y", "--role", "viewer").exit_code != 0
    assert [one["username"] for one in installed.json("login", "list")] == ["boss", "clerk", "eye"]
    assert "Customer-001" in installed.says("login", "list")

    installed.says("login", "lock", "clerk")
    assert "locked" in installed.says("login", "list", "--account", "Customer-001")
    installed.says("login", "unlock", "clerk")
    installed.says("login", "modify", "eye", "--role", "support")
    assert installed.json("login", "list")[2]["role"] == "support"
    assert types(installed, "another good enough", "login", "password", "clerk").exit_code == 0
    assert installed.run("login", "lock", "boss").exit_code != 0, "the last administrator"
    installed.says("login", "totp", "remove", "clerk")

    text = installed.says(
        "login", "key", "add", "clerk", "--name", "tests", "--read-only", "--days", "7"
    ).strip()
    (key,) = installed.json("login", "key", "list", "clerk")
    assert text.startswith(f"sg_{key['id']}_")
    assert (key["read_only"], key["nouns"]) == (True, None)
    installed.says("login", "key", "revoke", "clerk", key["id"])
    assert installed.json("login", "key", "list", "clerk") == []

    installed.says("login", "remove", "clerk")
    assert [one["username"] for one in installed.json("login", "list")] == ["boss", "eye"]
