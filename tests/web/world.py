"""Two tenants with something of every noun, and requests for every route that the OpenAPI document has.

operator ── t1-parent ── t1-agent ── t1-customer     what requests name; most objects are its
         │                       └── t1-sub          an agent beside it
         └─ t2-stranger ── t2-customer

Bodies are made from the document; WORDS and BODIES say what cannot be guessed. Whoever adds a route whose
objects are to be met here needs at most an entry there.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from sipguard.manage import api_key, login
from sipguard.manage.api_key import KeyForm
from sipguard.manage.desk import Desk
from sipguard.model.actor import Role
from sipguard.model.authorization import ALL, NONE
from sipguard.model.ledger import LedgerKind
from sipguard.store import account, database, ledger
from sipguard.store.metadata import insert_row
from sipguard.store.rate import rate_table
from sipguard.web import app

NOW_MS = 1_800_000_000_000
PREFIX = "/api/v1"
CUSTOMER, AGENT = "t1-customer", "t1-agent"
NOWHERE = "no-such"
EVERYBODYS = frozenset({"authorization-templates", "destination-sets"})
"""Nouns of the house that everybody reads."""
PASSWORD = "good enough for all"

ACCOUNTS = (
    ("t1-parent", None),
    (AGENT, "t1-parent"),
    (CUSTOMER, AGENT),
    ("t1-sub", AGENT),
    ("t1-leaf", "t1-sub"),
    ("t2-stranger", None),
    ("t2-customer", "t2-stranger"),
)

WORDS: dict[str, object] = {
    "account_id": CUSTOMER,
    "agent_id": AGENT,
    "username": "t1-new",
    "password": PASSWORD,
    "current_password": PASSWORD,
    "code": "123456",
    "id": "t1-new",
    "name": "t1 new",
    "reason": "t1 reason",
    "number": "8801711000001",
    "first": "8801711000000",
    "last": "8801711000099",
    "from_at": "1799996400",
    "till_at": "1800000000",
    "scope": "account",
    "key": CUSTOMER,
    "amount_micros": 1_000_000,
    "account_ids": [CUSTOMER],
    "prefixes": ["8801"],
}
"""What goes into a field of that name."""

SECOND: dict[str, object] = {
    "id": "t1-second",
    "number": "8801711000002",
    "first": "8801711000200",
    "last": "8801711000299",
}
"""The same, once there is one of everything."""

ALWAYS = frozenset({"account_id", "agent_id"})
"""Fields that are given even where they need not be: they say whose the object is."""

QUERIES = ALWAYS | {"key", "scope"}
"""Parameters that are given even where they need not be."""

BODIES: dict[str, dict[str, object]] = {
    "NewAccount": {"id": "t1-new", "agent_id": AGENT},
    "AccountChanges": {"name": "t1 other"},
    "LoginChanges": {"locked": True},
    "Grant": {"authorizations": ["phone"]},
    "Ask": {"reason": "t1 reason", "create": {"id": "t1-asked", "agent_id": CUSTOMER}},
    "NewMappingGateway": {"id": "t1-trunk", "account_id": CUSTOMER, "sources": ["8.8.8.0/24"]},
    "MappingGatewayChanges": {"capacity": 5},
    "RoutingGatewayChanges": {"port": 5070},
    "NewCardBatch": {"id": "t1-cards", "account_id": CUSTOMER, "cards": 2, "face_value_micros": 5},
    "Blocking": {"blocked": True},
    "PriceListForm": {"csv": "prefix,rate\n44,1\n"},
    "AccountMove": {"agent_id": "t1-parent"},
    "Credentials": {"username": AGENT, "password": PASSWORD},
    "PasswordChange": {"current_password": PASSWORD, "password": "another good enough"},
}
"""Bodies by the name of their form, where what the document says is not enough."""


@dataclass(frozen=True)
class Operation:
    """A method of a path."""

    method: str
    path: str
    detail: Mapping[str, Any]
    form: str | None
    """The name of the form of its body."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def nowhere(self, parameter: str) -> str:
        """The name of an object that there is none of."""
        schema = next(one["schema"] for one in self.detail["parameters"] if one["name"] == parameter)
        if "enum" in schema:
            return str(schema["enum"][0])
        return "999999999" if schema.get("type") == "integer" else NOWHERE

    @property
    def is_everybodys(self) -> bool:
        """Reads what is nobody's secret."""
        return self.method == "GET" and self.path.split("/")[3] in EVERYBODYS

    @property
    def streams(self) -> bool:
        """Its answer has no end."""
        return any("text/event-stream" in one.get("content", {}) for one in self.detail["responses"].values())

    @property
    def is_personal(self) -> bool:
        """A matter of one's own session."""
        return self.path.startswith(f"{PREFIX}/session")


