"""What commands of management share: one step at the desk, and ids of accounts completed by the shell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from sipguard.cli.shell import Shell, default_config_file

if TYPE_CHECKING:
    from sipguard.manage.desk import Act, Desk, View
    from sipguard.model.actor import Actor

T = TypeVar("T")

_COMPLETED = 50


def read(shell: Shell, query: Callable[[View], Awaitable[T]]) -> T:
    """Ask something at the desk. Every failure is a CommandError."""

    async def asked(desk: Desk, actor: Actor) -> T:
        async with desk.reading(actor) as view:
            return await query(view)

    return shell.manage(asked)


def write(shell: Shell, action: str, command: Callable[[Act], Awaitable[T]]) -> T:
    """Change something at the desk; `action`: noun and verb, as the audit log has it. Fails as `read`."""

    async def done(desk: Desk, actor: Actor) -> T:
        async with desk.writing(actor, action) as act:
            return await command(act)

    return shell.manage(done)


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Ids that begin so. Quiet where anything is wrong: a shell that completes has nowhere to say it."""
    import sqlite3
    from contextlib import closing

    from sipguard.config import ConfigError, load

    query = "SELECT id FROM account WHERE closed_ms IS NULL AND id >= ? AND id < ? ORDER BY id LIMIT ?"
    try:
        path = load(default_config_file()).database.path
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
            rows = file.execute(query, (incomplete, incomplete + "\U0010ffff", _COMPLETED)).fetchall()
    except (ConfigError, sqlite3.Error):
        return []
    return [id for (id,) in rows]


account_argument = click.argument("account_id", metavar="ACCOUNT", shell_complete=_complete)
