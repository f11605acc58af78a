"""The parts of a start add up to the whole."""

from __future__ import annotations

from sipguard.laps import Laps


def test_each_part_is_what_lies_before_its_end() -> None:
    moments = iter([5_000_000, 7_000_000, 7_500_000, 20_999_999])
    laps = Laps(lambda: next(moments))
    for part in ("store", "directory", "calls"):
        laps.end(part)
    assert laps.ms == {"store": 2, "directory": 0, "calls": 13}
    assert list(laps.ms) == ["store", "directory", "calls"]
