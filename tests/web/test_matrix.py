"""Every route, asked by everybody: the answers of docs/api-matrix.md, and nothing of what is foreign."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator

import pytest

from tests.web import matrix
from tests.web.world import AGENT, CUSTOMER, NOWHERE, Operation, World, world

STEPS = int(os.environ.get("TENANT_STEPS", "120"))
SEED = int(os.environ.get("TENANT_SEED", "1"))


@pytest.fixture(scope="module")
def made(cheap_passwords: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def as_it_was(made: World) -> Iterator[None]:
    yield
    made.reset()


def test_the_table_in_docs_is_true(made: World) -> None:
    found = matrix.rows(made)
    for name, statuses in found.items():
        told = dict(zip(matrix.COLUMNS, statuses, strict=True))
        if name != "POST /api/v1/session":
            assert told["nobody"] == told["expired key"] == "401", name
        assert not any(status.startswith("5") and status != "503" for status in statuses), name
    kept = matrix.FILE.read_text().splitlines()
    now = matrix.text(found).splitlines()
    different = [
        f"{sign} {line}"
        for sign, lines, others in (("-", kept, now), ("+", now, kept))
        for line in lines
        if line not in others
    ]
    assert not different, "run `python -m tests.web.matrix` and look at the difference:\n" + "\n".join(
        different
    )


def sent(made: World, operation: Operation) -> str:
    """All that a request says."""
    ids = [made.ids.get(name, NOWHERE) for name in operation.parameters]
    return json.dumps([ids, made.query(operation), made.body(operation) if operation.form else None])


def names_an_object(made: World, operation: Operation) -> bool:
    return bool({CUSTOMER, AGENT, *made.ids.values()} & set(re.findall(r'"([^"]*)"', sent(made, operation))))


def nowhere(value: object, names: frozenset[str]) -> object:
    """The same, of an object that there is none of."""
    if isinstance(value, dict):
        return {key: nowhere(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [nowhere(inner, names) for inner in value]
    return NOWHERE if value in names else value


@pytest.mark.bypass("E01")
@pytest.mark.parametrize("who", ["t1-sub", "t2-stranger"])
def test_what_is_out_of_scope_is_answered_as_what_is_not(made: World, who: str) -> None:
    tried = 0
    for operation in made.operations:
        if operation.is_personal or operation.is_everybodys or operation.streams:
            continue
        if not names_an_object(made, operation):
            continue
        tried += 1
        names = frozenset({CUSTOMER, AGENT, *made.ids.values()})
        foreign = made.ask(operation, who)
        made.reset()
        body = nowhere(made.body(operation), names) if operation.form else None
        query = {name: NOWHERE if value in names else value for name, value in made.query(operation).items()}
        none = made.ask(operation, who, {}, body, query=query)
        made.reset()
        assert foreign.status_code >= 400, operation.name
        told = [answer.text for answer in (foreign, none)]
        for name in sorted(names, key=len, reverse=True):
            told[0] = told[0].replace(name, NOWHERE)
        told[1] = told[1].replace("999999999", NOWHERE)
        assert (foreign.status_code, told[0]) == (none.status_code, told[1]), operation.name
    assert tried > 25


@pytest.mark.bypass("E34")
def test_what_one_tenant_asks_the_other_is_refused_at_every_step(made: World) -> None:
    """TENANT_STEPS and TENANT_SEED make it longer and another one."""
    dice = random.Random(SEED)
    pool = {name: [id] for name, id in made.ids.items()}
    pool["account_id"] += [AGENT, "t1-sub", "t1-leaf", "t1-parent"]
    done = 0
    tried = [one for one in made.operations if not (one.is_personal or one.is_everybodys or one.streams)]
    for step in range(STEPS):
        operation = dice.choice(tried)
        ids = {name: dice.choice(known) for name, known in pool.items()}
        made.words |= {"id": f"t1-{step}", "username": f"t1-{step}", "account_id": ids["account_id"]}
        body = made.body(operation) if operation.form else None
        more = {"Idempotency-Key": f"t1-{step}"}
        said = json.dumps(
            [[ids[name] for name in operation.parameters if name in ids], body, made.query(operation)]
        )
        names = set(re.findall(r'"([^"]*)"', said)) & {id for known in pool.values() for id in known}
        # What names nothing of the tenant makes something of the stranger's own, perhaps with the same id.
        if names or operation.method == "GET":
            foreign = made.ask(operation, "t2-stranger", ids, body, more)
            told = foreign.text
            for word in re.findall(r"t1-[\w.-]+|(?:pay|req)-\w+", said):
                told = told.replace(word, "")
            assert "t1-" not in told, (operation.name, foreign.text)
            assert foreign.status_code >= 400 or not names, (operation.name, said, foreign.text)
        own = made.ask(operation, dice.choice((AGENT, "t1-parent")), ids, body, more)
        done += own.status_code < 400
        if own.status_code == 201 and isinstance(told_own := own.json(), dict) and "id" in told_own:
            item = [
                one.parameters[-1]
                for one in made.operations
                if one.path.rpartition("/{")[0] == operation.path
            ]
            pool.setdefault(item[0] if item else "none", []).append(str(told_own["id"]))
        if step % 40 == 39:
            made.reset()
            pool = {name: known[:1] if name != "account_id" else known[:5] for name, known in pool.items()}
    made.words |= {"account_id": CUSTOMER}
    assert done > STEPS // 4, "the tenant itself has to get somewhere, else nothing is shown"
