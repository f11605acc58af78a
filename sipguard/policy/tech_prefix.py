"""Tech prefixes: trunks that call from one address, told apart by what stands in front of what they dial.

The longest prefix that fits is whose call it is; what none fits is that of the trunk without one, if there is
one. A prefix is looked for in the one text that all spellings of a number have (number.spelled), so no
spelling leads to another trunk (docs/decisions/0023-tech-prefixes.md).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from sipguard.model.gateway import MappingGateway
from sipguard.policy import number
from sipguard.policy.number import Dialled

LENGTH_MAX = 16
"""Of one prefix: what is in use has 2 to 8."""

_PREFIX = re.compile(rf"[0-9*#]{{1,{LENGTH_MAX}}}", re.ASCII)


class Ingress(NamedTuple):
    """Where a call came in, and what is left to read of what it dialled."""

    gateway: MappingGateway
    dialled: Dialled | None
    """Behind the tech prefix; None: no number."""
    emergency: bool
    """It is an emergency number."""


class Sharers:
    """The mapping gateways of one network, or one that is known by other means."""

    __slots__ = ("_by_prefix", "_lengths", "bare", "gateways")

    bare: MappingGateway | None
    """What begins with no prefix of the others is its call."""

    def __init__(self, gateways: Iterable[MappingGateway]) -> None:
        """Raises ValueError that names the gateways where two claim one prefix, or two none."""
        self.gateways = tuple(gateways)
        self.bare = None
        self._by_prefix: dict[str, MappingGateway] = {}
        for gateway in self.gateways:
            if not gateway.tech_prefixes:
                if self.bare is not None:
                    raise ValueError(f"belongs to {self.bare.id!r} and to {gateway.id!r}")
                self.bare = gateway
            for prefix in gateway.tech_prefixes:
                other = self._by_prefix.setdefault(prefix, gateway)
                if other is not gateway:
                    raise ValueError(f"tech prefix {prefix} belongs to {other.id!r} and to {gateway.id!r}")
        self._lengths = tuple(sorted({len(prefix) for prefix in self._by_prefix}, reverse=True))

    @property
    def prefixes(self) -> list[str]:
        """All of them, sorted."""
        return sorted(self._by_prefix)

    def ingress(self, text: Dialled | None, emergencies: Container[str]) -> Ingress | None:
        """Whose call it is, and what it dialled; None where a prefix is needed, and what is dialled has none.

        `text`: as `number.spelled` gives it. `emergencies`: numbers that are emergency calls, as received or
        behind any of the prefixes that fit. Without a prefix they are the call of the bare trunk, or of the
        one that was made first: it is free, and better carried for the wrong one than refused.
        """
        dialled = number.behind(text, 0)
        if dialled is not None and dialled.digits in emergencies:
            first = min(self.gateways, key=lambda gateway: gateway.key)
            return Ingress(self.bare or first, dialled, True)
        owner: Ingress | None = None
        for length, gateway in self._fitting("" if text is None else text.digits):
            rest = number.behind(text, length)
            if rest is not None and rest.digits in emergencies:
                return Ingress(gateway, rest, True)
            owner = owner or Ingress(gateway, rest, False)
        if owner is None and self.bare is not None:
            return Ingress(self.bare, dialled, False)
        return owner

    def _fitting(self, text: str) -> Iterator[tuple[int, MappingGateway]]:
        """Prefixes that stand in front of the text, the longest first."""
        for length in self._lengths:
            gateway = self._by_prefix.get(text[:length])
            if gateway is not None and len(text) >= length:
                yield length, gateway


def prefix_of(gateway: MappingGateway, text: Dialled | None) -> str | None:
    """The longest tech prefix of one trunk in front of what `number.spelled` has read."""
    found = [one for one in gateway.tech_prefixes if text is not None and text.digits.startswith(one)]
    return max(found, key=len, default=None)


def check(prefixes: Iterable[str]) -> None:
    """Raises ValueError for one that is none."""
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"tech prefix is not 1 to {LENGTH_MAX} digits, * and #: {prefix!r}")
