"""Number sections: which numbers a level and everything below it may call, or call from (manual 2.4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which number of the call a section looks at."""

    CALLED = "called"
    CALLING = "calling"


class Action(StrEnum):
    """What a section does with a number that starts with its prefix."""

    ALLOW = "allow"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Section:
    """One rule of one account. Prefix: E.164 digits without '+'; the empty prefix matches every number."""

    key: int
    account_key: int
    direction: Direction
    action: Action
    prefix: str
