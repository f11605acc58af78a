"""When an alert is raised and when it is over. Pure: readings go in, what changes comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sipguard.model.alert import Kind, Own, Place, Reading

RAISE_AFTER = {Kind.CAPACITY: 2, Kind.ASR_COLLAPSE: 2, Kind.AUDIT_DIFFERENCE: 2}
"""Rounds in a row that have to be alarming, where one of them says little; one is enough for the others."""

CLEAR_AFTER = 3
"""Rounds in a row that have to be calm: what comes and goes is one alert, not many."""


class Changes(NamedTuple):
    """What a round changes."""

    raised: Sequence[Reading]
    cleared: Sequence[Place]


class Hysteresis:
    """Which alerts stand. `judge` proposes, `accept` makes it so: in between it is written down."""

    def __init__(self, standing: Iterable[Place] = ()) -> None:
        """`standing`: those of an earlier run."""
        self.standing: set[Place] = set(standing)
        self._rounds: dict[Place, int] = {}
        """In a row that speak for a change."""

    def judge(self, readings: Iterable[Reading]) -> Changes:
        """One round. What stands and was not read is calm: it has gone, or has nothing to alarm by."""
        raised: list[Reading] = []
        read: dict[Place, bool | None] = {}
        for reading in readings:
            place = reading.kind, reading.subject
            read[place] = alarming(reading)
            if (
                read[place]
                and place not in self.standing
                and self._again(place) >= RAISE_AFTER.get(place[0], 1)
            ):
                raised.append(reading)
        cleared = [
            place
            for place in self.standing
            if read.get(place, False) is False and self._again(place) >= CLEAR_AFTER
        ]
        turning = {place for place, alarm in read.items() if alarm and place not in self.standing}
        turning |= {place for place in self.standing if read.get(place, False) is False}
        self._rounds = {place: rounds for place, rounds in self._rounds.items() if place in turning}
        return Changes(raised, cleared)

    def accept(self, changes: Changes) -> None:
        """These changes are written down."""
        for reading in changes.raised:
            self.standing.add((reading.kind, reading.subject))
            self._rounds.pop((reading.kind, reading.subject), None)
        for place in changes.cleared:
            self.standing.discard(place)
            self._rounds.pop(place, None)

    def _again(self, place: Place) -> int:
        self._rounds[place] = self._rounds.get(place, 0) + 1
        return self._rounds[place]


def alarming(reading: Reading) -> bool | None:
    """True: alarming; False: calm; None: between, so that nothing changes."""
    if reading.falls:
        if reading.value <= reading.raise_at:
            return True
        return None if reading.value < reading.clear_at else False
    if reading.value >= reading.raise_at:
        return True
    return None if reading.value > reading.clear_at else False


class Thresholds:
    """The threshold of an account: its own, else the nearest of a subtree that it is in, else the default."""

    def __init__(self, defaults: Mapping[Kind, float | None], own: Iterable[Own] = ()) -> None:
        """`defaults`: None for kinds that are off unless an account says otherwise."""
        self._defaults = defaults
        self._own: dict[tuple[int, Kind], int | None] = {}
        self._subtree: dict[tuple[int, Kind], int | None] = {}
        for one in own:
            (self._subtree if one.subtree else self._own)[one.account_key, one.kind] = one.value

    def of(self, kind: Kind, chain: Sequence[int]) -> float | None:
        """`chain`: keys of the account and of the agents above it, itself first. None: no such alerts."""
        if chain and (chain[0], kind) in self._own:
            return self._own[chain[0], kind]
        for key in chain:
            if (key, kind) in self._subtree:
                return self._subtree[key, kind]
        return self._defaults.get(kind)

    def least(self, kind: Kind) -> float | None:
        """The least that any account has; None: no account has such alerts."""
        values = [self._defaults.get(kind)]
        values += [value for own in (self._own, self._subtree) for (_, k), value in own.items() if k is kind]
        return min((value for value in values if value is not None), default=None)
