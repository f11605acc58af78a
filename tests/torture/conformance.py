"""The table of docs/conformance.md: which test shows which item of the checklist.

``python -m tests.torture.conformance`` writes the tests into it; ``test_conformance.py`` fails until
that is done. Items, kinds, results and notes are kept there by hand.

A test names its items: in Rust at the beginning of its name (``c03_c05_...``) or anywhere in it with a hyphen
(``"S-04: ..."``), in Python with ``@pytest.mark.item("V-11")``.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "conformance.md"

ITEM = re.compile(r"\b[MVRFSCXTLIO]-\d\d\b")
_ROW = re.compile(
    r"^\| (?P<item>[A-Z]-\d\d) \| (?P<kind>[MSP]) \| (?P<what>.*?) \| (?P<tests>.*?) \| (?P<result>.*?) \|$"
)
_RUST_TEST = re.compile(r"#\[test\]\s+fn (\w+)\(")
_LEADING = re.compile(r"([a-z]\d\d)_")


@dataclass(frozen=True)
class Row:
    """One item of the checklist."""

    item: str
    kind: str
    """M: must, S: should, P: product choice."""
    what: str
    tests: tuple[str, ...]
    """``path::name``, sorted."""
    result: str
    """``shown`` or ``open``; then a colon and why it is open, or what the tests do not show."""

    def __str__(self) -> str:
        tests = "<br>".join(f"`{test}`" for test in self.tests)
        return f"| {self.item} | {self.kind} | {self.what} | {tests} | {self.result} |"


def rows(text: str) -> list[Row]:
    """Every row of the table, in its order."""
    found = [match for line in text.splitlines() if (match := _ROW.match(line))]
    return [
        Row(row["item"], row["kind"], row["what"], tuple(re.findall(r"`(.*?)`", row["tests"])), row["result"])
        for row in found
    ]


def named() -> dict[str, tuple[str, ...]]:
    """Tests by the item that they name."""
    by_item: defaultdict[str, set[str]] = defaultdict(set)
    for test, items in [*_rust_tests(), *_python_tests()]:
        for item in items:
            by_item[item].add(test)
    return {item: tuple(sorted(tests)) for item, tests in by_item.items()}


def _rust_tests() -> Iterator[tuple[str, set[str]]]:
    for path in sorted((ROOT / "engine").glob("src/**/*.rs")) + sorted((ROOT / "engine").glob("tests/*.rs")):
        text = path.read_text()
        starts = list(_RUST_TEST.finditer(text))
        for start, following in zip_longest(starts, starts[1:]):
            end = following.start() if following else len(text)
            name, items = start[1], set(ITEM.findall(text[start.start() : end]))
            at = 0
            while lead := _LEADING.match(name, at):
                items.add(f"{lead[1][0].upper()}-{lead[1][1:]}")
                at = lead.end()
            yield f"{path.relative_to(ROOT)}::{name}", items


def _python_tests() -> Iterator[tuple[str, set[str]]]:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                items = {item for mark in node.decorator_list for item in _marked(mark)}
                yield f"{path.relative_to(ROOT)}::{node.name}", items


def _marked(decorator: ast.expr) -> list[str]:
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.item":
        return [ast.literal_eval(argument) for argument in decorator.args]
    return []


def renewed(text: str) -> str:
    """The document with its tests' column and its sums as the tests are now."""
    tests = named()
    fresh = {row.item: replace(row, tests=tests.get(row.item, ())) for row in rows(text)}
    lines = [str(fresh[match["item"]]) if (match := _ROW.match(line)) else line for line in text.splitlines()]
    return re.sub(r"(?m)^\*\*.* shown.*\*\*$", summary(list(fresh.values())), "\n".join(lines) + "\n")


def summary(table: list[Row]) -> str:
    """How many items of each kind are shown."""
    kinds = {"M": "must", "S": "should", "P": "product choice"}
    counts = []
    for kind, name in kinds.items():
        of_kind = [row for row in table if row.kind == kind]
        shown = sum(row.result.startswith("shown") for row in of_kind)
        counts.append(f"{shown} of {len(of_kind)} {name}")
    shown = sum(row.result.startswith("shown") for row in table)
    return f"**{shown} of {len(table)} items are shown: {', '.join(counts)}.**"


if __name__ == "__main__":
    TABLE.write_text(renewed(TABLE.read_text()))
