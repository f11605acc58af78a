"""Who gets which answer from which route: docs/api-matrix.md, written by `python -m tests.web.matrix`.

test_matrix.py compares, and fails where a route has no row or answers otherwise.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from argon2 import PasswordHasher

from sipguard.manage import password
from tests.web.world import AGENT, CUSTOMER, Operation, World, world

FILE = Path(__file__).parents[2] / "docs" / "api-matrix.md"

COLUMNS: dict[str, str | None] = {
    "administrator": "root",
    "own agent": AGENT,
    "own agent without": AGENT,
    "parent": "t1-parent",
    "sub-agent": "t1-sub",
    "stranger": "t2-stranger",
    "ordinary account": CUSTOMER,
    "nobody": None,
    "expired key": "expired",
}

_HEAD = """\
# What the API answers whom

Made by `python -m tests.web.matrix`; `tests/web/test_matrix.py` fails where it is not true any more.

Every request names an object of the account t1-customer, or makes one for it. *Own agent* is the agent of
that account and holds all authorizations, *own agent without* is the same and holds none, *parent* is the
agent above that one, *sub-agent* another agent below it, *stranger* an agent of another tree; *ordinary
account* is t1-customer itself. Routes under /session are asked with a session of their own, all others with
an API key. What is out of scope is answered as what does not exist: 404. An answer without end is not tried
(-) by those who may have it.

"""


def rows(made: World) -> dict[str, list[str]]:
    """By "METHOD path": the status for every column."""
    return {
        operation.name: [status(made, operation, column) for column in COLUMNS]
        for operation in made.operations
    }


def status(made: World, operation: Operation, column: str) -> str:
    """What somebody is answered, in a world where nothing happened before."""
    who = COLUMNS[column]
    if operation.streams and column not in ("nobody", "expired key"):
        return "-"
    without = column.endswith("without")
    if without:
        made.grant_nothing(AGENT)
    answer = made.ask(operation, who)
    if without or (answer.status_code < 400 and operation.method != "GET"):
        made.reset()
    return str(answer.status_code)


def text(found: dict[str, list[str]]) -> str:
    """The file."""
    lines = [f"| route | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    lines += [f"| {name} | {' | '.join(statuses)} |" for name, statuses in found.items()]
    return _HEAD + "\n".join(lines) + "\n"


def main() -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    password._HASHER, password._NOBODY = cheap, cheap.hash("nobody")
    with tempfile.TemporaryDirectory() as directory, world(Path(directory)) as made:
        FILE.write_text(text(rows(made)))


if __name__ == "__main__":
    main()
