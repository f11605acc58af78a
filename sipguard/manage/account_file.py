"""A CSV file of accounts: a header with the names of an account's fields, then a line per account.

An empty cell is a field that is not given. Agents stand before those that hang under them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from sipguard.manage.account_form import NewAccount
from sipguard.manage.errors import InvalidError
from sipguard.manage.values import problems

_NUMBERS = frozenset(
    {
        "credit_limit_micros",
        "call_limit",
        "cps_limit",
        "max_call_seconds",
        "max_rate_micros",
        "valid_from",
        "valid_till",
        "tax_ppm",
    }
)
_FLAGS = frozenset({"locked", "lock_ends_calls"})
_WORDS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class LineProblem:
    """What is wrong with one line."""

    line: int
    """Of the file, counted from 1; the header is the first."""
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Line:
    """One account of a file."""

    number: int
    form: NewAccount | None
    """None: it cannot be read."""
    problems: tuple[LineProblem, ...] = ()


def read(text: str) -> Iterator[Line]:
    """The lines of a file, read strictly. Raises InvalidError for a header that is none."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    header = _header(next(rows, []))
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(rows.line_num, None, (LineProblem(rows.line_num, "", str(error)),))
            return  # what a quote that never ends has swallowed is not guessed at
        if any(row):
            yield _line(rows.line_num, header, row)


def _header(names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if "id" not in names:
        raise InvalidError.of("line 1", "no header with a column id")
    if len(set(names)) < len(names):
        raise InvalidError.of("line 1", "a column stands there twice")
    if strange := [name for name in names if name not in NewAccount.model_fields]:
        raise InvalidError.of(
            "line 1", f"unknown column {strange[0]!r}, known are {', '.join(NewAccount.model_fields)}"
        )
    return names


def _line(number: int, header: list[str], row: list[str]) -> Line:
    if len(row) != len(header):
        message = f"found {len(row)} cells, expected {len(header)}"
        return Line(number, None, (LineProblem(number, "", message),))
    try:
        values = {name: _value(name, cell) for name, cell in zip(header, row, strict=True) if cell != ""}
        return Line(number, NewAccount.model_validate(values))
    except ValidationError as error:
        wrong = problems(error.errors(include_url=False))
        return Line(number, None, tuple(LineProblem(number, one.field, one.message) for one in wrong))


def _value(name: str, cell: str) -> object:
    if name in _NUMBERS and cell.isascii() and cell.removeprefix("-").isdecimal() and len(cell) < 20:
        return int(cell)
    if name in _FLAGS:
        return _WORDS.get(cell.lower(), cell)
    return cell
