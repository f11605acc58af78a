"""Number sections: which numbers every level of a chain may call, and call from (manual 2.4.6).

Within one level the longest matching prefix decides, and block wins at equal length. Where nothing matches,
the level blocks if it has any allow section for that direction. The empty prefix matches every number, the
empty (anonymous) calling number too; an anonymous caller matches no other. Every level must allow.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import NamedTuple

from sipguard.model import packed
from sipguard.model.account import Account
from sipguard.model.section import Direction, Section
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy.prefix import Book, Sheet
from sipguard.policy.refusal import account_rule

_BLOCK, _ALLOW = 0, 1
"""Values of rows. The least comes first of a prefix: so a block wins, and of equal ones the oldest."""

_CHUNK = 2_000  # rows handed over at a time, for which no other thread has a turn: about 0.3 ms


class Ruling(NamedTuple):
    """The sections of one account for one direction."""

    sheet: Sheet
    calling: bool
    """Looks at the calling number; else at the called one."""
    restrictive: bool
    """Has an allow section, so a number without a match is blocked."""
    account: Account


class Sections:
    """All sections of all accounts. Immutable; `changed` makes the next, which shares what did not change."""

    __slots__ = ("_book",)

    def __init__(self, book: Book) -> None:
        self._book = book

    @classmethod
    def build(
        cls, sections: Iterable[Section | str], accounts: Container[int], make_book: Callable[[], Book]
    ) -> Sections:
        """From values, or from texts as the store makes them (model.packed).

        Raises ValueError that names a value whose account does not exist or whose prefix is none; what the
        store hands over has been checked there.
        """
        return cls(make_book())._with((), sections, accounts)

    def changed(self, accounts: Iterable[int], sections: Iterable[Section | str]) -> Sections:
        """Without all that these accounts have, with `sections`."""
        spaces = [packed.section_space(key, direction) for key in accounts for direction in Direction]
        return self._with(spaces, sections, None)

    def _with(
        self, cleared: Iterable[int], sections: Iterable[Section | str], accounts: Container[int] | None
    ) -> Sections:
        rows = self._book.rows()
        left = iter(sections)
        try:
            while some := [_text(section, accounts) for section in islice(left, _CHUNK)]:
                rows.add(some)
        except ValueError as error:
            raise ValueError(f"sections: {error}") from error
        return Sections(self._book.patched(list(cleared), [], rows))

    def __len__(self) -> int:
        return len(self._book)

    def of(self, account: Account) -> tuple[Ruling, ...]:
        """What an account rules on: called numbers first; empty for an account without sections."""
        rulings = []
        for direction in (Direction.CALLED, Direction.CALLING):
            sheet = self._book.sheet(packed.section_space(account.key, direction))
            if sheet is not None:
                calling = direction is Direction.CALLING
                rulings.append(Ruling(sheet, calling, sheet.has(_ALLOW), account))
        return tuple(rulings)

    def heap_bytes(self) -> int:
        """What the index takes, without texts."""
        return self._book.heap_bytes()


def refusal(rulings: tuple[Ruling, ...], called: str, calling: str) -> Refusal | None:
    """The first of the rulings that blocks; pass them from the top of the chain downwards."""
    for ruling in rulings:
        sheet, is_calling, restrictive, _ = ruling
        value = sheet.value(calling if is_calling else called)
        if restrictive if value < 0 else value == _BLOCK:
            return _blocked(ruling, calling if is_calling else called)
    return None


def _blocked(ruling: Ruling, number: str) -> Refusal:
    which = "calling" if ruling.calling else "called"
    at = ruling.sheet.longest(number)
    if at == -1:
        rule = account_rule(ruling.account, f"sections.{which}")
        required = f"a {which} number that an allow section covers"
    else:
        key, prefix, *_ = ruling.sheet.row(at if at >= 0 else -2 - at)
        rule = f"section:{key}"
        required = f"a {which} number outside prefix {prefix or 'of any digits'}"
    return Refusal(Reason.SECTION_BLOCKED, ruling.account.id, rule, number or "withheld", required)


def _text(section: Section | str, accounts: Container[int] | None) -> str:
    if isinstance(section, str):
        return section
    if accounts is not None and section.account_key not in accounts:
        raise ValueError(f"section {section.key}: no account with key {section.account_key}")
    return packed.section(section)
