"""What policy needs of the longest-prefix indexes. directory.py supplies the native ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Prefixes(Protocol):
    """An immutable index of digit prefixes in many spaces (see `_engine.PrefixMap`)."""

    def longest(self, space: int, digits: str) -> int:
        """Value of the longest prefix of `digits` in `space`, -1 where none matches."""

    def all(self, space: int, digits: str) -> list[int]:
        """Values of every prefix of `digits` in `space`, the longest first."""


class PrefixIndexer(Protocol):
    """Builds `Prefixes` out of columns of equal length; ValueError names a row that is not right."""

    def __call__(self, spaces: Sequence[int], prefixes: Sequence[str], values: Sequence[int]) -> Prefixes: ...


class Sheet(Protocol):
    """The rows of one space, ordered by prefix, value and key; immutable (see `_engine.PrefixSheet`)."""

    def longest(self, digits: str) -> int:
        """Position of the first row of the longest prefix; -1: none; -2 less it: more has to be asked."""

    def value(self, digits: str) -> int:
        """Value of the first row of the longest prefix, -1 where none matches."""

    def all(self, digits: str) -> list[tuple[int, int]]:
        """The rows of every prefix of `digits`, the longest first: the first, and behind the last."""

    def has(self, value: int) -> bool:
        """Whether some row has the value."""

    def row(self, at: int) -> tuple[int, str, int, str, str]:
        """Key, prefix, value, shape, label."""

    def __len__(self) -> int: ...


class Rows(Protocol):
    """Rows on their way into a book (see `_engine.PrefixRows`)."""

    def add(self, rows: list[str]) -> None:
        """Take rows in as model.packed writes them; ValueError names one that is not right."""

    def shapes(self) -> list[tuple[str, int]]:
        """Every shape among them, with the key of the first row that has it."""

    def spaces(self) -> list[int]:
        """The spaces that they are of."""


class Book(Protocol):
    """Sheets by space; immutable, the next one shares what did not change (see `_engine.PrefixBook`)."""

    def rows(self) -> Rows:
        """For the next book."""

    def patched(self, cleared: Sequence[int], gone: Sequence[tuple[int, int]], rows: Any) -> Book:
        """The next book: without the spaces `cleared`, without the rows `gone` (space, key), with `rows`,
        which are of this book."""

    def sheet(self, space: int) -> Sheet | None:
        """The rows of a space; None where it has none."""

    def spaces(self) -> list[int]:
        """The spaces that have rows."""

    def heap_bytes(self) -> int:
        """What it takes, without texts."""

    def __len__(self) -> int: ...
