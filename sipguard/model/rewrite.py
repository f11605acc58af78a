"""Rewrite rules: how a gateway's numbers are changed, written as VOS writes them (manual 4.3.1).

    00*:*          takes a leading 00 off
    *:9011*        puts 9011 in front
    0??????:8802?????? keeps six digits behind another front
    911:112        this very number

Left of the colon is what the whole number has to look like: digits stand for themselves, `?` for any digit,
`*` for any digits or none. Right of it is what it becomes: each `?` and the `*` are what stood there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

RULES_MAX = 100
"""Rules of one list: they are tried one after the other while a call waits."""

_SIDE = re.compile(r"(?=.{1,32}\Z)\+?[0-9?]*\*?[0-9?]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class RewriteRule:
    """One rule. Made by `parse`."""

    text: str
    """As it was written."""
    _pattern: re.Pattern[str] = field(repr=False, compare=False)
    _parts: tuple[str | int, ...] = field(repr=False, compare=False)
    """Of the new number: digits, or the group of the pattern that they come from."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError that says what is wrong with the text of a rule.

        A `+` stands for itself and is written out, at the front of either side alone: `*` and `?` are digits.
        One `*` on a side, so that there is one way to read a number; the right side uses no more of them,
        and of `?`, than the left side has.
        """
        left, colon, right = text.partition(":")
        for side in (left, right):
            if not colon or not _SIDE.fullmatch(side):
                raise ValueError(f'a rule is written as "00*:*": digits, ? and one * on each side: {text!r}')
        if right == "+":
            raise ValueError(f"nothing would be left of the number: {text!r}")
        for joker in "?*":
            if right.count(joker) > left.count(joker):
                raise ValueError(f"{joker} stands on the right more often than on the left: {text!r}")
        groups: dict[str, list[int]] = {"?": [], "*": []}
        jokers = [char for char in left if char in groups]
        for group, char in enumerate(jokers, 1):
            groups[char].append(group)
        pattern = "".join({"?": "([0-9])", "*": "([0-9]*)"}.get(char, re.escape(char)) for char in left)
        parts: list[str | int] = [groups[char].pop(0) if char in groups else char for char in right]
        return cls(text, re.compile(pattern, re.ASCII), tuple(parts))

    def apply(self, number: str) -> str | None:
        """What becomes of a number; None where the rule is not about it."""
        found = self._pattern.fullmatch(number)
        if found is None:
            return None
        return "".join(part if isinstance(part, str) else found[part] for part in self._parts)

    @property
    def makes_plus(self) -> bool:
        """What it makes begins with `+`."""
        return self._parts[0] == "+"


def parsed(texts: Iterable[str]) -> tuple[RewriteRule, ...]:
    """Rules in their order. Raises ValueError."""
    return tuple(map(RewriteRule.parse, texts))


def rewritten(rules: Sequence[RewriteRule], number: str) -> tuple[str, str | None]:
    """A number by the first rule that is about it, and that rule; as it is, and None, where there is none."""
    for rule in rules:
        made = rule.apply(number)
        if made is not None:
            return made, rule.text
    return number, None
