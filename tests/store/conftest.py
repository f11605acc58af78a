"""A database file for each test: a copy of one that was migrated once."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sipguard.store import database
from tests.store import books


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the accounts of `books`; nobody writes to it."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(_make(path))
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "sipguard.db"))


async def _make(path: Path) -> None:
    opened = database.create(path)
    try:
        async with opened.writing() as conn:
            await books.open_accounts(conn)
    finally:
        await opened.close()
