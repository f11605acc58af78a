"""The files of a configuration: JSON lines, an object in each, and CSV where an object has a long list.

    sipguard.json           the format of the files, the currency of the house
    accounts.jsonl          an object a line, by its key; a field that is not there has its default
    sections.csv            an element of a list a line, with the key of its object
    rates/TABLE.csv         the rows of a rate table as a price list

A file that is not there says nothing of its noun: what the database holds of it stays. Everything that is
wrong with a file is told, each with the file, the line and the field.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sipguard.manage.errors import InvalidError, Problem
from sipguard.manage.network import NOUNS, RATE_TABLE, Key, Noun
from sipguard.manage.network_form import HouseLine
from sipguard.manage.network_read import SECRETS, Fields
from sipguard.manage.values import read as read_form

FORMAT = 1
HOUSE = "sipguard.json"
RATES = "rates"
EVERY_NUMBER = "*"
"""How the empty prefix is written in CSV, as in price lists: an empty cell is too easily a mistake."""
PROBLEMS_MAX = 1_000
_CELL_MAX = 10_000  # characters; a longer one is a lost quotation mark


@dataclass(frozen=True, slots=True)
class Line:
    """An object as the files say it, whole, and where."""

    fields: Fields
    file: str
    line: int
    """0: it is what the file does not say."""

    @property
    def place(self) -> str:
        return f"{self.file} line {self.line}" if self.line else self.file


@dataclass(slots=True)
class Files:
    """A directory that was read."""

    currency: str
    objects: dict[str, dict[Key, Line]] = field(default_factory=dict)
    """By the name of their noun; a noun that is not there has no file."""
    rates: dict[str, Path] = field(default_factory=dict)
    """Price lists by the id of their rate table."""


def house_line(currency: str) -> str:
    """The file that belongs to all of them."""
    return json.dumps({"format": FORMAT, "currency": currency}, indent=2) + "\n"


def rates_file(table_id: str) -> str:
    """Where the rows of a rate table are. Ids of data sets may hold what no file name does."""
    return f"{RATES}/{quote(table_id, safe='@+ ').replace('.', '%2E', table_id.startswith('.'))}.csv"


def json_line(noun: Noun, fields: Fields) -> str:
    """An object as a line: its key, then what is not as by default, in the order of its form."""
    defaults = noun.defaults(fields)
    spread = noun.spread.field if noun.spread is not None else None
    told = {
        name: fields[name]
        for name in noun.fields
        if name != spread and (name in noun.key or name not in defaults or fields[name] != defaults[name])
    }
    if noun.inherited and fields.get("agent_id") is not None:
        told = {name: value for name, value in told.items() if name not in noun.inherited}
    return json.dumps(told, ensure_ascii=False) + "\n"


def csv_header(noun: Noun) -> list[str]:
    assert noun.spread is not None
    return [*map(_key_column(noun), noun.key), *map(_column(noun), noun.spread.columns)]


def csv_rows(noun: Noun, fields: Fields) -> Iterator[list[Any]]:
    """The elements of an object's list, a row for each."""
    assert noun.spread is not None
    key = ["" if part is None else part for part in noun.key_of(fields)]
    for element in fields[noun.spread.field]:
        values = element if isinstance(element, dict) else {noun.spread.field: element}
        yield [*key, *(_cell(name, values[name]) for name in noun.spread.columns)]


def read(directory: Path) -> Files:
    """Read and check a directory. Raises InvalidError with everything that is wrong in it."""
    problems: list[Problem] = []
    files = Files(_house(directory))
    for noun in NOUNS:
        rows = _spread(directory, noun, problems)
        lines = None if noun.only_spread else _lines(directory, noun, problems)
        if (lines, rows) == (None, None):
            continue
        files.objects[noun.name] = _objects(noun, lines, rows or {}, problems)
    tables = files.objects.get(RATE_TABLE.name)
    for path in sorted((directory / RATES).glob("*.csv")):
        table_id = unquote(path.stem)
        if tables is not None and (table_id,) not in tables:
            problems.append(Problem(f"{RATES}/{path.name}", f"there is no rate table {table_id}"))
        files.rates[table_id] = path
    if problems:
        raise InvalidError(problems[:PROBLEMS_MAX])
    return files


@dataclass(slots=True)
class _Raw:
    """What was read of an object, before it is checked."""

    fields: Fields
    file: str
    line: int
    elements: list[int] = field(default_factory=list)
    """Lines of the elements of its list."""


