"""Holds: all or none, at every exit gone, never below a limit (L-07, L-08, L-09)."""

from __future__ import annotations

import pytest

from sipguard.model.ledger import Posting
from sipguard.policy.funds import Funds, Shortage, Totals, Want

CALL, OTHER = 1, 2
ACME, RESELLER, REVENUE, VENDOR, NEXT_VENDOR = 10, 11, 20, 30, 31


def test_available_is_balance_and_credit_less_what_is_held() -> None:
    funds = Funds({ACME: 100})
    assert funds.hold(CALL, [Want(ACME, 130, 50)]) is None
    assert (funds.balance(ACME), funds.held(ACME), funds.available(ACME, 50)) == (100, 130, 20)


def test_all_levels_or_none() -> None:
    funds = Funds({ACME: 100, RESELLER: 10})
    assert funds.hold(CALL, [Want(ACME, 50, 0), Want(RESELLER, 11, 0)]) == Shortage(RESELLER, 10, 11)
    assert funds.totals() == Totals(0, 0, 0)
    assert funds.available(ACME, 0) == 100


def test_the_same_ledger_twice_is_summed() -> None:
    funds = Funds({ACME: 100})
    assert funds.hold(CALL, [Want(ACME, 60, 0), Want(ACME, 60, 0)]) == Shortage(ACME, 100, 120)
    assert funds.hold(CALL, [Want(ACME, 60, 0), Want(ACME, 40, 0)]) is None
    assert funds.held_by(CALL, ACME) == 100


def test_room_for_ten_is_room_for_ten() -> None:
    """L-08: twenty calls want what is enough for ten."""
    funds = Funds({ACME: 100})
    granted = [funds.hold(call, [Want(ACME, 10, 0)]) is None for call in range(20)]
    assert granted == [True] * 10 + [False] * 10
    assert funds.available(ACME, 0) == 0


def test_nothing_is_granted_whatever_the_balance() -> None:
    funds = Funds({ACME: -5})
    assert funds.hold(CALL, [Want(ACME, 0, 0)]) is None
    assert funds.totals() == Totals(1, 0, 0)


def test_without_a_limit_everything_is_granted() -> None:
    funds = Funds()
    assert funds.hold(CALL, [Want(VENDOR, 10**12, None)]) is None
    assert funds.held(VENDOR) == 10**12


def test_extend_adds_or_leaves_all_as_it_was() -> None:
    funds = Funds({ACME: 100, RESELLER: 30})
    funds.hold(CALL, [Want(ACME, 20, 0), Want(RESELLER, 20, 0)])
    assert funds.extend(CALL, [Want(ACME, 20, 0), Want(RESELLER, 20, 0)]) == Shortage(RESELLER, 10, 20)
    assert funds.held_by(CALL, ACME) == 20
    assert funds.extend(CALL, [Want(ACME, 20, 0), Want(RESELLER, 10, 0)]) is None
    assert (funds.held(ACME), funds.held(RESELLER)) == (40, 30)


def test_a_top_up_during_the_call_lengthens_it() -> None:
    funds = Funds({ACME: 10})
    funds.hold(CALL, [Want(ACME, 10, 0)])
    assert funds.extend(CALL, [Want(ACME, 5, 0)]) == Shortage(ACME, 0, 5)
    funds.post([Posting(ACME, 5), Posting(REVENUE, -5)])
    assert funds.extend(CALL, [Want(ACME, 5, 0)]) is None


def test_retarget_moves_the_vendors_part() -> None:
    funds = Funds({ACME: 10, VENDOR: 10, NEXT_VENDOR: 10})
    funds.hold(CALL, [Want(ACME, 10, 0), Want(VENDOR, 10, 0)])
    assert funds.retarget(CALL, VENDOR, Want(NEXT_VENDOR, 11, 0)) == Shortage(NEXT_VENDOR, 10, 11)
    assert funds.held(VENDOR) == 10
    assert funds.retarget(CALL, VENDOR, Want(NEXT_VENDOR, 7, 0)) is None
    assert (funds.held(ACME), funds.held(VENDOR), funds.held(NEXT_VENDOR)) == (10, 0, 7)


def test_retarget_within_one_vendor_frees_first() -> None:
    funds = Funds({VENDOR: 10})
    funds.hold(CALL, [Want(VENDOR, 8, 0)])
    assert funds.retarget(CALL, VENDOR, Want(VENDOR, 10, 0)) is None
    assert funds.held(VENDOR) == 10


def test_settle_charges_and_ends_the_holds_in_one_step() -> None:
    funds = Funds({ACME: 100})
    funds.hold(CALL, [Want(ACME, 60, 0)])
    funds.settle(CALL, [Posting(ACME, -45), Posting(REVENUE, 45)])
    assert (funds.balance(ACME), funds.balance(REVENUE), funds.totals()) == (55, 45, Totals(0, 0, 0))


def test_release_ends_the_holds_of_that_call_alone_and_may_come_twice() -> None:
    funds = Funds({ACME: 100})
    funds.hold(CALL, [Want(ACME, 60, 0)])
    funds.hold(OTHER, [Want(ACME, 40, 0)])
    funds.release(CALL)
    funds.release(CALL)
    assert (funds.held(ACME), funds.held_by(OTHER, ACME)) == (40, 40)


BUGS = {
    "a posting out of nothing": lambda funds: funds.post([Posting(ACME, 1)]),
    "a charge that does not balance": lambda funds: funds.settle(
        CALL, [Posting(ACME, -2), Posting(REVENUE, 1)]
    ),
    "a second hold": lambda funds: funds.hold(CALL, [Want(ACME, 1, 0)]),
    "an extension of nothing": lambda funds: funds.extend(OTHER, [Want(ACME, 1, 0)]),
    "a move of nothing": lambda funds: funds.retarget(OTHER, VENDOR, Want(ACME, 1, 0)),
    "a negative amount": lambda funds: funds.extend(CALL, [Want(ACME, -1, 0)]),
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_bugs_assert_and_change_nothing(bug: object) -> None:
    funds = Funds({ACME: 100})
    funds.hold(CALL, [Want(ACME, 60, 0)])
    with pytest.raises(AssertionError):
        bug(funds)  # type: ignore[operator]
    assert (funds.balance(ACME), funds.totals()) == (100, Totals(1, 1, 60))
