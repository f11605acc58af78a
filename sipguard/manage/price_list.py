"""A price list as a CSV file: what its columns mean, and how a line becomes a row of a rate table and back.

The first line names the columns, in any order and any case; the delimiter is found out from it. Only `prefix`
and `rate` are required, and an empty cell means the default. What an export writes, an import reads.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

from sipguard.manage.leaf import Amount, Days, Hours, Leaf, Prefix, Tiers
from sipguard.model.money import format_micros
from sipguard.model.rate import ALL_DAYS, ALWAYS, DAY_MINUTES, Rate, Tier, Window

DELIMITERS = ",;\t|"
EVERY_NUMBER = "*"
"""How the empty prefix is written: an empty cell is too easily a mistake to price the whole world."""

_SECONDS_MAX = 86_400
_CACHED = 1 << 14  # different texts of one column whose value is kept: few prices, millions of rows
_FIELD_MAX = 1_000  # characters; a longer cell is a lost quotation mark

Parse: TypeAlias = Callable[[str], Any]


class Column(NamedTuple):
    """A column that a price list may have."""

    name: str
    meaning: str
    default: Any
    expected: str


class Problem(NamedTuple):
    """What is wrong with a line."""

    line: int
    """1 is the first line of the file."""
    column: str
    """Empty where it is the line as a whole."""
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{where}: found {self.found!r}, expected {self.expected}"


class Row(NamedTuple):
    """A line that is right; the table's key and the row's own are not known yet, and 0."""

    line: int
    rate: Rate


class PriceListError(Exception):
    """The file cannot be read as a price list at all."""


_AMOUNT = 'an amount with a point such as "1.25", at most 6 decimals'
_DATE = 'a date "2026-12-31" or a moment "2026-12-31T18:00:00+06:00"'
_SECONDS = f"whole seconds from {{}} to {_SECONDS_MAX}"

COLUMNS = (
    Column("prefix", "front of the called number in E.164 digits", None, f'{Prefix.expected}, or "*"'),
    Column("destination", "name of where it leads", "", "text of at most 200 characters"),
    Column("rate", "price per minute", None, _AMOUNT),
    Column("connect_fee", "once for each call that costs anything", 0, _AMOUNT),
    Column("initial", "first billing increment in seconds", 1, _SECONDS.format(1)),
    Column("next", "every later increment in seconds", 1, _SECONDS.format(1)),
    Column("grace", "a call of no more seconds costs nothing", 0, _SECONDS.format(0)),
    Column("minimum_seconds", "billed at least", 0, _SECONDS.format(0)),
    Column("minimum_charge", "charged at least, before tax", 0, _AMOUNT),
    Column("tiers", "other prices for the rest of long calls", (), Tiers.expected.replace("in quotes ", "")),
    Column("valid_from", "first moment; without a zone in the table's, else UTC", 0, _DATE),
    Column("valid_till", "the moment after the last; likewise", None, f"{_DATE} after valid_from"),
    Column("days", "days of the week", ALL_DAYS, Days.expected.replace("in quotes ", "")),
    Column("hours", "hours of the day", (0, DAY_MINUTES), Hours.expected.replace("in quotes ", "")),
)
NEXT_RATE = Column(
    "next_rate", "price per minute behind the first increment", None, f"{_AMOUNT}; tiers begin behind that"
)
"""Read only: what it says is a tier, and written as one."""

NAMES = tuple(column.name for column in COLUMNS)
_BY_NAME = {column.name: column for column in (*COLUMNS, NEXT_RATE)}
_OTHER_NAMES = {"initial_rate": "rate", "initial_interval": "initial", "next_interval": "next"}
"""What billing systems call them that have a price for the first increment and one for the rest."""


class PriceList:
    """An open file. Iterate over it once: each line is a Row or a Problem; blank lines are passed over."""

    def __init__(self, path: Path, zone: tzinfo) -> None:
        """`zone`: of dates without one. Raises PriceListError where the file or its first line is no use."""
        try:
            # Newlines inside quotation marks are the csv module's matter.
            self._text = path.open(encoding="utf-8-sig", newline="")
            self.size = os.fstat(self._text.fileno()).st_size
        except OSError as error:
            raise PriceListError(f"{path}: cannot be read: {error.strerror}") from None
        try:
            first = self._text.readline()
            self.delimiter = _delimiter(first)
            self._lines = csv.reader(_again(first, self._text), delimiter=self.delimiter, strict=True)
            csv.field_size_limit(_FIELD_MAX)
            self._plan = _plan(next(self._lines, []), _parsers(zone))
        except (UnicodeDecodeError, csv.Error) as error:
            self.close()
            raise PriceListError(f"{path}: line 1: not a line of UTF-8 text: {error}") from None
        except ValueError as error:
            self.close()
            raise PriceListError(f"{path}: line 1: {error}") from None

    def __enter__(self) -> PriceList:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._text.close()

    def bytes_read(self) -> int:
        """For a progress bar."""
        return os.lseek(self._text.fileno(), 0, os.SEEK_CUR)

    def __iter__(self) -> Iterator[Row | Problem]:
        lines = self._lines
        while True:
            try:
                cells = next(lines)
            except StopIteration:
                return
            except UnicodeDecodeError as error:
                # The decoder reads ahead by blocks and cannot go on.
                yield Problem(lines.line_num + 1, "", error.reason, "UTF-8 text (at this line or soon after)")
                return
            except csv.Error as error:
                yield Problem(lines.line_num, "", str(error), "cells whose quotation marks are closed")
                continue
            if cells:
                yield self._row(lines.line_num, cells)

    def _row(self, line: int, cells: list[str]) -> Row | Problem:
        plan = self._plan
        if len(cells) != len(plan):
            return Problem(line, "", f"{len(cells)} cells", f"{len(plan)}, as in line 1")
        told = dict(_DEFAULTS)
        for cell, (name, parse) in zip(cells, plan, strict=True):
            if cell:
                try:
                    told[name] = parse(cell)
                except (ValueError, TypeError, OverflowError):
                    return Problem(line, name, cell, _BY_NAME[name].expected)
        for name in ("prefix", "rate"):
            if told[name] is None:
                return Problem(line, name, "", _BY_NAME[name].expected)
        valid_from, valid_till = told["valid_from"], told["valid_till"]
        if valid_till is not None and valid_till <= valid_from:
            return Problem(line, "valid_till", format_moment(valid_till), _BY_NAME["valid_till"].expected)
        tiers = _tiers(told)
        if tiers is None:
            return Problem(
                line, "tiers", Tiers.shown(told["tiers"]), "seconds beyond initial, with next_rate"
            )
        days, (start, end) = told["days"], told["hours"]
        plain = (valid_from, valid_till, days, start, end) == ALWAYS
        return Row(
            line,
            Rate(
                0,
                0,
                told["prefix"],
                told["destination"],
                told["connect_fee"],
                told["initial"],
                told["next"],
                told["rate"],
                told["grace"],
                told["minimum_seconds"],
                told["minimum_charge"],
                tiers,
                ALWAYS if plain else Window(valid_from, valid_till, days, start, end),
            ),
        )


_DEFAULTS = {column.name: column.default for column in _BY_NAME.values()}


def _tiers(told: dict[str, Any]) -> tuple[Tier, ...] | None:
    """With the one that a price behind the first increment is; None where another begins before it."""
    tiers: tuple[Tier, ...] = told["tiers"]
    if told["next_rate"] is None:
        return tiers
    if tiers and tiers[0].after_seconds <= told["initial"]:
        return None
    changes = told["next_rate"] != told["rate"]
    return (Tier(told["initial"], told["next_rate"]), *tiers) if changes else tiers


def cells(rate: Rate) -> tuple[object, ...]:
    """A row as the cells of NAMES; what is as by default stays empty."""
    window = rate.window
    hours = (window.from_minute, window.till_minute)
    return (
        rate.prefix or EVERY_NUMBER,
        rate.destination,
        format_micros(rate.rate_micros),
        format_micros(rate.connect_fee_micros),
        rate.initial_seconds,
        rate.next_seconds,
        rate.grace_seconds or "",
        rate.minimum_seconds or "",
        format_micros(rate.minimum_micros) if rate.minimum_micros else "",
        Tiers.shown(rate.tiers),
        format_moment(window.valid_from) if window.valid_from else "",
        "" if window.valid_till is None else format_moment(window.valid_till),
        "" if window.days == ALL_DAYS else Days.shown(window.days),
        "" if hours == (0, DAY_MINUTES) else Hours.shown(*hours),
    )


def format_moment(unix_seconds: int) -> str:
    """As a cell: with its offset, so that it means the same in every zone."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat()


