"""Values of a data set file that are more than text or a number. One that exists is right.

Each class says in `expected` what it wants, for the message, and reads itself from what TOML gives.
"""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import ClassVar, Self, TypeVar

from sipguard.model.money import MICROS_PER_UNIT, format_micros, parse_micros

_NEVER_FAILED_OVER = frozenset({486, 487, 600, 603, 604, 607, 608})


T = TypeVar("T")


class Leaf:
    """What the classes below have in common."""

    __slots__ = ()
    expected: ClassVar[str]

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Raises ValueError or TypeError on anything that is not as expected."""
        raise NotImplementedError


class Id(Leaf, str):
    """How people name something; unique among its kind."""

    __slots__ = ()
    expected: ClassVar[str] = "1 to 64 printable characters, no space at either end"

    @classmethod
    def parse(cls, raw: object) -> Self:
        text = _text(raw)
        return cls(_if(text, 1 <= len(text) <= 64 and text.isprintable() and text == text.strip()))


class Currency(Leaf, str):
    """ISO 4217 code."""

    __slots__ = ()
    expected: ClassVar[str] = 'a currency code of three capital letters such as "BDT"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(_if(_text(raw), re.fullmatch("[A-Z]{3}", _text(raw))))


class Amount(Leaf, int):
    """Money in micro-units, written as a decimal; not negative."""

    expected: ClassVar[str] = f'an amount in quotes such as "{format_micros(5 * MICROS_PER_UNIT // 4)}"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        micros = parse_micros(_text(raw))
        return cls(_if(micros, micros >= 0))


class Prefix(Leaf, str):
    """Front of an E.164 number; the empty one is the front of every number."""

    __slots__ = ()
    expected: ClassVar[str] = 'a prefix of at most 18 digits, in quotes, without "+"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(_if(_text(raw), re.fullmatch("[0-9]{0,18}", _text(raw))))


class Digits(Leaf, str):
    """Digits that are put before a number or taken off it."""

    __slots__ = ()
    expected: ClassVar[str] = "1 to 18 digits, in quotes"

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(_if(_text(raw), re.fullmatch("[0-9]{1,18}", _text(raw))))


class Network(Leaf, str):
    """An IPv4 or IPv6 network in CIDR form; a single address becomes one of full length."""

    __slots__ = ()
    expected: ClassVar[str] = (
        'an address or a network such as "192.0.2.1" or "192.0.2.0/24" (no host bits set)'
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(ip_network(_text(raw)))


class Address(Leaf, str):
    """An IPv4 or IPv6 address."""

    __slots__ = ()
    expected: ClassVar[str] = 'an IP address such as "192.0.2.1" (host names are not resolved yet)'

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(ip_address(_text(raw)))


class Moment(Leaf, int):
    """Unix seconds."""

    expected: ClassVar[str] = "a date and time with its offset such as 2027-01-31T00:00:00+06:00"

    @classmethod
    def parse(cls, raw: object) -> Self:
        if not isinstance(raw, datetime):
            raise TypeError
        return cls(_if(raw, raw.tzinfo is not None).timestamp())


class FailoverCode(Leaf, int):
    """A final SIP response on which the next gateway is tried."""

    expected: ClassVar[str] = (
        "a SIP status from 300 to 699 on which another gateway may help (never "
        + ", ".join(map(str, sorted(_NEVER_FAILED_OVER)))
        + ")"
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        if type(raw) is not int:
            raise TypeError
        return cls(_if(raw, 300 <= raw <= 699 and raw not in _NEVER_FAILED_OVER))


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise TypeError
    return raw


def _if(value: T, right: object) -> T:
    if not right:
        raise ValueError
    return value
