"""A call whose money ends is told of before it is cut."""

from __future__ import annotations

from tests.calls.kinds import simulation
from tests.harness.ends import Chances

QUIET = Chances(
    lost=0,
    repeated=0,
    cancelled=0,
    caller_vanishes=0,
    callee_hangs_up=0,
    forked=0,
    talk_ms=900_000,
    ways={"answer": 1},
)


def test_a_call_is_told_of_ten_seconds_before_its_money_ends() -> None:
    world = simulation(3, QUIET)
    for ledger in (101, 102, 103):
        world.disk.balances[ledger] = 80_000  # 80 s at a thousandth of a unit a second
    world.boot()
    world.exchange.warning_seconds = 10
    world.run(1, per_second=1)
    (cdr,) = world.disk.cdrs.values()
    assert (cdr.reason, cdr.duration_ms) == ("not_enough_money", 80_000)
    (notice,) = world.exchange.notices.since(0)
    assert (notice.name, notice.facts["call"], notice.facts["seconds_left"]) == ("call.warning", cdr.call, 10)
    assert cdr.answered_ms is not None
    assert abs(notice.at_ms - (cdr.answered_ms + 70_000)) < 50


def test_a_call_that_ends_by_itself_or_by_its_maximum_is_not_told_of() -> None:
    world = simulation(3, QUIET)
    world.exchange.warning_seconds = 10
    world.run(5, per_second=1)
    assert {cdr.reason for cdr in world.disk.cdrs.values()} <= {None, "max_call_seconds"}
    assert world.exchange.notices.since(0) == []