@dataclass
class World:
    """The application over a database that every test request may spoil: `reset` brings it back."""

    directory: Path
    client: TestClient
    document: dict[str, Any]
    operations: list[Operation]
    keys: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)
    """What stands for each parameter of a path: something of the first tenant."""
    words: dict[str, object] = field(default_factory=lambda: dict(WORDS))
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Cookie and CSRF token of everybody."""

    def reset(self) -> None:
        """Everything is as it was when the world was made."""
        self._open(self.directory / "template.db")

    def keep(self) -> None:
        """What is now is what `reset` goes back to."""
        desk: Desk = self.client.app.state.desk  # type: ignore[attr-defined]
        assert self.client.portal is not None
        self.client.portal.call(desk.store.close)
        shutil.copy(self.directory / "used.db", self.directory / "template.db")
        self.reset()

    def _open(self, path: Path) -> None:
        desk: Desk = self.client.app.state.desk  # type: ignore[attr-defined]
        assert self.client.portal is not None
        self.client.portal.call(desk.store.close)
        for left in self.directory.glob("used.db*"):
            left.unlink()
        shutil.copy(path, self.directory / "used.db")
        desk.store = database.Database(self.directory / "used.db")

    def grant_nothing(self, account_id: str) -> None:
        """Take an agent's authorizations, as of now."""
        with sqlite3.connect(self.directory / "used.db") as file:
            file.execute("UPDATE account SET granted = 0 WHERE id = ?", [account_id])

    def ask(
        self,
        operation: Operation,
        who: str | None,
        ids: Mapping[str, str] | None = None,
        body: object = None,
        more: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send a request as somebody, "expired" by a key whose time is over, None by nobody."""
        path = operation.path
        for name in operation.parameters:
            known = (self.ids if ids is None else ids).get(name)
            path = path.replace(f"{{{name}}}", operation.nowhere(name) if known is None else known)
        headers = {"Idempotency-Key": "t1-key", "If-Match": "*", "Cookie": ""} | dict(more or {})
        if who in self.sessions and operation.is_personal:
            cookie, token = self.sessions[who]
            headers |= {"Cookie": f"sipguard_session={cookie}", "X-CSRF-Token": token}
        elif who is not None:
            headers["Authorization"] = f"Bearer {self.keys[who]}"
        if body is None and operation.form is not None:
            body = self.body(operation)
        self.client.cookies.clear()
        params = dict(self.query(operation) if query is None else query)
        return self.client.request(operation.method, path, params=params, headers=headers, json=body)  # type: ignore[return-value]

    def query(self, operation: Operation) -> dict[str, str]:
        """The parameters that are needed, and those that say whose things are asked for."""
        found = {}
        for one in operation.detail.get("parameters", ()):
            if one["in"] == "query" and (one.get("required") or one["name"] in QUERIES):
                found[one["name"]] = str(self._value(one["name"], one["schema"]))
        return found

    def body(self, operation: Operation) -> dict[str, object]:
        """A body that the operation takes, as far as the document tells."""
        assert operation.form is not None
        if operation.form in BODIES:
            return dict(BODIES[operation.form])
        schema = self.document["components"]["schemas"][operation.form]
        wanted = set(schema.get("required", ())) | (ALWAYS & set(schema.get("properties", ())))
        return {name: self._value(name, schema["properties"][name]) for name in sorted(wanted)}

    def _value(self, name: str, schema: dict[str, Any]) -> object:
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
            return self._value(name, schema)
        if "enum" in schema:
            return self.words[name] if self.words.get(name) in schema["enum"] else schema["enum"][0]
        if "const" in schema:
            return schema["const"]
        kind = schema.get("type")
        if kind == "object":
            inner = schema.get("required", ())
            return {one: self._value(one, schema["properties"][one]) for one in inner}
        if name in self.words:
            return self.words[name]
        if kind == "array":
            return [self._value(name, schema["items"])] if schema.get("minItems") else []
        return {"integer": schema.get("minimum", 1), "boolean": False, "number": 1}.get(str(kind), "t1")


@contextmanager
def world(directory: Path) -> Iterator[World]:
    """Make one. What the routes make of the bodies above is in it."""
    directory.mkdir(parents=True, exist_ok=True)
    # What the tests spoil need not survive the power.
    kept = database._pragmas
    patch = pytest.MonkeyPatch()
    patch.setattr(database, "_pragmas", lambda ms: (*kept(ms), "PRAGMA synchronous = OFF"))
    template = directory / "template.db"
    keys = asyncio.run(_make(template))
    shutil.copy(template, directory / "used.db")
    application = app.build(Desk(database.Database(directory / "used.db"), clock_ms=lambda: NOW_MS))
    document = json.loads(json.dumps(application.openapi()))
    with TestClient(application, "http://sipguard.test") as client:
        made = World(directory, client, document, operations(document), keys)
        for name, *_ in ACCOUNTS:
            _sign_in(made, name)
        _sign_in(made, "root")
        _fill(made)
        made.keep()
        yield made
        assert client.portal is not None
        client.portal.call(application.state.desk.store.close)
    patch.undo()


def operations(document: dict[str, Any]) -> list[Operation]:
    """Every method of every path, in the order of the document."""
    found = []
    for path, item in document["paths"].items():
        for method, detail in item.items():
            schema = (
                detail.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            )
            form = schema["$ref"].rpartition("/")[2] if "$ref" in schema else None
            found.append(Operation(method.upper(), path, detail, form))
    return found


def _sign_in(made: World, name: str) -> None:
    answer = made.client.post(f"{PREFIX}/session", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    made.sessions[name] = (answer.cookies["sipguard_session"], answer.json()["csrf_token"])
    made.client.cookies.clear()


def _fill(made: World) -> None:
    """Have the parent make one of everything that can be made, and remember how it is named."""
    made.ids |= {"account_id": CUSTOMER, "username": CUSTOMER}
    pay = next(one for one in made.operations if one.name == f"POST {PREFIX}/payments")
    for rich in ("t1-parent", AGENT, "t2-stranger"):
        body = made.body(pay) | {"account_id": rich, "amount_micros": 100_000_000}
        paid = made.ask(pay, "root", body=body, more={"Idempotency-Key": f"fill-{rich}"})
        assert paid.status_code == 201, paid.text
    items = {
        one.path.rpartition("/{")[0]: one.parameters[-1] for one in made.operations if one.path.endswith("}")
    }
    for operation in made.operations:
        # The last parameter of the item's path; one that is known already (an account, a login) stays.
        parameter = items.get(operation.path)
        if operation.method != "POST" or parameter is None or parameter in made.ids or operation.is_personal:
            continue
        for maker in (CUSTOMER, AGENT, "root"):
            answer = made.ask(operation, maker, more={"Idempotency-Key": f"fill-{operation.path}"})
            if answer.status_code in (200, 201):
                made.ids[parameter] = _id(answer)
                break
    sessions = made.ask(next(one for one in made.operations if one.path.endswith("/sessions")), CUSTOMER)
    made.ids["session_id"] = sessions.json()[0]["id"]
    made.words |= SECOND


def _id(answer: httpx2.Response) -> str:
    if "location" in answer.headers:
        return answer.headers["location"].rpartition("/")[2]
    return str(answer.json()["id"])


async def _make(path: Path) -> dict[str, str]:
    """Accounts, money and logins, written by hand; the text of everybody's key."""
    opened = database.create(path)
    rows: dict[str | None, int | None] = {None: None}
    keys = {}
    try:
        async with opened.writing() as conn:
            for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX):
                await ledger.insert(conn, kind, "BDT")
            for name, agent in ACCOUNTS:
                added = await account.insert(conn, id=name, name=name, currency="BDT", agent_key=rows[agent])
                rows[name] = added.key
                granted = ALL if name not in (CUSTOMER, "t1-leaf", "t2-customer") else NONE
                mine = account.account.c.key == added.key
                await conn.execute(update(account.account).where(mine).values(granted=int(granted)))
                values = {"time_rounding": "up", "money_rounding": "half_up", "money_unit_micros": 1}
                table = {"id": f"{name}-table", "currency": "BDT", "owner_key": added.key}
                await insert_row(conn, rate_table, **table, **values)
            for name in ("root", *(name for name, _ in ACCOUNTS)):
                role = Role.ACCOUNT if name in rows else Role.ADMINISTRATOR
                key = await login.add(conn, name, PASSWORD, role, rows.get(name), NOW_MS)
                keys[name] = (await api_key.insert(conn, key, KeyForm(name="tests"), NOW_MS)).text
            form = KeyForm(name="over", expires_ms=NOW_MS)
            keys["expired"] = (await api_key.insert(conn, key, form, NOW_MS)).text
    finally:
        await opened.close()
    return keys
