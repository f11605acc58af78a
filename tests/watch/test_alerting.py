"""Alerts: each kind is raised by what it is about, once, stands over restarts, and is over when that is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sipguard.calls.audit import Auditor
from sipguard.config import Alerts, Webhook
from sipguard.manage import alert as manage
from sipguard.manage.desk import Desk as Management
from sipguard.manage.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from sipguard.model.actor import Actor, Role, Via
from sipguard.model.alert import Alert, Kind
from sipguard.model.cdr import GatewayTry, LevelCharge, Outcome
from sipguard.policy import destination
from sipguard.policy.alert import CLEAR_AFTER
from sipguard.policy.health import Rules
from sipguard.store import account, alert, alert_delivery, database, feed
from sipguard.store.batch import BatchWriter
from sipguard.store.series_step import Kept, Stepper
from sipguard.watch.alerting import Alerting
from sipguard.watch.checks import Checks
from tests.calls.desk import Desk
from tests.policy.world import (
    ACME,
    RESELLER,
    UNIT,
    World,
    mapping_gateway,
    routing_gateway,
)
from tests.policy.world import (
    account as account_of,
)
from tests.store import books

MINUTE_MS = 60_000
NOON_MS = 1_700_049_600_000
ADMINISTRATOR = Actor("ann", Role.ADMINISTRATOR, Via.SHELL)
HOOK = "http://hook.example/"


class Site:
    """A proxy at a desk, its database, and who looks after both."""

    def __init__(self, path: Path, world: World | None = None, **config: Any) -> None:
        self.path, self.world = path, world or rich()
        self.config = Alerts(webhook=Webhook(urls=(HOOK,), secret="0123456789abcdef"), **config)
        self.desk = Desk(self.world, Rules(down_after=1))
        self.at(NOON_MS)
        self.store = database.open(path)
        self.calls = 0
        self.restart()

    def restart(self) -> None:
        """Another run of the daemon on the same database."""
        exchange = self.desk.exchange
        self.auditor = Auditor(exchange)
        self.checks = Checks(exchange, self.auditor, self.config, {"database": self.path.parent})
        self.alerting = Alerting(exchange, self.store, self.checks, self.config)

    def at(self, unix_ms: int) -> None:
        self.desk.wall_ms = unix_ms - self.desk.now_ns // 1_000_000

    async def rounds(self, number: int = 1) -> list[tuple[str, str, str]]:
        """Kind, scope and subject of what stands afterwards."""
        for _ in range(number):
            await self.alerting.turn()
        return [(one.kind, one.scope, one.subject) for one in await self.standing()]

    async def standing(self) -> list[Alert]:
        async with self.store.reading() as conn:
            return await alert.standing(conn)

    async def told(self) -> list[dict[str, Any]]:
        """What the webhook is to be told, in order."""
        async with self.store.reading() as conn:
            return [json.loads(one.body) for one in await alert_delivery.due(conn, 2**53, 1000)]

    async def record(self, at_ms: int, count: int = 1, answered: bool = True, paid: int = 0) -> None:
        """Calls of acme that ended then, counted; each costs it `paid` micro-units."""
        levels = (LevelCharge(0, "acme", 103, 202, None, 0, 60, paid, 0),)
        fields: dict[str, Any] = {
            "account_id": "acme",
            "routing_gateway_id": "vendor-1",
            "invited_ms": at_ms - 1_000,
            "ringing_ms": at_ms,
            "answered_ms": at_ms if answered else None,
            "ended_ms": at_ms,
            "duration_ms": 0,
            "outcome": Outcome.ANSWERED if answered else Outcome.FAILED,
            "status": 200 if answered else 503,
            "tries": (GatewayTry("vendor-1", "44", 200 if answered else 503, "response"),),
            "levels": levels if answered else (),
            "currency": "USD",
        }
        records = []
        for _ in range(count):
            self.calls += 1
            records.append(type(books.closed(1))(books.closed(self.calls, **fields).cdr, None))
        with books.connect(self.path) as connection:
            assert not BatchWriter(connection, "x").write(records).rejected
        stepper = Stepper(self.path, destination.fronts())
        while stepper.behind():
            stepper.step(Kept(0, 0))
        stepper.close()


def rich(**changes: Any) -> World:
    """Everybody has money; `changes` of acme."""
    world = World()
    world.accounts[2] = account_of(ACME, "acme", RESELLER, **changes)
    for ledger in (101, 102, 103):
        world.funds._balances[ledger] = 1_000 * UNIT
    return world


def playing(site: Site, test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        try:
            await test()
        finally:
            await site.store.close()

    asyncio.run(run())


def test_a_quiet_system_has_no_alerts(path: Path) -> None:
    site = Site(path, disk_filling=100)

    async def test() -> None:
        site.desk.invite()
        assert await site.rounds(3) == []
        assert await site.told() == []

    playing(site, test)


def test_a_spike_of_calls(path: Path) -> None:
    """Refused, failed or up: attempts. Ten a minute are usual; of forty a minute everybody above hears."""
    site = Site(path, disk_filling=0, call_spike=20, call_spike_percent=300)

    async def test() -> None:
        for minute in range(-12, 0):
            await site.record(NOON_MS + minute * MINUTE_MS, 10, answered=False)
        assert await site.rounds() == []
        await site.record(NOON_MS + 1_000, 29, answered=False)
        assert await site.rounds() == [], "not yet three times as many"
        site.desk.invite()  # one that is there now
        raised = await site.rounds()
        assert raised == [("call_spike", "account", id) for id in ("acme", "reseller", "root")]
        assert "30 attempts in a minute, 10 is the mean" in (await site.standing())[0].text
        site.at(NOON_MS + 3 * MINUTE_MS)
        assert await site.rounds(CLEAR_AFTER) == []
        assert [one["type"] for one in await site.told()] == ["alert.raised"] * 3 + ["alert.cleared"] * 3

    playing(site, test)


def test_what_is_usual_has_to_be_known_before_there_is_a_spike(path: Path) -> None:
    site = Site(path, disk_filling=0, call_spike=20)

    async def test() -> None:
        await site.record(NOON_MS + 1_000, 500, answered=False)
        assert await site.rounds() == []

    playing(site, test)


def test_a_fast_falling_balance(path: Path) -> None:
    site = Site(path, disk_filling=0, balance_falling=50, balance_falling_least="10.00")

    async def test() -> None:
        funds = site.desk.exchange.funds
        funds._balances[103] = 9 * UNIT
        await site.record(NOON_MS - 2 * MINUTE_MS, 1, paid=9 * UNIT)
        assert await site.rounds() == [], "half of it, but little"
        await site.record(NOON_MS - MINUTE_MS, 1, paid=9 * UNIT)
        assert await site.rounds() == [("balance_falling", "account", "acme")]
        assert (
            "18.00 USD gone within 10 minutes, 67% of what there was; 9.00 left"
            in (await site.standing())[0].text
        )
        funds._balances[103] = 500 * UNIT  # a payment
        assert await site.rounds(CLEAR_AFTER) == []

    playing(site, test)


def test_a_low_balance_is_seen_when_the_account_calls_and_over_when_it_is_paid(path: Path) -> None:
    site = Site(path, disk_filling=0, balance_low="5.00")

    async def test() -> None:
        funds = site.desk.exchange.funds
        funds._balances[103] = 5 * UNIT + 1
        site.checks.touched(["acme", "gone"])
        assert await site.rounds() == []
        funds._balances[103] = 5 * UNIT
        assert await site.rounds() == [], "it has done nothing since"
        site.checks.touched(["acme"])
        assert await site.rounds() == [("balance_low", "account", "acme")]
        # It stands over a restart, told once, though nobody calls; and its end is noticed.
        site.restart()
        assert await site.rounds(5) == [("balance_low", "account", "acme")]
        assert len(await site.told()) == 1
        funds._balances[103] = 5 * UNIT + 400_000
        assert len(await site.rounds(5)) == 1, "not far enough above"
        funds._balances[103] = 6 * UNIT
        assert await site.rounds(CLEAR_AFTER) == []

    playing(site, test)


def test_an_account_has_its_own_threshold_and_hands_it_down(path: Path) -> None:
    site = Site(path, disk_filling=0, balance_low="0")

    async def test() -> None:
        management = Management(site.store)
        site.desk.exchange.funds._balances.update({102: 40 * UNIT, 103: 40 * UNIT})
        site.checks.touched(["acme", "reseller"])
        assert await site.rounds() == []
        async with management.writing(ADMINISTRATOR, "account.set_threshold") as act:
            await manage.set_threshold(act, "reseller", Kind.BALANCE_LOW, 50 * UNIT, subtree=True)
        site.checks.touched(["acme", "reseller"])
        assert [subject for _, _, subject in await site.rounds()] == ["acme", "reseller"]
        async with management.writing(ADMINISTRATOR, "account.set_threshold") as act:
            await manage.set_threshold(act, "acme", Kind.BALANCE_LOW, None)
        assert [subject for _, _, subject in await site.rounds(CLEAR_AFTER)] == ["reseller"]
        async with management.writing(ADMINISTRATOR, "account.unset_threshold") as act:
            with pytest.raises(NotFoundError):
                await manage.unset_threshold(act, "acme", Kind.BALANCE_LOW, subtree=True)

    playing(site, test)


def test_growth_of_sub_accounts(path: Path) -> None:
    site = Site(path, disk_filling=0, sub_account_growth=3)

    async def grow(ids: list[str]) -> None:
        async with site.store.writing() as conn:
            for id in ids:
                await account.insert(conn, id=id, name="", currency="USD", agent_key=RESELLER)
            await feed.record(conn, "account", "insert", "x")
        stepper = Stepper(path)
        stepper.grow(NOON_MS // 1000)
        stepper.close()

    async def test() -> None:
        await grow([])
        assert await site.rounds() == [], "what was there at first has not come"
        await grow(["a", "b"])
        assert await site.rounds() == []
        await grow(["c"])
        site.at(NOON_MS + 3_600_000)
        # All in one hour with the first look at the tree: the day before tells nothing yet.
        assert await site.rounds() == []
        stepper = Stepper(path)
        async with site.store.writing() as conn:
            for id in "defg":
                await account.insert(conn, id=id, name="", currency="USD", agent_key=RESELLER)
            await feed.record(conn, "account", "insert", "x")
        stepper.grow(NOON_MS // 1000 + 3_600)
        stepper.close()
        assert await site.rounds() == [("sub_account_growth", "account", id) for id in ("reseller", "root")]
        site.at(NOON_MS + 30 * 3_600_000)
        assert await site.rounds(CLEAR_AFTER) == []

    playing(site, test)


def test_capacity_of_gateways_and_accounts(path: Path) -> None:
    world = rich(call_limit=4)
    world.trunks = [mapping_gateway(capacity=10)]
    world.gateways = [routing_gateway(capacity=4)]
    site = Site(path, world, disk_filling=0, capacity=75)

    async def test() -> None:
        for _ in range(3):
            site.desk.invite()
        assert await site.rounds() == [], "once may be chance"
        full = [("capacity", "account", "acme"), ("capacity", "routing_gateway", "vendor-1")]
        assert sorted(await site.rounds()) == full
        assert (await site.standing())[0].text == "3 of 4 concurrent calls; alarming is 75%"

    playing(site, test)


def test_a_gateway_that_is_down_and_comes_back(path: Path) -> None:
    site = Site(path, disk_filling=0)

    async def test() -> None:
        health = site.desk.gateways.health
        health.probed(1, "answer to OPTIONS: none in time", site.desk.now_ns)
        assert await site.rounds() == [("gateway_down", "routing_gateway", "vendor-1")]
        (one,) = await site.standing()
        assert (one.severity, one.text) == ("critical", "out of service: answer to OPTIONS: none in time")
        for _ in range(5):
            health.probed(1, "", site.desk.now_ns)
        assert await site.rounds(CLEAR_AFTER) == []
        raised, cleared = await site.told()
        assert (raised["type"], cleared["type"]) == ("alert.raised", "alert.cleared")
        assert raised["data"]["key"] == cleared["data"]["key"]

    playing(site, test)


def test_gateways_that_are_added_changed_or_removed_are_told_until_somebody_has_seen_it(path: Path) -> None:
    site = Site(path, disk_filling=0)

    async def test() -> None:
        assert await site.rounds(2) == [], "what is there at the first start is not new"
        site.world.gateways = [routing_gateway(host="127.0.0.66", capacity=5), routing_gateway(2)]
        site.desk.configure(site.world)
        raised = await site.rounds(2)
        assert raised == [("gateway_changed", "routing_gateway", id) for id in ("vendor-1", "vendor-2")]
        first, second = await site.standing()
        assert first.text == 'changed: capacity from null to 5, host from "127.0.0.10" to "127.0.0.66"'
        assert second.text == "added"
        assert len(await site.rounds(10)) == 2, "it does not pass by itself"
        management = Management(site.store)
        async with management.writing(ADMINISTRATOR, "alert.acknowledge") as act:
            seen = await manage.acknowledge(act, first.key, "it was me")
        assert (seen.acknowledged_by, seen.note) == ("ann", "it was me")
        assert seen.cleared_ms is not None
        # While it was down somebody removed one.
        site.world.gateways = site.world.gateways[:1]
        site.desk.configure(site.world)
        site.restart()
        assert await site.rounds() == [("gateway_changed", "routing_gateway", "vendor-2")]
        assert (await site.standing())[0].text == "removed"

    playing(site, test)


def test_a_collapse_of_answers(path: Path) -> None:
    site = Site(path, disk_filling=0, call_spike=0, asr_collapse=50, asr_collapse_calls=20)

    async def test() -> None:
        await site.record(NOON_MS - 3 * 3_600_000, 60)
        await site.record(NOON_MS - 3 * 3_600_000, 40, answered=False)
        await site.record(NOON_MS - 4 * MINUTE_MS, 7)
        await site.record(NOON_MS - 4 * MINUTE_MS, 13, answered=False)
        assert await site.rounds(2) == [], "35% instead of 60%"
        await site.record(NOON_MS - 3 * MINUTE_MS, 10, answered=False)
        assert await site.rounds() == []
        raised = await site.rounds()
        assert sorted((scope, subject) for kind, scope, subject in raised if kind == "asr_collapse") == [
            ("account", "acme"),
            ("account", "reseller"),
            ("account", "root"),
            ("routing_gateway", "vendor-1"),
            ("system", ""),
        ]
        assert len(raised) == 5
        assert (
            "ASR 23.3% of 30 calls in 15 minutes, 60.0% in the day before" in (await site.standing())[0].text
        )

    playing(site, test)


def test_a_difference_that_the_audit_found(path: Path) -> None:
    site = Site(path, disk_filling=0)

    async def test() -> None:
        site.auditor.differences = 2
        assert await site.rounds(2) == [("audit_difference", "system", "")]
        site.auditor.differences = 0
        assert await site.rounds(CLEAR_AFTER) == []

    playing(site, test)


def test_a_disk_that_fills(path: Path) -> None:
    site = Site(path, disk_filling=1)

    async def test() -> None:
        assert await site.rounds() == [("disk_filling", "disk", "database")]

    playing(site, test)


def test_a_round_that_cannot_be_written_is_repeated(path: Path) -> None:
    site = Site(path, disk_filling=0)

    async def test() -> None:
        site.desk.gateways.health.probed(1, "gone", site.desk.now_ns)
        with books.connect(path) as holder:
            holder.execute("CREATE TRIGGER no BEFORE INSERT ON alert BEGIN SELECT RAISE(ABORT, 'full'); END")
            with pytest.raises(Exception, match="full"):
                await site.alerting.turn()
            assert await site.standing() == []
            holder.execute("DROP TRIGGER no")
        assert len(await site.rounds(2)) == 1
        assert len(await site.told()) == 1

    playing(site, test)


def test_who_sees_and_acknowledges_what(path: Path) -> None:
    site = Site(path, disk_filling=1, balance_low="5.00")
    acme = Actor("a", Role.ACCOUNT, Via.SESSION, account_key=ACME)
    support = Actor("s", Role.SUPPORT, Via.SESSION)

    async def test() -> None:
        site.desk.exchange.funds._balances.update({102: 0, 103: 0})
        site.checks.touched(["acme", "reseller"])
        await site.rounds()
        management = Management(site.store)
        keys = {one.subject: one.key for one in await site.standing()}
        async with management.reading(acme) as view:
            assert [one.subject for one in (await manage.list_(view)).items] == ["acme"]
        async with management.reading(support) as view:
            first = await manage.list_(view, limit=2)
            rest = await manage.list_(view, limit=2, after=first.next_cursor)
            assert [one.key for one in (*first.items, *rest.items)] == sorted(keys.values(), reverse=True)
            assert [one.kind for one in (await manage.list_(view, kind=Kind.DISK_FILLING)).items] == [
                "disk_filling"
            ]
        with pytest.raises(NotFoundError):
            async with management.writing(acme, "alert.acknowledge") as act:
                await manage.acknowledge(act, keys["reseller"])
        async with management.writing(support, "alert.acknowledge") as act:
            await manage.acknowledge(act, keys["acme"])
        with pytest.raises(ConflictError, match="was acknowledged by s"):
            async with management.writing(acme, "alert.acknowledge") as act:
                await manage.acknowledge(act, keys["acme"])
        with pytest.raises(ForbiddenError):
            async with management.writing(support, "account.set_threshold") as act:
                await manage.set_threshold(act, "acme", Kind.BALANCE_LOW, 1)
        with pytest.raises(InvalidError, match="found gateway_down, expected one of call_spike"):
            async with management.writing(ADMINISTRATOR, "account.set_threshold") as act:
                await manage.set_threshold(act, "acme", Kind.GATEWAY_DOWN, 1)
        with pytest.raises(InvalidError, match="found 101, expected 0 to 100"):
            async with management.writing(ADMINISTRATOR, "account.set_threshold") as act:
                await manage.set_threshold(act, "acme", Kind.CAPACITY, 101)
        # It stands on, seen; and is not told again.
        assert len(await site.rounds(3)) == 3
        assert len(await site.told()) == 3

    playing(site, test)


def test_only_the_kinds_that_a_webhook_wants(path: Path) -> None:
    site = Site(path, disk_filling=1)
    site.config = Alerts(
        disk_filling=1, webhook=Webhook(urls=(HOOK,), secret="0123456789abcdef", kinds=("gateway_down",))
    )
    site.restart()

    async def test() -> None:
        site.desk.gateways.health.probed(1, "gone", site.desk.now_ns)
        assert len(await site.rounds()) == 2
        assert [one["data"]["kind"] for one in await site.told()] == ["gateway_down"]

    playing(site, test)


def test_old_alerts_are_forgotten_and_standing_ones_are_not(path: Path) -> None:
    site = Site(path, disk_filling=1)

    async def test() -> None:
        await site.rounds()
        async with site.store.writing() as conn:
            (standing,) = await alert.standing(conn)
            for number in range(10):
                one = await alert.raise_(conn, _reading(number), number)
                assert await alert.clear(conn, alert.place_of(one), number + 1) is not None
            await alert.forget(conn, kept=4)
        rows = books.rows(path, "SELECT key FROM alert ORDER BY key")
        assert [key for (key,) in rows] == [standing.key, *range(8, 12)]

    playing(site, test)


def _reading(number: int) -> Any:
    from sipguard.model.alert import Reading, Subject

    return Reading(Kind.BALANCE_LOW, Subject("account", f"a{number}"), 1, 1, 2, "")


def test_every_kind_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert [kind.value for kind in Kind if f"| `{kind.value}` | " not in documented] == []
