"""credential set, list and remove: the passwords of phones and trunks, which are kept as hashes only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from sipguard.cli.shell import Shell, UsageError, json_option, plain, show, show_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.store.credential import Listed


@click.group()
def credential() -> None:
    """Users and passwords of phones and trunks."""


@credential.command("list")
@json_option
@click.pass_obj
def list_(shell: Shell, as_json: bool) -> None:
    """List all users and whose they are. No password can be shown: none is kept."""
    from sipguard.store import credential as store

    listed = shell.read(store.listed)
    if as_json:
        show_json([one._asdict() for one in listed])
        return
    _show_table(listed, shell.config.auth.realm)


@credential.command("set")
@click.argument("username")
@click.option("--phone", "phone_id", metavar="PHONE", help="The phone that the user is.")
@click.option("--gateway", "gateway_id", metavar="GATEWAY", help="The mapping gateway that the user is.")
@click.pass_obj
def set_(shell: Shell, username: str, phone_id: str | None, gateway_id: str | None) -> None:
    """Give USERNAME a password, asked for on a terminal or else read as one line from standard input.

    A new user needs --phone or --gateway; for one that there is, they may be left out. The daemon takes it in
    within a second.
    """
    from sipguard.manage import credential as manage
    from sipguard.manage.leaf import Password, Username

    if phone_id is not None and gateway_id is not None:
        raise UsageError("a user is a phone or a mapping gateway, not both")
    try:
        Username.parse(username)
    except ValueError:
        raise UsageError(f"username: found {username!r}, expected {Username.expected}") from None
    password = _password()
    try:
        Password.parse(password)
    except ValueError:
        raise UsageError(f"password: expected {Password.expected}") from None
    realm = shell.config.auth.realm

    async def command(conn: AsyncConnection) -> None:
        try:
            await manage.set_password(conn, username, password, realm, phone_id, gateway_id)
        except manage.UnknownError as error:
            raise UsageError(str(error)) from None

    shell.write(command)
    click.echo(f"{username} has a new password")


@credential.command()
@click.argument("username")
@click.pass_obj
def remove(shell: Shell, username: str) -> None:
    """Remove USERNAME. A phone or trunk without a user cannot call by a password any more.

    A mapping gateway whose last user is removed is open to its source addresses alone again.
    """
    from sipguard.manage import credential as manage

    async def command(conn: AsyncConnection) -> None:
        try:
            await manage.remove(conn, username)
        except manage.UnknownError as error:
            raise UsageError(str(error)) from None

    shell.write(command)
    click.echo(f"{username} was removed")


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _show_table(listed: list[Listed], realm: str) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for title in ("User", "Phone", "Mapping gateway", "Realm", ""):
        table.add_column(title, no_wrap=True)
    for one in listed:
        state = "" if one.realm == realm else "set again: the realm is another now"
        table.add_row(
            plain(one.username),
            plain(one.phone_id or ""),
            plain(one.mapping_gateway_id or ""),
            plain(one.realm),
            state,
        )
    show(table)
