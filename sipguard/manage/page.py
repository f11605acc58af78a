"""Lists a page at a time, by keyset: as fast on the last page as on the first, and nothing is shown twice."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.manage.errors import InvalidError

T = TypeVar("T")

LIMIT_MAX = 1_000
LIMIT = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list."""

    items: Sequence[T]
    next_cursor: str | None
    """Where the next page begins; None: this was the last."""


def cursor(*position: str | int | None) -> str:
    """Opaque to clients: the sort values of the last row that was given."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def position(text: str, kinds: Sequence[type]) -> list[object]:
    """Read a cursor back. Raises InvalidError where this was not made by `cursor` for values of `kinds`."""
    try:
        values = json.loads(
            base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error, RecursionError):
        values = None
    fits = isinstance(values, list) and len(values) == len(kinds)
    if not fits or not all(_fits(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise InvalidError.of("cursor", "is none that a list of this order gave")
    return list(values)


def _fits(value: object, kind: type) -> bool:
    """Whether a value of a cursor can be one of the database: 64 bits, and text that is Unicode."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return False
    return type(value) is kind and not (isinstance(value, str) and _SURROGATE.search(value))


_SURROGATE = re.compile("[\ud800-\udfff]")


def check_limit(limit: int) -> int:
    """Raises InvalidError."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidError.of("limit", f"found {limit}, expected 1 to {LIMIT_MAX}")
    return limit


async def read(
    conn: AsyncConnection, query: Select[Any], by: ColumnElement[str], after: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """The rows of a page in the order of `by`, and where the next page begins (None: this is the last).

    `by`: a column of `query`, unique among its rows. Raises InvalidError for a wrong cursor or limit.
    """
    if after is not None:
        (last,) = position(after, (str,))
        query = query.where(by > last)
    rows = (await conn.execute(query.order_by(by).limit(check_limit(limit) + 1))).all()
    shown = rows[:limit]
    return shown, cursor(shown[-1]._mapping[by]) if len(rows) > limit else None
