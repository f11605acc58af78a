"""A PrefixMap that is too simple to be wrong: one dictionary, every length tried."""

from __future__ import annotations

from collections.abc import Sequence


class PrefixMap:
    """The contract of `sipguard._engine.PrefixMap`, by the book."""

    def __init__(self, spaces: Sequence[int], prefixes: Sequence[str], values: Sequence[int]) -> None:
        if not len(spaces) == len(prefixes) == len(values):
            raise ValueError("columns of unequal length")
        self._values: dict[tuple[int, str], int] = {}
        for row, (space, prefix, value) in enumerate(zip(spaces, prefixes, values, strict=True)):
            if len(prefix) > 18 or not (prefix == "" or (prefix.isascii() and prefix.isdecimal())):
                raise ValueError(f"row {row}: not a prefix of 0 to 18 digits: {prefix!r}")
            if not 0 <= value < 2**32 - 1:
                raise ValueError(f"row {row}: value out of range: {value}")
            if (space, prefix) in self._values:
                raise ValueError(f"row {row}: space {space} has the prefix {prefix!r} twice")
            self._values[space, prefix] = value

    def longest(self, space: int, digits: str) -> int:
        found = self.all(space, digits)
        return found[0] if found else -1

    def all(self, space: int, digits: str) -> list[int]:
        places = ((space, digits[:length]) for length in range(len(digits), -1, -1))
        return [self._values[place] for place in places if place in self._values]

    def __len__(self) -> int:
        return len(self._values)
