"""Hysteresis and thresholds of alerts."""

from __future__ import annotations

import pytest

from sipguard.model.alert import Kind, Own, Reading, Subject
from sipguard.policy.alert import CLEAR_AFTER, RAISE_AFTER, Hysteresis, Thresholds, alarming

LOW, DOWN, FULL = Kind.BALANCE_LOW, Kind.GATEWAY_DOWN, Kind.CAPACITY
ACME = Subject("account", "acme")


def reading(value: float, kind: Kind = DOWN, falls: bool = False) -> Reading:
    """Alarming at 10, calm at 8; falling: at 10 and 12."""
    return Reading(kind, ACME, value, 10, 12 if falls else 8, "", falls=falls)


def play(hysteresis: Hysteresis, *values: float | None, kind: Kind = DOWN) -> str:
    """Rounds with a reading each, None: without; R for raised, C for cleared, . for nothing."""
    told = ""
    for value in values:
        changes = hysteresis.judge([] if value is None else [reading(value, kind)])
        hysteresis.accept(changes)
        told += "R" if changes.raised else "C" if changes.cleared else "."
    return told


@pytest.mark.parametrize(
    ("value", "falls", "is_"),
    [
        (10, False, True),
        (9, False, None),
        (8, False, False),
        (10, True, True),
        (11, True, None),
        (12, True, False),
    ],
)
def test_between_the_two_thresholds_nothing_changes(value: float, falls: bool, is_: bool | None) -> None:
    assert alarming(reading(value, falls=falls)) is is_


def test_an_alert_is_raised_once_and_over_once_it_was_calm_for_a_while() -> None:
    assert CLEAR_AFTER == 3
    assert play(Hysteresis(), 5, 10, 12, 9, 7, 7, 7, 7) == ".R....C."
    assert play(Hysteresis(), 10, 7, 7, 9, 7, 7, 7) == "R.....C", "what lies between begins the wait anew"
    assert play(Hysteresis(), 10, 7, 7, 10, 7, 7, 7) == "R.....C"
    assert play(Hysteresis(), 10, None, None, None) == "R..C", "what is not there any more is calm"


def test_some_kinds_have_to_alarm_twice() -> None:
    assert RAISE_AFTER[FULL] == 2
    assert play(Hysteresis(), 10, 10, kind=FULL) == ".R"
    assert play(Hysteresis(), 10, 5, 10, 10, kind=FULL) == "...R"
    assert play(Hysteresis(), 10, None, 10, 10, kind=FULL) == "...R"


def test_what_stands_since_an_earlier_run_is_not_raised_again() -> None:
    assert play(Hysteresis([(DOWN, ACME)]), 10, 10, 1, 1, 1, 10) == "....CR"


def test_what_was_not_written_down_is_told_again() -> None:
    hysteresis = Hysteresis()
    assert len(hysteresis.judge([reading(10)]).raised) == 1  # and the store fails
    changes = hysteresis.judge([reading(10)])
    assert len(changes.raised) == 1
    hysteresis.accept(changes)
    for _ in range(CLEAR_AFTER):
        changes = hysteresis.judge([])
    assert hysteresis.judge([]).cleared == [(DOWN, ACME)]


def test_the_nearest_threshold_holds() -> None:
    root, agent, acme, other = 1, 2, 3, 4
    thresholds = Thresholds(
        {LOW: 100.0, FULL: 90.0},
        [
            Own(root, LOW, True, 50),
            Own(agent, LOW, True, 20),
            Own(acme, LOW, False, 5),
            Own(agent, FULL, False, 70),
            Own(acme, DOWN, True, None),
        ],
    )
    assert thresholds.of(LOW, [acme, agent, root]) == 5
    assert thresholds.of(LOW, [other, agent, root]) == 20
    assert thresholds.of(LOW, [other, root]) == 50
    assert thresholds.of(LOW, [other]) == 100
    assert thresholds.of(FULL, [agent, root]) == 70
    assert thresholds.of(FULL, [acme, agent, root]) == 90, "that of the agent alone is not handed down"
    assert thresholds.of(DOWN, [acme]) is None
    assert thresholds.of(Kind.CALL_SPIKE, [acme]) is None
    assert (thresholds.least(LOW), thresholds.least(FULL), thresholds.least(DOWN)) == (5, 70, None)


def test_none_of_its_own_turns_alerts_off() -> None:
    thresholds = Thresholds({LOW: 100.0}, [Own(1, LOW, True, None), Own(2, LOW, False, None)])
    assert thresholds.of(LOW, [3, 1]) is None
    assert thresholds.of(LOW, [2]) is None
    assert thresholds.least(LOW) == 100
