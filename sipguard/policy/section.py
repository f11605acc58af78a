"""Number sections: which numbers every level of a chain may call, and call from (manual 2.4.6).

Within one level the longest matching prefix decides, and block wins at equal length. Where nothing matches,
the level blocks if it has any allow section for that direction. The empty prefix matches every number, the
empty (anonymous) calling number too; an anonymous caller matches no other. Every level must allow.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sipguard.model.account import Account
from sipguard.model.section import Action, Direction, Section
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy.prefix import PrefixIndexer
from sipguard.policy.refusal import account_rule

_BLOCK = 1


class Ruling(NamedTuple):
    """The sections of one account for one direction: a space of the index."""

    space: int
    calling: bool
    """Looks at the calling number; else at the called one."""
    restrictive: bool
    """Has an allow section, so a number without a match is blocked."""
    account: Account


class Sections:
    """All sections of all accounts, in one prefix index."""

    __slots__ = ("_keys", "_prefixes", "_rulings", "longest")

    def __init__(
        self, sections: Iterable[Section], accounts: Mapping[int, Account], make_index: PrefixIndexer
    ) -> None:
        """Raises ValueError that names a section whose account does not exist, or the row of a bad prefix."""
        self._keys = array("q")
        self._prefixes: list[str] = []
        self._rulings: dict[tuple[int, bool], Ruling] = {}
        spaces = array("q")
        values = array("q")
        for section in sorted(sections, key=_by_place):
            if section.account_key not in accounts:
                raise ValueError(f"section {section.key}: no account with key {section.account_key}")
            ruling = self._ruling(section, accounts[section.account_key])
            if spaces and spaces[-1] == ruling.space and self._prefixes[-1] == section.prefix:
                continue  # an equal prefix: the block stands before it, or it says the same again
            spaces.append(ruling.space)
            values.append(len(values) << 1 | (section.action is Action.BLOCK))
            self._keys.append(section.key)
            self._prefixes.append(section.prefix)
        try:
            self.longest = make_index(spaces, self._prefixes, values).longest
        except ValueError as error:
            raise ValueError(f"sections, ordered by account, direction and prefix: {error}") from error

    def of(self, account: Account) -> tuple[Ruling, ...]:
        """What an account rules on: called numbers first; empty for an account without sections."""
        found = (self._rulings.get((account.key, calling)) for calling in (False, True))
        return tuple(ruling for ruling in found if ruling is not None)

    def refusal(self, rulings: tuple[Ruling, ...], called: str, calling: str) -> Refusal | None:
        """The first of the rulings that blocks; pass them from the top of the chain downwards."""
        longest = self.longest
        for ruling in rulings:
            space, is_calling, restrictive, _ = ruling
            value = longest(space, calling if is_calling else called)
            if restrictive if value < 0 else value & _BLOCK:
                return self._blocked(ruling, value, calling if is_calling else called)
        return None

    def _blocked(self, ruling: Ruling, value: int, number: str) -> Refusal:
        which = "calling" if ruling.calling else "called"
        if value < 0:
            rule = account_rule(ruling.account, f"sections.{which}")
            required = f"a {which} number that an allow section covers"
        else:
            rule = f"section:{self._keys[value >> 1]}"
            required = f"a {which} number outside prefix {self._prefixes[value >> 1] or 'of any digits'}"
        return Refusal(Reason.SECTION_BLOCKED, ruling.account.id, rule, number or "withheld", required)

    def _ruling(self, section: Section, account: Account) -> Ruling:
        place = (section.account_key, section.direction is Direction.CALLING)
        ruling = self._rulings.get(place)
        if ruling is None:
            ruling = Ruling(len(self._rulings), place[1], section.action is Action.ALLOW, account)
        elif section.action is Action.ALLOW and not ruling.restrictive:
            ruling = ruling._replace(restrictive=True)
        self._rulings[place] = ruling
        return ruling


def _by_place(section: Section) -> tuple[int, bool, str, bool, int]:
    """Equal prefixes of one account and direction stand together, the block first, then the oldest."""
    return (
        section.account_key,
        section.direction is Direction.CALLING,
        section.prefix,
        section.action is Action.ALLOW,
        section.key,
    )
