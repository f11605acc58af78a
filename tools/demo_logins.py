"""Logins for the demo, with passwords made up once and kept beside its database. Called by tools/run.sh."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from pathlib import Path

from sqlalchemy import func, select, update

from sipguard.manage import login
from sipguard.model.actor import Role
from sipguard.model.authorization import TEMPLATES
from sipguard.store import database
from sipguard.store.account import account
from sipguard.store.login import login as logins

PEOPLE = (("admin", Role.ADMINISTRATOR, None), ("agent", Role.ACCOUNT, "BD-Wholesale-Agent"))
AGENTS = ("BD-Wholesale-Agent", "Dhaka-Retail-Sub", "Chittagong-Retail-Sub")


async def make(path: Path) -> list[str]:
    """Make them in the database at `path`, unless it has logins; lines of name and password."""
    lines: list[str] = []
    store = database.open(path)
    try:
        async with store.writing() as conn:
            if await conn.scalar(select(func.count()).select_from(logins)):
                return lines
            for name, role, account_id in PEOPLE:
                key = await conn.scalar(select(account.c.key).where(account.c.id == account_id))
                password = secrets.token_urlsafe(12)
                await login.add(conn, name, password, role, key, time.time_ns() // 1_000_000)
                lines.append(f"{name} {password}\n")
            granted = int(TEMPLATES["full_access"])
            await conn.execute(update(account).where(account.c.id.in_(AGENTS)).values(granted=granted))
    finally:
        await store.close()
    return lines


if made := asyncio.run(make(Path(sys.argv[1]))):
    with open(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(made)
