"""login: who may sign in to the API and the pages."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from sipguard.cli.shell import Shell, UsageError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


@click.group()
def login() -> None:
    """Logins of people, and the API keys of programs."""


@login.command()
@click.argument("username")
@click.option("--role", type=click.Choice(["administrator", "support", "viewer", "account"]), required=True)
@click.option("--account", "account_id", metavar="ACCOUNT", help="Of role account: the account that it is.")
@click.pass_obj
def add(shell: Shell, username: str, role: str, account_id: str | None) -> None:
    """Make a login; its password is asked for on a terminal, else read as one line from standard input."""
    from sqlalchemy import select

    from sipguard.manage import login as manage
    from sipguard.manage.errors import ManageError
    from sipguard.model.actor import Role
    from sipguard.store.account import account

    if (role == "account") != (account_id is not None):
        raise UsageError("exactly a login of role account needs --account")
    password = (
        click.prompt("Password", hide_input=True, confirmation_prompt=True)
        if sys.stdin.isatty()
        else sys.stdin.readline().rstrip("\r\n")
    )

    async def command(conn: AsyncConnection) -> None:
        account_key = None
        if account_id is not None:
            account_key = await conn.scalar(select(account.c.key).where(account.c.id == account_id))
            if account_key is None:
                raise UsageError(f"there is no account {account_id}")
        try:
            await manage.add(conn, username, password, Role(role), account_key, time.time_ns() // 1_000_000)
        except ManageError as error:
            raise UsageError(str(error)) from None

    shell.write(command)
    click.echo(f"{username} may sign in as {role}")
