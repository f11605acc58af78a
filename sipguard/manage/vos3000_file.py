"""An export of VOS3000's client, of whatever encoding and delimiter, with our names for its columns."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sipguard.manage.errors import InvalidError
from sipguard.manage.vos3000_column import COLUMNS, Kind, kind_of, plain

DELIMITERS = ",\t;|"
_CELL_MAX = 10_000  # characters; a longer one is a lost quotation mark


@dataclass(frozen=True, slots=True)
class Row:
    """One line."""

    file: str
    line: int
    cells: dict[str, str]
    """By our name of the column; a column that is not in the export is not in here."""
    titles: dict[str, str]
    """What the export calls them."""

    def place(self, name: str) -> str:
        """File, line and column, as its maker knows them."""
        return f"{self.file} line {self.line}: {self.titles.get(name, name)}"


@dataclass(slots=True)
class Export:
    """One file."""

    kind: Kind
    name: str
    rows: list[Row] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    """Columns that are not taken over, with how many lines say something in them."""


def read(path: Path, kind: Kind | None = None) -> Export:
    """Read a file; None: its header says of what kind it is. Raises InvalidError."""
    text = decoded(path)
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise InvalidError.of(path.name, "is empty")
    delimiter = _delimiter(lines[first], kind)
    csv.field_size_limit(_CELL_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    chosen: dict[str, str] = {}
    export: Export | None = None
    try:
        for cells in reader:
            told = [_cell(cell) for cell in cells]
            if not any(told):
                continue
            if export is None:
                header = told
                kind = kind or kind_of(header)
                if kind is None:
                    raise InvalidError.of(
                        f"{path.name} line {reader.line_num}",
                        "its columns do not tell what it is: write accounts=FILE, rates=FILE, ...",
                    )
                _check(header, kind, f"{path.name} line {reader.line_num}")
                export, chosen = Export(kind, path.name), _chosen(header, kind)
                continue
            if len(told) != len(header) and any(told[len(header) :]):
                raise InvalidError.of(
                    f"{path.name} line {reader.line_num}", f"found {len(told)} cells, expected {len(header)}"
                )
            _take(export, header, chosen, told, reader.line_num)
    except csv.Error as error:
        raise InvalidError.of(f"{path.name} line {reader.line_num}", str(error)) from None
    assert export is not None, "there is a line with something in it"
    return export


def decoded(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, with or without a mark, or GB18030. Raises InvalidError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidError.of(path.name, f"cannot be read: {error.strerror}") from None
    for encoding in _encodings(data):
        try:
            return data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            continue
    raise InvalidError.of(path.name, "is neither UTF-8 nor UTF-16 nor GB18030")


def _encodings(data: bytes) -> Sequence[str]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ("utf-16",)
    if 0 in data:
        # Commas, digits and ends of lines have a zero beside them in UTF-16, and nothing has one elsewhere.
        return ("utf-16-le",) if data[1::2].count(0) >= data[::2].count(0) else ("utf-16-be",)
    return ("utf-8", "gb18030")


def _delimiter(header: str, kind: Kind | None) -> str:
    known = [COLUMNS[kind]] if kind is not None else list(COLUMNS.values())

    def count(delimiter: str) -> int:
        try:
            names = [plain(_cell(cell)) for cell in next(csv.reader([header], delimiter=delimiter), [])]
        except csv.Error:
            return 0
        return max(sum(name in columns.names for name in names) for columns in known)

    return max(DELIMITERS, key=count)


def _check(header: list[str], kind: Kind, where: str) -> None:
    columns = COLUMNS[kind]
    ours = [columns.names[plain(name)] for name in header if plain(name) in columns.names]
    if missing := sorted(columns.required - set(ours)):
        raise InvalidError.of(where, f"an export of {kind} has a column for {' and '.join(missing)}")
    twice = sorted(name for name in set(header) if name and header.count(name) > 1)
    if twice:
        raise InvalidError.of(where, f"the column {twice[0]} is there twice")


def _chosen(header: list[str], kind: Kind) -> dict[str, str]:
    """Our name for each column that counts. Of several that mean the same the one that the table of names has
    first does: what calls are priced by is the rate prefix, whatever the prefix of its area."""
    names = COLUMNS[kind].names
    rank = {name: at for at, name in enumerate(names)}
    found: dict[str, str] = {}
    for title in sorted((one for one in header if plain(one) in names), key=lambda one: rank[plain(one)]):
        ours = names[plain(title)]
        if ours != "derived" and ours not in found.values():
            found[title] = ours
    return found


def _take(export: Export, header: list[str], chosen: dict[str, str], told: list[str], line: int) -> None:
    cells: dict[str, str] = {}
    titles: dict[str, str] = {}
    for title, cell in zip(header, told + [""] * (len(header) - len(told)), strict=False):
        if (ours := chosen.get(title)) is not None:
            cells[ours], titles[ours] = cell, title
        elif title:
            export.unknown[title] = export.unknown.get(title, 0) + bool(cell)
    export.rows.append(Row(export.name, line, cells, titles))


def _cell(text: str) -> str:
    """Without what keeps spreadsheets from taking numbers for amounts: ="007", '007, a tab."""
    text = text.strip().removeprefix("\ufeff")
    if text.startswith('="') and text.endswith('"') and len(text) > 2:
        text = text[2:-1]
    return text.removeprefix("'").strip()
