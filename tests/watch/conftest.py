"""A database for each test, with the accounts of `tests.policy.world`: a copy of one that was made once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sipguard.store import account, database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("watch") / "template.db"

    async def make() -> None:
        opened = database.create(path)
        async with opened.writing() as conn:
            above = None
            for id in ("root", "reseller", "acme"):
                above = (await account.insert(conn, id=id, name=id, currency="USD", agent_key=above)).key
        await opened.close()

    asyncio.run(make())
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    """ROOT, RESELLER and ACME have the keys that they have in a World."""
    return Path(shutil.copy(template, tmp_path / "watched.db"))
