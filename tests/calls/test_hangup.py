"""Calls that are ended from here: by an operator, by a lock, by the end of an account's time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from sipguard.calls import hangup
from sipguard.calls.lock import LockWatch
from sipguard.control import ControlError
from sipguard.model.cdr import Outcome
from sipguard.model.gateway import NumberPlan
from sipguard.model.phone import Phone, PhoneLock
from sipguard.policy.phone import Phones
from tests.calls.kinds import breaches, simulation
from tests.calls.simulation import UNIX_MS, Simulation
from tests.harness.ends import MS, Chances
from tests.policy.world import ACME, RESELLER


@pytest.fixture
def world() -> Simulation:
    """Stopped while calls are up and others are being set up."""
    world = simulation(11, Chances(lost=0, repeated=0, cancelled=0, caller_vanishes=0, callee_hangs_up=0))
    world.run(60, per_second=20, until_ns=12_000 * MS)
    assert 0 < world.exchange.current.answered < len(world.exchange.current)
    return world


def to_the_end(world: Simulation) -> None:
    while world.step():
        pass
    assert list(breaches(world)) == []


def test_all_calls_of_an_agent_are_ended_and_each_has_its_record(world: Simulation) -> None:
    there = set(world.exchange.current.ids())
    up = {call.id for call in world.exchange.current if call.answered_ms is not None}
    assert asyncio.run(hangup.by_operator(world.exchange, "account", "reseller")) == len(there)
    assert world.exchange.current.account(RESELLER) < len(there), (
        "what is answered this moment comes a little later"
    )
    to_the_end(world)
    records = {call: world.disk.cdrs[call] for call in there}
    for call, cdr in records.items():
        assert cdr.ended_by == "sipguard", cdr
        if call in up:
            assert (cdr.outcome, cdr.reason, cdr.q850) == (Outcome.ANSWERED, "operator", 31)
        elif cdr.outcome is Outcome.FAILED:
            assert (cdr.status, cdr.reason, cdr.duration_ms) == (480, "operator", 0)


def test_one_call_is_ended_by_either_of_its_ids(world: Simulation) -> None:
    first, second = [call for call in world.exchange.current if call.answered_ms is not None][:2]
    assert asyncio.run(hangup.by_operator(world.exchange, "call", str(first.id))) == 1
    assert asyncio.run(hangup.by_operator(world.exchange, "call", second.attempt.sip_call_id)) == 1
    with pytest.raises(ControlError, match="there is no call"):
        asyncio.run(hangup.by_operator(world.exchange, "call", str(first.id)))
    to_the_end(world)
    reasons = [cdr.reason for cdr in world.disk.cdrs.values()]
    assert reasons.count("operator") == 2


def test_calls_through_a_gateway_are_ended(world: Simulation) -> None:
    calls = world.exchange.current.of_routing_gateway(1)
    assert calls
    assert asyncio.run(hangup.by_operator(world.exchange, "gateway", "vendor-1")) == len(calls)
    for what in ("account", "gateway", "mapping_gateway", "routing_gateway"):
        with pytest.raises(ControlError, match="there is no"):
            asyncio.run(hangup.by_operator(world.exchange, what, "nobody"))
    to_the_end(world)


def change(world: Simulation, key: int, **changes: object) -> None:
    directory = world.exchange.directory
    changed = replace(directory.accounts[key], **changes)  # type: ignore[arg-type]
    directory.accounts = directory.accounts.changed({key: changed})


@pytest.mark.parametrize(
    ("changes", "of_all", "reason"),
    [
        ({"locked": True}, False, None),
        ({"locked": True}, True, "account_locked"),
        ({"locked": True, "lock_ends_calls": True}, False, "account_locked"),
        ({"locked": True, "lock_ends_calls": False}, True, None),
        ({"valid_till": UNIX_MS // 1000 + 12}, True, "account_expired"),
        ({"valid_till": UNIX_MS // 1000 + 3600}, True, None),
    ],
)
@pytest.mark.parametrize("key", [ACME, RESELLER])
def test_a_lock_ends_calls_or_lets_them_finish(
    world: Simulation, changes: dict[str, object], of_all: bool, reason: str | None, key: int
) -> None:
    change(world, key, **changes)
    before = len(world.exchange.current)
    ended = asyncio.run(LockWatch(world.exchange, of_all).round())
    assert ended == (0 if reason is None else before)
    to_the_end(world)
    reasons = {cdr.reason for cdr in world.disk.cdrs.values()}
    assert (reason in reasons) if reason else not reasons & {"account_locked", "account_expired"}


@pytest.mark.parametrize(
    ("lock", "gateway"),
    [(PhoneLock.NONE, None), (PhoneLock.OUTGOING, "trunk-1"), (PhoneLock.INCOMING, "vendor-1")],
)
def test_a_lock_of_a_phone_ends_calls_of_its_direction(
    world: Simulation, lock: PhoneLock, gateway: str | None
) -> None:
    """With a phone in the place of the first gateway on either side: a phone is one with its key negated."""
    plan = NumberPlan(None, None, ())
    phone = Phone(-1, "desk", ACME, (), (), plan, lock, call_limit=None, cps_limit=None, contact_limit=1)
    world.exchange.directory.phones = Phones([phone])
    current = world.exchange.current
    calls = {None: (), "trunk-1": current.of_mapping_gateway(1), "vendor-1": current.of_routing_gateway(1)}
    assert calls["vendor-1"]
    assert asyncio.run(LockWatch(world.exchange, True).round()) == len(calls[gateway])
    world.exchange.directory.phones = Phones(())
    to_the_end(world)
    reasons = {world.disk.cdrs[call].reason for call in calls[gateway]}
    assert reasons <= {"phone_locked", None}
    assert bool(reasons) is (gateway is not None)


def test_a_lock_ends_no_emergency_call(world: Simulation) -> None:
    for call in world.exchange.current:
        call.permit = msgspec.structs.replace(call.permit, emergency=True)
    change(world, RESELLER, locked=True)
    assert asyncio.run(LockWatch(world.exchange, True).round()) == 0
    to_the_end(world)
