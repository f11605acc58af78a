"""`sipguard alert`: list, acknowledge, test, thresholds."""

from __future__ import annotations

import asyncio

from sipguard.model.alert import Kind, Reading, Subject
from sipguard.store import alert, database
from tests.cli.conftest import Installation
from tests.watch.test_webhook import receiver

CUSTOMER = Subject("account", "Customer-001")


def raised(installed: Installation) -> list[int]:
    """Two alerts; the second is over."""

    async def raise_() -> list[int]:
        store = database.open(installed.database)
        async with store.writing() as conn:
            low = Reading(Kind.BALANCE_LOW, CUSTOMER, 0, 1, 2, "[red]0.50[/red] left")
            down = Reading(
                Kind.GATEWAY_DOWN, Subject("routing_gateway", "Vendor-A"), 1, 1, 0, "out of service"
            )
            keys = [(await alert.raise_(conn, one, 1_700_000_000_000)).key for one in (low, down)]
            await alert.clear(conn, (down.kind, down.subject), 1_700_000_060_000)
        await store.close()
        return keys

    return asyncio.run(raise_())


def test_alerts_are_listed_and_acknowledged(installed: Installation) -> None:
    first, second = raised(installed)
    assert [one["key"] for one in installed.json("alert", "list")] == [first]
    assert [one["key"] for one in installed.json("alert", "list", "--all")] == [second, first]
    shown = installed.says("alert", "list")
    assert "account Customer-001" in shown
    assert "[red]0.50[/red] left" in shown
    assert shown.endswith("1 alerts\n")
    (seen,) = installed.json("alert", "acknowledge", str(first), "--note", "called them")
    assert (seen["note"], seen["cleared_ms"]) == ("called them", None)
    assert f"seen by {seen['acknowledged_by']}" in installed.says("alert", "list")
    assert installed.refuses("alert", "acknowledge", str(first))[0] == 1
    assert installed.refuses("alert", "acknowledge", "99") == (2, "there is no alert 99")


def test_thresholds(installed: Installation) -> None:
    def threshold(*arguments: str) -> None:
        assert installed.says("alert", "threshold", *arguments) == ""

    threshold("set", "Customer-001", "balance_low", "12.50")
    threshold("set", "Customer-001", "capacity", "off", "--subtree")
    assert installed.json("alert", "threshold", "list", "Customer-001") == [
        {"kind": "balance_low", "subtree": False, "value": 12_500_000},
        {"kind": "capacity", "subtree": True, "value": None},
    ]
    assert installed.says("alert", "threshold", "list", "Customer-001").splitlines() == [
        "balance_low alone: 12500000",
        "capacity with everything below: no alerts",
    ]
    threshold("set", "Customer-001", "capacity", "default", "--subtree")
    assert len(installed.json("alert", "threshold", "list", "Customer-001")) == 1
    for arguments, code in [
        (("Nobody", "capacity", "1"), 2),
        (("Customer-001", "capacity", "101"), 2),
        (("Customer-001", "capacity", "much"), 2),
        (("Customer-001", "capacity", "default"), 2),
    ]:
        assert installed.refuses("alert", "threshold", "set", *arguments)[0] == code


def test_webhooks_are_tested(installed: Installation) -> None:
    assert installed.refuses("alert", "test")[0] == 2
    with receiver(200, 500) as server:
        installed.config.write_text(
            installed.config.read_text()
            + f'[alerts.webhook]\nurls = ["{server.url}"]\nsecret = "0123456789abcdef"\n'
        )
        assert installed.says("alert", "test") == f"{server.url}: 200\n"
        result = installed.run("alert", "test")
        assert (result.exit_code, result.stdout) == (1, f"{server.url}: 500\n")
    assert b'"type":"alert.test"' in server.got[0][2]
