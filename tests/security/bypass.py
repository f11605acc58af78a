"""The table of docs/bypass.md: which tests show which case of the collection of ways around the policy.

``python -m tests.security.bypass`` writes the tests into it; ``test_bypass.py`` fails until that is done.
Cases and what they require are kept there by hand.

A test names its cases: in its name (``test_b24_...``), in its docstring (``"D21: ..."``), among the ids of
its parameters, or with ``@pytest.mark.bypass("E04")``. A letter behind a case (A04b) is another spelling of
its class.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "bypass.md"
ROOMS = ("security", "phones", "scenarios", "web")
"""Where tests talk to a daemon, or to the application over a database."""

_CASE = re.compile(r"(?<![A-Za-z0-9-])([A-E]\d\d)[a-z]{0,2}(?=[^A-Za-z0-9]|$)")
_NAMED = re.compile(r"_([a-e]\d\d)(?=_)")
_ROW = re.compile(
    r"^\| (?P<case>[A-E]\d\d) \| (?P<what>.*?) \| (?P<required>.*?)"
    r" \| (?P<tests>.*?) \| (?P<spellings>\d+) \|$"
)


@dataclass(frozen=True)
class Row:
    """One case of the collection."""

    case: str
    what: str
    required: str
    tests: tuple[str, ...]
    """``path::name``, sorted."""
    spellings: int
    """How many inputs of its class are tried by name: those of the tests' tables, else the tests."""

    def __str__(self) -> str:
        tests = "<br>".join(f"`{test}`" for test in self.tests)
        return f"| {self.case} | {self.what} | {self.required} | {tests} | {self.spellings} |"


def rows(text: str) -> list[Row]:
    """Every row of the table, in its order."""
    found = [match for line in text.splitlines() if (match := _ROW.match(line))]
    return [
        Row(
            row["case"],
            row["what"],
            row["required"],
            tuple(re.findall(r"`(.*?)`", row["tests"])),
            int(row["spellings"]),
        )
        for row in found
    ]


def named() -> dict[str, tuple[tuple[str, ...], int]]:
    """Tests by the case that they name, and how many inputs they try for it."""
    tests: defaultdict[str, set[str]] = defaultdict(set)
    tries: defaultdict[str, int] = defaultdict(int)
    for test, cases in _tests():
        for case, count in cases.items():
            tests[case].add(test)
            tries[case] += count
    return {case: (tuple(sorted(found)), tries[case]) for case, found in tests.items()}


def _tests() -> Iterator[tuple[str, dict[str, int]]]:
    for room in ROOMS:
        for path in sorted((ROOT / "tests" / room).glob("test_*.py")):
            module = ast.parse(path.read_text())
            tables = {name: node for node in module.body for name in _assigned(node)}
            for node in module.body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    yield f"{path.relative_to(ROOT)}::{node.name}", _cases(node, tables)


def _assigned(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _cases(test: ast.FunctionDef | ast.AsyncFunctionDef, tables: dict[str, ast.stmt]) -> dict[str, int]:
    """Cases that a test names, with the inputs that it tries for each."""
    told = {name.upper() for name in _NAMED.findall(test.name)}
    told |= set(_CASE.findall((ast.get_docstring(test) or "").replace("/", " ")))
    counts: dict[str, int] = dict.fromkeys(told, 1)
    for decorator in test.decorator_list:
        used = {node.id for node in ast.walk(decorator) if isinstance(node, ast.Name)}
        for source in (decorator, *(tables[name] for name in used if name in tables)):
            texts = [node.value for node in ast.walk(source) if isinstance(node, ast.Constant)]
            for text in dict.fromkeys(text for text in texts if isinstance(text, str)):
                if match := _CASE.match(text):
                    counts[match[1]] = counts.get(match[1], 0) + (match[1] not in told)
                    told.discard(match[1])
    return counts


def renewed(text: str) -> str:
    """The document with its tests' columns and its sum as the tests are now."""
    found = named()
    nothing: tuple[tuple[str, ...], int] = ((), 0)
    fresh = {}
    for row in rows(text):
        tests, tries = found.get(row.case, nothing)
        fresh[row.case] = replace(row, tests=tests, spellings=tries)
    lines = [str(fresh[match["case"]]) if (match := _ROW.match(line)) else line for line in text.splitlines()]
    return re.sub(r"(?m)^\*\*.* cases .*\*\*$", _summary(list(fresh.values())), "\n".join(lines) + "\n")


def _summary(table: list[Row]) -> str:
    shown = sum(bool(row.tests) for row in table)
    return (
        f"**{shown} of {len(table)} cases have tests, {sum(row.spellings for row in table)} inputs in all.**"
    )


if __name__ == "__main__":
    TABLE.write_text(renewed(TABLE.read_text()))
