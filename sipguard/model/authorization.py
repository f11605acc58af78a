"""The eight authorizations of an agent account (VOS3000 manual section 2.4.3), and the usual sets of them.

What an account may do is what is granted to it and to every agent above it: the intersection along the chain,
looked up at the moment of the act. The operator at the root holds all.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from functools import reduce
from operator import and_, or_


class Authorization(IntFlag):
    """One bit for each; authorization N of the manual is bit N - 1."""

    ACCOUNT = 1 << 0
    """1: add, delete, modify accounts below."""
    PHONE = 1 << 1
    """2: add, delete, modify phones."""
    CARD = 1 << 2
    """3: add, delete, modify phone cards."""
    GATEWAY = 1 << 3
    """4: add, delete gateways."""
    GATEWAY_INFORMATION = 1 << 4
    """5: modify what a gateway is: address, port, codec, protocol, prefix."""
    GATEWAY_CAPACITY = 1 << 5
    """6: modify how much a gateway takes: concurrent calls, calls per second."""
    OWN_PAYMENT = 1 << 6
    """7: payment for this account."""
    SUB_PAYMENT = 1 << 7
    """8: payment for sub-accounts."""

    @property
    def slug(self) -> str:
        """The name that people and programs use of a single one: "gateway_capacity"."""
        if self.name is None or self.bit_count() != 1:
            raise ValueError(f"{self!r} is not one authorization")
        return self.name.lower()

    @property
    def number(self) -> int:
        """Its number in the manual, 1 to 8."""
        return self.bit_length()


NONE = Authorization(0)
ALL = reduce(or_, Authorization)
SLUGS = {one.slug: one for one in Authorization}

TEMPLATES: dict[str, Authorization] = {
    "retail": Authorization.ACCOUNT | Authorization.PHONE | Authorization.SUB_PAYMENT,
    "wholesale": Authorization.ACCOUNT
    | Authorization.GATEWAY
    | Authorization.GATEWAY_INFORMATION
    | Authorization.GATEWAY_CAPACITY
    | Authorization.SUB_PAYMENT,
    "calling_card": Authorization.ACCOUNT | Authorization.CARD | Authorization.SUB_PAYMENT,
    "sip_trunk_provider": ALL & ~Authorization.CARD,
    "full_access": ALL,
}
"""Sets that come with the program; operators add their own."""


def effective(granted: Iterable[Authorization]) -> Authorization:
    """What is left of the grants of an account and of all agents above it."""
    return reduce(and_, granted, ALL)


def slugs(held: Authorization) -> tuple[str, ...]:
    """The names of all that are held, in the order of the manual."""
    return tuple(one.slug for one in Authorization if one & held)


def of_slugs(names: Iterable[str]) -> Authorization:
    """The set that has those names. Raises ValueError that names one that is none."""
    held = NONE
    for name in names:
        if name not in SLUGS:
            raise ValueError(f"found {name!r}, expected one of {', '.join(SLUGS)}")
        held |= SLUGS[name]
    return held
