"""Values of a data set file that are more than text or a number. One that exists is right.

Each class says in `expected` what it wants, for the message, and reads itself from what TOML gives.
"""

from __future__ import annotations

import re
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import ClassVar, Self, TypeVar

from sipguard.model import certificate
from sipguard.model.money import MICROS_PER_UNIT, format_micros, parse_micros
from sipguard.model.rate import DAY_MINUTES, PPM, Tier
from sipguard.model.rewrite import RewriteRule
from sipguard.policy import tech_prefix
from sipguard.policy.window import zone_of

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?"
)
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


class Number(Leaf, str):
    """A whole E.164 number."""

    __slots__ = ()
    expected: ClassVar[str] = 'a number of 1 to 18 digits, in quotes, the first no 0, without "+"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(_if(_text(raw), re.fullmatch("[1-9][0-9]{0,17}", _text(raw))))


class Rewrite(Leaf, str):
    """A rewrite rule (model/rewrite.py)."""

    __slots__ = ()
    expected: ClassVar[str] = 'a rewrite rule such as "00*:*"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(RewriteRule.parse(_text(raw)).text)


class TechPrefix(Leaf, str):
    """What stands in front of what a trunk dials (policy/tech_prefix.py)."""

    __slots__ = ()
    expected: ClassVar[str] = f"1 to {tech_prefix.LENGTH_MAX} digits, * and #"

    @classmethod
    def parse(cls, raw: object) -> Self:
        text = _text(raw)
        tech_prefix.check([text])
        return cls(text)


class Username(Leaf, str):
    """Whom a password is asked of (RFC 7616 section 3.4)."""

    __slots__ = ()
    expected: ClassVar[str] = "1 to 64 printable characters without quotes and backslashes"

    @classmethod
    def parse(cls, raw: object) -> Self:
        text = _text(raw)
        return cls(_if(text, 1 <= len(text) <= 64 and text.isprintable() and not set(text) & {'"', "\\"}))


class Password(Leaf, str):
    """Kept as hashes only."""

    __slots__ = ()
    expected: ClassVar[str] = "a password of 1 to 256 printable characters"

    @classmethod
    def parse(cls, raw: object) -> Self:
        text = _text(raw)
        return cls(_if(text, 1 <= len(text) <= 256 and text.isprintable()))


