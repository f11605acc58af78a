"""Locks, validity and the shape of the tree: what stops an agent stops everything below it at once."""

from __future__ import annotations

import pytest

from sipguard.model.verdict import Reason
from sipguard.policy.decide import Moment
from tests.policy.world import ACME, NOW, RESELLER, ROOT, World, account

NOW_S = NOW.unix_ms // 1000


def at(unix_ms: int) -> Moment:
    return Moment(unix_ms, NOW.monotonic_ns)


@pytest.mark.parametrize(("key", "level"), [(ACME, "acme"), (RESELLER, "reseller"), (ROOT, "root")])
def test_a_lock_stops_the_whole_subtree_and_is_named(key: int, level: str) -> None:
    refusal = World().change(key, locked=True).refusal()
    assert (refusal.reason, refusal.level) == (Reason.ACCOUNT_LOCKED, level)
    assert refusal.rule == f"account:{level}.locked"
    assert refusal.account_id == "acme"


def test_the_highest_lock_is_named() -> None:
    assert World().change(ACME, locked=True).change(ROOT, locked=True).refusal().level == "root"


def test_a_lock_is_named_before_an_expiry() -> None:
    world = World().change(ROOT, valid_till=NOW_S).change(ACME, locked=True)
    assert world.refusal().reason is Reason.ACCOUNT_LOCKED


@pytest.mark.parametrize("key", [ACME, RESELLER, ROOT])
def test_valid_from_is_inclusive(key: int) -> None:
    world = World().change(key, valid_from=NOW_S)
    world.permit(now=at(NOW_S * 1000))
    refusal = world.refusal(now=at(NOW_S * 1000 - 1))
    assert refusal.reason is Reason.ACCOUNT_EXPIRED
    assert refusal.rule is not None
    assert refusal.rule.endswith(".valid_from")


@pytest.mark.parametrize("key", [ACME, RESELLER, ROOT])
def test_valid_till_is_exclusive(key: int) -> None:
    world = World().change(key, valid_till=NOW_S)
    world.permit(now=at(NOW_S * 1000 - 1))
    refusal = world.refusal(now=at(NOW_S * 1000))
    assert refusal.reason is Reason.ACCOUNT_EXPIRED
    assert refusal.rule is not None
    assert refusal.rule.endswith(".valid_till")


def test_the_expired_level_is_named_among_valid_ones() -> None:
    world = (
        World()
        .change(ROOT, valid_till=NOW_S + 9)
        .change(RESELLER, valid_till=NOW_S - 9)
        .change(ACME, valid_from=1)
    )
    assert world.refusal().level == "reseller"


def test_the_shortest_maximum_length_of_all_levels_holds() -> None:
    world = World().change(ACME, max_call_seconds=3600).change(ROOT, max_call_seconds=600)
    assert world.permit().max_seconds == 600
    assert World().permit().max_seconds is None


def test_every_level_pays_the_one_above() -> None:
    permit = World().permit()
    assert [(level.account.id, level.income_ledger) for level in permit.levels] == [
        ("acme", 202),
        ("reseller", 201),
        ("root", 900),
    ]


TREES = [
    ("a missing agent", [account(1, "a", agent_key=9)], r"account 'a': no agent with key 9"),
    ("an account above itself", [account(1, "a", agent_key=1)], r"account 'a' is its own agent"),
    (
        "a circle with a tail",
        [account(1, "tail", 2), account(2, "b", 3), account(3, "c", 4), account(4, "d", 2)],
        r"account 'd' is its own agent through 'b'",
    ),
    ("two currencies", [account(1, "a"), account(2, "b", 1, currency="EUR")], r"account 'b' is in EUR"),
]


@pytest.mark.parametrize(
    ("accounts", "message"), [tree[1:] for tree in TREES], ids=[tree[0] for tree in TREES]
)
def test_a_tree_that_is_none_is_named(accounts: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        World(accounts=accounts, trunks=[]).directory()  # type: ignore[arg-type]


def test_a_tree_may_be_deep() -> None:
    depth = 2000
    deep = [account(key, f"a{key}", key - 1, rate_table_key=11) for key in range(1001, 1000 + depth)]
    directory = World(accounts=[account(1000, "top", rate_table_key=11), *deep], trunks=[]).directory()
    assert len(directory.chain(1000 + depth - 1).accounts) == depth
