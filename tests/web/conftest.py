"""The application over a real database, and somebody of every kind who is signed in to it.

operator ── north (all eight) ── shop (1, 8) ── shop-1
         └─ south (all eight) ── stall
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import update
from starlette.testclient import TestClient

from sipguard.manage import api_key, login, password
from sipguard.manage.api_key import KeyForm
from sipguard.manage.desk import Desk
from sipguard.model.actor import Role
from sipguard.model.authorization import ALL, Authorization
from sipguard.model.ledger import LedgerKind
from sipguard.store import account, database, ledger
from sipguard.store.metadata import insert_row
from sipguard.store.rate import rate_table
from sipguard.web import app

START_MS = 1_800_000_000_000

ACCOUNTS = (
    ("north", None, ALL),
    ("shop", "north", Authorization.ACCOUNT | Authorization.SUB_PAYMENT),
    ("shop-1", "shop", Authorization(0)),
    ("south", None, ALL),
    ("stall", "south", Authorization(0)),
)
STAFF = (("root", Role.ADMINISTRATOR), ("helper", Role.SUPPORT), ("reader", Role.VIEWER))


@dataclass
class Web:
    """The application, its clock, and a key for each login."""

    path: Path
    client: TestClient
    keys: dict[str, str]
    clock: list[int] = field(default_factory=lambda: [START_MS])

    def be(self, name: str | None) -> dict[str, str]:
        """Headers of somebody: the name of a login; None for nobody."""
        return {} if name is None else {"Authorization": f"Bearer {self.keys[name]}"}


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hashes that take no time; SIGN_IN_TRIES measures the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        if "SIGN_IN_TRIES" not in os.environ:
            cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
            patch.setattr(password, "_HASHER", cheap)
            patch.setattr(password, "_NOBODY", cheap.hash("nobody"))
        yield


@pytest.fixture(scope="session")
def web_template(
    cheap_passwords: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A database with the tree above, and the text of everybody's API key; nobody writes to it."""
    path = tmp_path_factory.mktemp("web") / "template.db"
    return path, asyncio.run(_make(path))


@pytest.fixture
def web(web_template: tuple[Path, dict[str, str]], tmp_path: Path) -> Iterator[Web]:
    template, keys = web_template
    path = Path(shutil.copy(template, tmp_path / "sipguard.db"))
    clock = [START_MS]
    store = database.open(path)
    with TestClient(app.build(_desk(store, lambda: clock[0])), "http://sipguard.test") as client:
        yield Web(path, client, keys, clock)
        client.portal.call(store.close)  # type: ignore[union-attr]  # there is one inside the block


def _desk(store: database.Database, clock_ms: Callable[[], int]) -> Desk:
    return Desk(store, clock_ms=clock_ms)


async def _make(path: Path) -> dict[str, str]:
    opened = database.create(path)
    keys: dict[str, int | None] = {None: None}  # type: ignore[dict-item]
    texts = {}
    try:
        async with opened.writing() as conn:
            for kind in (LedgerKind.CASH, LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX):
                await ledger.insert(conn, kind, "BDT")
            for name, agent, granted in ACCOUNTS:
                added = await account.insert(conn, id=name, name=name, currency="BDT", agent_key=keys[agent])  # type: ignore[index]
                keys[name] = added.key
                mine = account.account.c.key == added.key
                await conn.execute(update(account.account).where(mine).values(granted=int(granted)))
            for name in ("north", "shop", "south"):
                values = {"time_rounding": "up", "money_rounding": "half_up", "money_unit_micros": 1}
                await insert_row(
                    conn, rate_table, id=f"{name}-sells", currency="BDT", owner_key=keys[name], **values
                )
            people = [*((name, role, None) for name, role in STAFF)]
            people += [(name, Role.ACCOUNT, keys[name]) for name, _, _ in ACCOUNTS]  # type: ignore[misc]
            for name, role, account_key in people:
                login_key = await login.add(conn, name, f"password of {name}", role, account_key, START_MS)
                made = await api_key.insert(conn, login_key, KeyForm(name="tests"), START_MS)
                texts[name] = made.text
    finally:
        await opened.close()
    return texts
