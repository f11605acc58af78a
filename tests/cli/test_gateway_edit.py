"""gateway add, modify, remove, and trunk, on the command line."""

from __future__ import annotations

from tests.cli.conftest import Installation


def test_a_way_out_and_a_trunk_come_change_and_go(installed: Installation) -> None:
    made = installed.json(
        "gateway", "add", "v9", "--host", "192.0.2.9", "--route", "44:1:3:continue", "--route", "1"
    )
    assert [route["prefix"] for route in made["routes"]] == ["1", "44"]
    changed = installed.json("gateway", "modify", "v9", "--capacity", "5", "--no-tls-verify", "--route", "49")
    assert (changed["capacity"], changed["tls_verify"], len(changed["routes"])) == (5, False, 1)
    assert installed.json("gateway", "modify", "v9", "--clear", "capacity")["capacity"] is None
    assert installed.says("gateway", "remove", "v9") == "v9 was removed\n"
    told = installed.json("trunk", "add", "t9", "--account-id", "Customer-001", "--username", "t9")
    assert told["credential"]["username"] == "t9"
    assert installed.json("trunk", "modify", "t9", "--sources", "192.0.2.77")["sources"] == ["192.0.2.77/32"]
    assert "t9" in installed.says("trunk", "list", "--account", "Customer-001")
    rules = ("--called-rewrite", "9*:*", "--called-rewrite", "8*:880*", "--country-code", "880")
    assert installed.json("trunk", "modify", "t9", *rules)["called_rewrite"] == ["9*:*", "8*:880*"]
    assert installed.json("trunk", "test-number", "t9", "81711000001")["number"] == "8801711000001"
    told = installed.says("trunk", "test-number", "t9", "81711000001")
    assert "rewritten" in told
    assert "by 8*:880*" in told
    assert told.endswith("passes\n")
    assert installed.json("trunk", "modify", "t9", "--clear", "called_rewrite")["called_rewrite"] == []
    assert installed.says("trunk", "remove", "t9") == "t9 was removed\n"
    assert installed.refuses("gateway", "add", "v9", "--host", "192.0.2.9", "--route", "x")[0] == 2