def _again(first: str, rest: IO[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(first: str) -> str:
    """That by which the first line falls into the most columns that we know."""

    def known(delimiter: str) -> int:
        return sum(_name(cell) in _BY_NAME for cell in next(csv.reader([first], delimiter=delimiter), []))

    return max(DELIMITERS, key=known)


def _name(cell: str) -> str:
    name = re.sub(r"[\s_-]+", "_", cell.strip().lower())
    return _OTHER_NAMES.get(name, name)


def _plan(header: Sequence[str], parsers: dict[str, Parse]) -> list[tuple[str, Parse]]:
    """Name and parser of each cell of a line. Raises ValueError that names the column that is not right."""
    names = [_name(cell) for cell in header]
    for name, cell in zip(names, header, strict=True):
        if name not in _BY_NAME:
            near = get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(NAMES)}"
            raise ValueError(f"found a column {cell!r} that means nothing here, {hint}")
        if names.count(name) > 1:
            raise ValueError(f"found the column {name} twice")
    for name in ("prefix", "rate"):
        if name not in names:
            raise ValueError(f"found no column {name}, expected names of columns: prefix, rate, ...")
    return [(name, parsers[name]) for name in names]


def _parsers(zone: tzinfo) -> dict[str, Parse]:
    def moment(text: str) -> int:
        at = datetime.fromisoformat(text)
        return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp())

    first, grace, amount = _seconds(1), _seconds(0), _leaf(Amount)
    parsers: dict[str, Parse] = {
        "prefix": _prefix,
        "destination": _destination,
        "rate": amount,
        "connect_fee": amount,
        "initial": first,
        "next": first,
        "grace": grace,
        "minimum_seconds": grace,
        "minimum_charge": amount,
        "tiers": _leaf(Tiers),
        "next_rate": amount,
        "valid_from": lambda text: moment(text.strip()),
        "valid_till": lambda text: moment(text.strip()),
        "days": _leaf(Days),
        "hours": _leaf(Hours),
    }
    uncached = ("prefix", "destination")
    return {
        name: parse if name in uncached else lru_cache(maxsize=_CACHED)(parse)
        for name, parse in parsers.items()
    }


_DIGITS = re.compile("[0-9]{1,18}", re.ASCII)


def _prefix(text: str) -> str:
    text = text.strip()
    if text == EVERY_NUMBER:
        return ""
    if not _DIGITS.fullmatch(text):
        raise ValueError
    return text


def _destination(text: str) -> str:
    text = text.strip()
    if len(text) > 200 or not text.isprintable():
        raise ValueError
    return text


def _seconds(least: int) -> Parse:
    def parse(text: str) -> int:
        text = text.strip()
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= _SECONDS_MAX):
            raise ValueError
        return int(text)

    return parse


def _leaf(kind: type[Leaf]) -> Parse:
    return lambda text: kind.parse(text.strip())
