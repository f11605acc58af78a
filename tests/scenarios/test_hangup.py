"""Calls that are ended by an operator or by a lock, on the wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from sipguard.store import account, database, feed
from tests.harness.loopback import eventually
from tests.scenarios.conftest import Stage

pytestmark = pytest.mark.scenario

CUSTOMER, USUAL = 10, 100
NUMBER = "8801711000001"


def test_an_operator_ends_a_call(stage: Stage) -> None:
    gateway = stage.gateway("gateway/answers", USUAL)
    caller = stage.caller("call/ended_by_callee", CUSTOMER, NUMBER)
    eventually("a live call", lambda: stage.daemon.status()["live_calls"] == 1, 5.0)
    (listed,) = stage.daemon.json("call", "list", "--account", "retail")
    assert (listed["account_id"], listed["called"]) == ("customer", NUMBER)
    assert (listed["mapping_gateway_id"], listed["routing_gateway_id"]) == ("customer-trunk", "usual")
    assert stage.daemon.json("call", "hangup", str(listed["call"])) == {"ended": 1}
    result = caller.wait()
    result.proved()
    cdr = stage.cdr(result)
    assert (cdr["call"], cdr["ended_by"], cdr["reason"]) == (listed["call"], "sipguard", "operator")
    assert gateway.stop().received("BYE") == 1, "both sides hear of it"
    assert stage.daemon.command("call", "hangup", str(listed["call"]), check=False).returncode == 1


def test_a_lock_ends_the_calls_below_it_where_the_account_says_so(stage: Stage) -> None:
    stage.gateway("gateway/answers", USUAL)
    caller = stage.caller("call/ended_by_callee", CUSTOMER, NUMBER)
    eventually("a live call", lambda: stage.daemon.status()["live_calls"] == 1, 5.0)
    _lock(stage.daemon.database, "retail", True)
    result = caller.wait()
    _lock(stage.daemon.database, "retail", False)
    result.proved()
    assert stage.cdr(result)["reason"] == "account_locked"


def _lock(path: Path, account_id: str, locked: bool) -> None:
    """As another process would, that the daemon hears of by the change feed."""

    async def lock() -> None:
        store = database.open(path)
        async with store.writing() as conn:
            change = update(account.account).where(account.account.c.id == account_id)
            await conn.execute(change.values(locked=locked, lock_ends_calls=True))
            await feed.record(conn, "account", "update", account_id)
        await store.close()

    asyncio.run(lock())
