"""What policy needs of a longest-prefix index. directory.py supplies the native one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Prefixes(Protocol):
    """An immutable index of digit prefixes in many spaces (see `_engine.PrefixMap`)."""

    def longest(self, space: int, digits: str) -> int:
        """Value of the longest prefix of `digits` in `space`, -1 where none matches."""

    def all(self, space: int, digits: str) -> list[int]:
        """Values of every prefix of `digits` in `space`, the longest first."""


class PrefixIndexer(Protocol):
    """Builds `Prefixes` out of columns of equal length; ValueError names a row that is not right."""

    def __call__(self, spaces: Sequence[int], prefixes: Sequence[str], values: Sequence[int]) -> Prefixes: ...
