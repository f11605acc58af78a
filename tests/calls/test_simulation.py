"""Whatever callers, gateways, the network and kills do: every call ends, once, and the money adds up.

A few hundred calls of each kind of world; `make simulate` has a million of them (tests.calls.__main__).
"""

from __future__ import annotations

from collections import Counter

import pytest

from sipguard.model.cdr import Outcome
from tests.calls.__main__ import Shard, run
from tests.calls.kinds import KINDS, breaches
from tests.calls.simulation import UNIX_MS
from tests.harness.ends import MS

CALLS = 400
SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["ordinary", "poor_and_killed", "bad_network", "vanishing_and_killed"])
def test_all_is_over_and_adds_up(kind: str, seed: int) -> None:
    world = KINDS[kind](seed, CALLS)
    assert list(breaches(world)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_in_between(seed: int) -> None:
    world = KINDS["killed"](seed, CALLS)
    assert list(breaches(world)) == []
    assert world.life > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_every_attempt_has_one_record_and_every_outcome_comes_up(seed: int) -> None:
    world = KINDS["ordinary"](seed, CALLS)
    assert len(world.disk.cdrs) == CALLS, "one record for each attempt, refused ones too"
    outcomes = {cdr.outcome for cdr in world.disk.cdrs.values()}
    assert outcomes == set(Outcome), "the world is rich enough to show every outcome"
    assert set(world.did()) == {"cancel", "ack_lost", "reinvite", "fork"}


@pytest.mark.parametrize("seed", SEEDS)
def test_money_for_a_few_calls_only(seed: int) -> None:
    """Those that cannot pay are refused or cut, and nobody goes below."""
    world = KINDS["poor"](seed, CALLS)
    assert list(breaches(world)) == []
    assert "not_enough_money" in {cdr.reason for cdr in world.disk.cdrs.values()}


@pytest.mark.parametrize("seed", SEEDS)
def test_ends_that_vanish(seed: int) -> None:
    """They are found, and their calls cost until they were last there, and not longer."""
    world = KINDS["vanishing"](seed, CALLS)
    assert list(breaches(world)) == []
    cdrs = {cdr.sip_call_id: cdr for cdr in world.disk.cdrs.values()}
    reasons = Counter(cdr.reason for cdr in cdrs.values())
    for reason in ("caller_gone", "callee_gone", "caller_over", "no_ack"):
        assert reasons[reason], reason
    for call_id, died_ns in world.died().items():
        cdr = cdrs[call_id]
        if cdr.reason == "caller_gone":
            died_ms = UNIX_MS + died_ns // MS
            assert died_ms - 60_000 < cdr.ended_ms < died_ms + 1000, "asked every 15 to 25 s"


def test_a_shard_tells_what_it_saw() -> None:
    told = run(Shard("killed", 1, 300))
    assert told["breaches"] == []
    assert not any(told["left"].values())
    assert told["calls"] == 300
    assert told["kills"] > 5
    assert sum(told["outcomes"].values()) <= 300, "one that a kill overtakes before it is forwarded has none"


def test_what_is_left_over_is_a_breach() -> None:
    """A charge that is on disk twice, and a purse that lost a micro-unit."""
    world = KINDS["ordinary"](0, 40)
    world.disk.duplicates += 1
    world.disk.balances[301] -= 1
    assert [one.split()[1] for one in breaches(world)] == ["residual_micros", "drift_micros", "doubled"]