class Network(Leaf, str):
    """An IPv4 or IPv6 network in CIDR form; a single address becomes one of full length."""

    __slots__ = ()
    expected: ClassVar[str] = (
        'an address or a network such as "192.0.2.1" or "192.0.2.0/24" (no host bits set)'
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(ip_network(_text(raw)))


class Host(Leaf, str):
    """An IPv4 or IPv6 address, or a name that the DNS knows."""

    __slots__ = ()
    expected: ClassVar[str] = 'an IP address such as "192.0.2.1" or a host name such as "sip.example.net"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        text = _text(raw)
        if _HOST_NAME.fullmatch(text):
            return cls(text.removesuffix(".").lower())
        return cls(ip_address(text))

    @property
    def is_name(self) -> bool:
        """Whether the DNS has to be asked."""
        return _HOST_NAME.fullmatch(self) is not None


class Moment(Leaf, int):
    """Unix seconds."""

    expected: ClassVar[str] = "a date and time with its offset such as 2027-01-31T00:00:00+06:00"

    @classmethod
    def parse(cls, raw: object) -> Self:
        if not isinstance(raw, datetime):
            raise TypeError
        return cls(_if(raw, raw.tzinfo is not None).timestamp())


class TimeZone(Leaf, str):
    """Name of a time zone in the IANA database."""

    __slots__ = ()
    expected: ClassVar[str] = 'a time zone such as "Asia/Dhaka" or "UTC"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        zone_of(_text(raw))
        return cls(_text(raw))


class Percent(Leaf, int):
    """A share in parts per million, written as a percentage."""

    expected: ClassVar[str] = 'a percentage from 0 to 100 in quotes such as "15" or "7.5", at most 4 decimals'

    @classmethod
    def parse(cls, raw: object) -> Self:
        # 100 micro-units of a per cent are a millionth of the whole.
        ppm, rest = divmod(parse_micros(_text(raw)), 100)
        return cls(_if(ppm, 0 <= ppm <= PPM and not rest))


class MoneyUnit(Leaf, int):
    """The smallest amount that is charged, in micro-units."""

    expected: ClassVar[str] = 'an amount above zero in quotes such as "0.01", "0.000001" at least'

    @classmethod
    def parse(cls, raw: object) -> Self:
        micros = parse_micros(_text(raw))
        return cls(_if(micros, micros >= 1))


class Days(Leaf, int):
    """Days of the week as bits, Monday the lowest."""

    names: ClassVar[tuple[str, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    expected: ClassVar[str] = 'days of the week in quotes such as "mon-fri" or "sat sun"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        bits = 0
        for word in _text(raw).lower().split():
            first, dash, last = word.partition("-")
            day, end = cls.names.index(first), cls.names.index(last if dash else first)
            bits |= 1 << day
            while day != end:  # round the weekend, too: "sat-mon"
                day = (day + 1) % 7
                bits |= 1 << day
        return cls(_if(bits, bits))

    @classmethod
    def shown(cls, days: int) -> str:
        """As `parse` reads it, in words of single days."""
        return " ".join(name for day, name in enumerate(cls.names) if days >> day & 1)


class Hours(Leaf, tuple[int, int]):
    """Minutes of the local day, from and till."""

    __slots__ = ()
    expected: ClassVar[str] = 'hours in quotes such as "08:00-20:00" or, over midnight, "22:00-06:00"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        found = re.fullmatch(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)", _text(raw), re.ASCII)
        hour, minute, till_hour, till_minute = map(int, _if(found, found).groups() if found else ())
        start, end = hour * 60 + minute, (till_hour * 60 + till_minute) or DAY_MINUTES
        return cls(_if((start, end), start < DAY_MINUTES >= end and start != end))

    @staticmethod
    def shown(start: int, end: int) -> str:
        """As `parse` reads it."""
        return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


class CertificateName(Leaf, str):
    """Whom a certificate is for, or its fingerprint, in the form of model/certificate.py."""

    __slots__ = ()
    expected: ClassVar[str] = (
        'a domain such as "pbx.example.com", an IP address, or "sha256:" and the 64 digits of a fingerprint'
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        return cls(certificate.normal(_text(raw)))


class Tiers(Leaf, tuple[Tier, ...]):
    """Prices of the rest of a long call."""

    __slots__ = ()
    expected: ClassVar[str] = (
        'seconds and price per minute from there on, ascending, in quotes such as "600:0.90 1800:0.50"'
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        tiers: list[Tier] = []
        for word in _text(raw).split():
            after, colon, price = word.partition(":")
            tier = Tier(int(_if(after, colon and after.isascii() and after.isdecimal())), Amount.parse(price))
            _if(tier, 0 < tier.after_seconds <= 86_400)
            tiers.append(_if(tier, not tiers or tiers[-1].after_seconds < tier.after_seconds))
        return cls(tiers)

    @staticmethod
    def shown(tiers: tuple[Tier, ...]) -> str:
        """As `parse` reads it."""
        return " ".join(f"{after}:{format_micros(micros)}" for after, micros in tiers)


class Codes(Leaf, frozenset[int]):
    """Final SIP responses, one by one or a class at once."""

    __slots__ = ()
    expected: ClassVar[str] = 'a SIP status from 200 to 699, or a class of them in quotes such as "5xx"'

    @classmethod
    def parse(cls, raw: object) -> Self:
        if type(raw) is int:
            return cls({_if(raw, 200 <= raw <= 699)})
        text = _text(raw).lower()
        first = int(_if(text[:1], re.fullmatch("[2-6]xx", text)))
        return cls(range(100 * first, 100 * first + 100))


class FailoverCodes(Codes):
    """Those on which the next gateway is tried. A class leaves out what may never be."""

    __slots__ = ()

    expected: ClassVar[str] = (
        'a SIP status from 300 to 699 or a class such as "5xx" on which another gateway may help (never '
        + ", ".join(map(str, sorted(_NEVER_FAILED_OVER)))
        + ")"
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        codes = super().parse(raw)
        _if(codes, min(codes) >= 300 and (len(codes) > 1 or not codes & _NEVER_FAILED_OVER))
        return cls(codes - _NEVER_FAILED_OVER)


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise TypeError
    return raw


def _if(value: T, right: object) -> T:
    if not right:
        raise ValueError
    return value
