"""How commands of the command line go through the desk of management: as an administrator of this machine."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from sipguard.cli.shell import Shell, UnavailableError, UsageError, WrongError, store_failures

if TYPE_CHECKING:
    from sipguard.manage.desk import Act, Desk, View
    from sipguard.model.actor import Actor

T = TypeVar("T")


def read(shell: Shell, query: Callable[[View], Awaitable[T]]) -> T:
    """Ask something at the desk. Every failure is a CommandError."""

    async def asked(desk: Desk) -> T:
        async with desk.reading(_actor()) as view:
            return await query(view)

    return _at_desk(shell, asked)


def write(shell: Shell, action: str, command: Callable[[Act], Awaitable[T]]) -> T:
    """Change something at the desk; `action`: noun and verb, as the audit log has it. Fails as `read`."""

    async def done(desk: Desk) -> T:
        async with desk.writing(_actor(), action) as act:
            return await command(act)

    return _at_desk(shell, done)


def _actor() -> Actor:
    from sipguard.model.actor import Actor, Role, Via

    return Actor(getpass.getuser(), Role.ADMINISTRATOR, Via.SHELL)


def _at_desk(shell: Shell, ask: Callable[[Desk], Awaitable[T]]) -> T:
    import asyncio

    from sipguard.manage.desk import Desk
    from sipguard.manage.errors import InvalidError, ManageError, NotFoundError
    from sipguard.store import database

    path = shell.config.database.path
    if not path.exists():
        raise UnavailableError(f"{path}: there is no database; make one with: sipguard init")

    async def run() -> T:
        opened = database.open(path)
        try:
            return await ask(Desk(opened))
        finally:
            await opened.close()

    with store_failures(path):
        try:
            return asyncio.run(run())
        except (InvalidError, NotFoundError) as error:
            raise UsageError(str(error)) from None
        except ManageError as error:
            raise WrongError(str(error)) from None
