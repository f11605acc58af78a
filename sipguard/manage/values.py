"""What people may write into the fields of management's forms: JSON types, their ranges, their words.

A form is a `Form` with fields of these types. The API, the command line and CSV read the same forms, so that
a value that one takes is not refused by another. Strict: "5" is no number, 1.0 is none, true is none.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sipguard.manage import leaf
from sipguard.manage.errors import InvalidError, Problem
from sipguard.manage.leaf import TimeZone as ZoneLeaf
from sipguard.model.money import MICROS_LIMIT
from sipguard.model.rewrite import RULES_MAX, RewriteRule

F = TypeVar("F", bound="Form")

COUNT_MAX = 2**31 - 1


class Form(BaseModel):
    """Base of all forms: unknown fields are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def read(form: type[F], raw: object) -> F:
    """`raw` as a form. Raises InvalidError with everything that is wrong with it."""
    try:
        return form.model_validate(raw)
    except ValidationError as error:
        raise InvalidError(problems(error.errors(include_url=False))) from None


def problems(errors: Any, skip: int = 0) -> list[Problem]:
    """Pydantic's complaints as ours; `skip`: leading parts of each place that mean nothing to a client."""
    return [
        Problem(place(error["loc"][skip:]), error["msg"].removeprefix("Value error, ")) for error in errors
    ]


def place(path: tuple[int | str, ...]) -> str:
    """("sections", 0, "prefix") as "sections[0].prefix"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def printable(text: str) -> str:
    """The text, if nothing in it is hidden. Raises ValueError."""
    # Cf: marks that turn the direction of writing or are not seen at all make one name look like another.
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in text):
        raise ValueError("holds a character that cannot be seen")
    return text


def _known_zone(text: str) -> str:
    try:
        return ZoneLeaf.parse(text)
    except (ValueError, TypeError, OSError):
        raise ValueError(f"found {text!r}, expected {ZoneLeaf.expected}") from None


def _rule(text: str) -> str:
    """The text of a rewrite rule; what is wrong with it is told in its own words."""
    return RewriteRule.parse(text).text


def _by(kind: type[leaf.Leaf]) -> AfterValidator:
    """Text as a data set file has it, too."""

    def check(text: str) -> str:
        try:
            return str(kind.parse(text))
        except (ValueError, TypeError, OSError):
            raise ValueError(f"found {text[:80]!r}, expected {kind.expected}") from None

    return AfterValidator(check)


ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$"
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=ID_PATTERN)]
"""Of anything that people name by an id: goes into URLs, files and logs as it stands."""
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(printable)]
Memo = Annotated[str, Field(max_length=2_000)]
Micros = Annotated[int, Field(ge=-MICROS_LIMIT, le=MICROS_LIMIT)]
Amount = Annotated[int, Field(gt=0, le=MICROS_LIMIT)]
"""Money that moves: more than nothing, in micro-units."""
NonNegativeMicros = Annotated[int, Field(ge=0, le=MICROS_LIMIT)]
Limit = Annotated[int, Field(ge=0, le=COUNT_MAX)]
"""0: none allowed; None, where it may be: no limit."""
UnixSeconds = Annotated[int, Field(ge=0, le=253_402_300_799)]
Prefix = Annotated[str, Field(max_length=18, pattern=r"^[0-9]*$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
Ppm = Annotated[int, Field(ge=0, le=1_000_000)]

Number = Annotated[str, Field(max_length=18, pattern=r"^[1-9][0-9]*$")]
"""A whole E.164 number without "+"."""
Digits = Annotated[str, Field(min_length=1, max_length=18, pattern=r"^[0-9]+$")]
Rewrites = Annotated[
    list[Annotated[str, Field(max_length=65), AfterValidator(_rule)]], Field(max_length=RULES_MAX)
]
"""Rewrite rules in the order in which they are tried (model/rewrite.py)."""
Network = Annotated[str, Field(max_length=64), _by(leaf.Network)]
TechPrefixes = Annotated[
    list[Annotated[str, Field(max_length=16), _by(leaf.TechPrefix)]], Field(max_length=100)
]
"""More of one trunk say nothing that a shorter one does not."""
Username = Annotated[str, Field(max_length=64), _by(leaf.Username)]
Host = Annotated[str, Field(max_length=253), _by(leaf.Host)]
Certificate = Annotated[str, Field(max_length=253), _by(leaf.CertificateName)]
Secret = Annotated[str, Field(min_length=8, max_length=256), _by(leaf.Password)]
"""A password of a device: kept as hashes, told to nobody."""