def _house(directory: Path) -> str:
    path = directory / HOUSE
    try:
        return read_form(HouseLine, json.loads(path.read_text(encoding="utf-8"))).currency
    except OSError as error:
        raise InvalidError.of(str(path), f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidError.of(str(path), f"is not JSON: {error}") from None
    except InvalidError as error:
        raise InvalidError([Problem(f"{path}: {one.field}", one.message) for one in error.problems]) from None


def _lines(directory: Path, noun: Noun, problems: list[Problem]) -> list[_Raw] | None:
    name = f"{noun.file}.jsonl"
    text = _text(directory / name, problems)
    if text is None:
        return None
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            if not isinstance(raw, dict):
                raise ValueError("expected an object in braces")
            found.append(_Raw(raw, name, number))
        except (ValueError, RecursionError) as error:
            problems.append(Problem(f"{name} line {number}", f"is not a line of JSON: {error}"))
    return found


def _spread(directory: Path, noun: Noun, problems: list[Problem]) -> dict[Key, _Raw] | None:
    """The elements of the lists of a noun, by the key of their object."""
    if noun.spread is None:
        return None
    name = f"{noun.file}.csv" if noun.only_spread else f"{noun.file}.{noun.spread.field}.csv"
    text = _text(directory / name, problems)
    if text is None:
        return None
    found: dict[Key, _Raw] = {}
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = csv_header(noun)
    csv.field_size_limit(_CELL_MAX)
    try:
        if (first := next(rows, [])) != header:
            problems.append(
                Problem(f"{name} line 1", f"found {','.join(first)}, expected {','.join(header)}")
            )
            return {}
        for cells in rows:
            where = f"{name} line {rows.line_num}"
            if not cells:
                continue
            if len(cells) != len(header):
                problems.append(Problem(where, f"found {len(cells)} cells, expected {len(header)}"))
                continue
            key = tuple(cell or None for cell in cells[: len(noun.key)])
            at = found.setdefault(key, _Raw({noun.spread.field: []}, name, rows.line_num))
            at.fields[noun.spread.field].append(_element(noun, cells[len(noun.key) :]))
            at.elements.append(rows.line_num)
    except csv.Error as error:
        problems.append(Problem(f"{name} line {rows.line_num}", str(error)))
    return found


def _objects(
    noun: Noun, lines: list[_Raw] | None, rows: dict[Key, _Raw], problems: list[Problem]
) -> dict[Key, Line]:
    """Every line as a whole object, checked, with the elements of its list."""
    found: dict[Key, Line] = {}
    if lines is None:
        keyed = (dict(zip(noun.key, key, strict=True)) for key in rows)
        lines = [
            _Raw(fields, rows[noun.key_of(fields)].file, rows[noun.key_of(fields)].line) for fields in keyed
        ]
    for raw in lines:
        where = f"{raw.file} line {raw.line}"
        if secret := SECRETS & raw.fields.keys():
            problems.append(Problem(f"{where}: {min(secret)}", "is nothing that belongs into a file"))
            continue
        told = noun.defaults(raw.fields) | raw.fields
        key = tuple(told.get(name) for name in noun.key)
        if not all(isinstance(part, str | bool | None) for part in key):
            problems.append(Problem(where, f"expected text in {', '.join(noun.key)}"))
            continue
        of_list = rows.pop(key, None)
        if noun.spread is not None and noun.spread.field in raw.fields:
            problems.append(Problem(f"{where}: {noun.spread.field}", "has a CSV file of its own"))
            continue
        if of_list is not None:
            told |= of_list.fields
        try:
            form = read_form(noun.form, told)
        except InvalidError as error:
            problems += [_placed(noun, raw, of_list, one) for one in error.problems]
            continue
        whole = noun.canonical(form.model_dump(mode="json", exclude=set(SECRETS)))
        if (first := found.get(key)) is not None:
            problems.append(Problem(where, f"{_shown(key)} stands in {first.place} already"))
            continue
        found[key] = Line(whole, raw.file, raw.line)
    for key, left in rows.items():
        problems.append(Problem(f"{left.file} line {left.line}", f"there is no {noun.name} {_shown(key)}"))
    return found


def _placed(noun: Noun, raw: _Raw, of_list: _Raw | None, problem: Problem) -> Problem:
    """A problem of an object with the file and line of the very part that is wrong."""
    front = "" if noun.spread is None else f"{noun.spread.field}["
    if of_list is not None and front and problem.field.startswith(front):
        at, _, rest = problem.field.removeprefix(front).partition("]")
        place = f"{of_list.file} line {of_list.elements[int(at)]}"
        return Problem(f"{place}: {rest[1:]}" if rest else place, problem.message)
    return Problem(f"{raw.file} line {raw.line}: {problem.field}", problem.message)


def _element(noun: Noun, cells: list[str]) -> Any:
    assert noun.spread is not None
    values: Fields = {}
    for (name, kind), cell in zip(noun.spread.columns.items(), cells, strict=True):
        if kind is int and cell.isascii() and cell.isdecimal() and len(cell) < 20:
            values[name] = int(cell)
        elif cell == EVERY_NUMBER and name in ("prefix", "prefixes"):
            values[name] = ""
        elif cell:
            values[name] = cell
    return values.get(noun.spread.field) if noun.spread.field in noun.spread.columns else values


def _cell(name: str, value: Any) -> Any:
    if value == "" and name in ("prefix", "prefixes"):
        return EVERY_NUMBER
    return "" if value is None else value


def _column(noun: Noun) -> Any:
    """A plain list has a column called after one of its elements."""
    assert noun.spread is not None
    plain = noun.spread.field
    return lambda name: name.removesuffix("es") if name == plain else name


def _key_column(noun: Noun) -> Any:
    """The key of an object as a column: beside other columns "id" would not say whose."""
    return lambda name: f"{noun.name}_id" if name == "id" else name


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(path.name, f"cannot be read: {error}"))
        return None


def _shown(key: Key) -> str:
    return " ".join(str(part) for part in key if part is not None)


def label(key: Mapping[str, Any] | Key) -> str:
    """How people are told which object is meant."""
    return _shown(tuple(key.values()) if isinstance(key, Mapping) else key)
