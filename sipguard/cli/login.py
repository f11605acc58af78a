"""login: who may sign in to the API and the pages, and the API keys of programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sipguard.cli.shell import Shell, UsageError, json_option, plain, show, show_json

if TYPE_CHECKING:
    from sipguard.manage.api_key import ApiKeyInfo, NewApiKey
    from sipguard.manage.desk import Desk
    from sipguard.manage.login import LoginInfo
    from sipguard.model.actor import Actor

ROLES = ["administrator", "support", "viewer", "account"]


@click.group()
def login() -> None:
    """Logins of people, and the API keys of programs."""


@login.command("list")
@click.option("--account", "account_id", metavar="ACCOUNT", help="Only those of this account.")
@json_option
@click.pass_obj
def list_(shell: Shell, account_id: str | None, as_json: bool) -> None:
    """List logins by name."""

    async def query(desk: Desk, actor: Actor) -> list[LoginInfo]:
        from sipguard.manage import login as manage
        from sipguard.manage.page import LIMIT_MAX

        found: list[LoginInfo] = []
        after = None
        async with desk.reading(actor) as view:
            while True:
                page = await manage.list_all(view, account_id, after=after, limit=LIMIT_MAX)
                found += page.items
                if (after := page.next_cursor) is None:
                    return found

    logins = shell.manage(query)
    if as_json:
        show_json([asdict(one) for one in logins])
        return
    rows = [
        (
            one.username,
            one.role,
            one.account_id or "",
            ", ".join(
                word
                for word, holds in (
                    ("locked", one.locked),
                    ("second factor", one.totp),
                    ("must change its password", one.must_change),
                )
                if holds
            ),
            _time(one.last_sign_in_ms),
        )
        for one in logins
    ]
    _table(("Login", "Role", "Account", "", "Last sign-in"), rows)


@login.command()
@click.argument("username")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--account", "account_id", metavar="ACCOUNT", help="Of role account: the account that it is.")
@click.option("--must-change", is_flag=True, help="It sets another password at its first sign-in.")
@click.pass_obj
def add(shell: Shell, username: str, role: str, account_id: str | None, must_change: bool) -> None:
    """Make a login; its password is asked for on a terminal, else read as one line from standard input."""
    if (role == "account") != (account_id is not None):
        raise UsageError("exactly a login of role account needs --account")
    raw = {
        "username": username,
        "role": role,
        "account_id": account_id,
        "password": _password(),
        "must_change": must_change,
    }

    async def command(desk: Desk, actor: Actor) -> LoginInfo:
        from sipguard.manage import login as manage
        from sipguard.manage.login_form import NewLogin
        from sipguard.manage.values import read

        return await manage.create(desk, actor, read(NewLogin, raw))

    shell.manage(command)
    click.echo(f"{username} may sign in as {role}")


@login.command()
@click.argument("username")
@click.option("--role", type=click.Choice(ROLES[:-1]), help="Of logins without an account.")
@click.option("--locked/--unlocked", default=None, help="Nobody signs in with a locked one.")
@click.pass_obj
def modify(shell: Shell, username: str, role: str | None, locked: bool | None) -> None:
    """Lock or unlock USERNAME, or give it another role. Its sessions are over."""
    raw = {name: value for name, value in (("role", role), ("locked", locked)) if value is not None}
    if not raw:
        raise UsageError("say what is to change: --role, --locked or --unlocked")
    _modify(shell, username, raw)
    click.echo(f"{username} was modified")


@login.command()
@click.argument("username")
@click.pass_obj
def lock(shell: Shell, username: str) -> None:
    """Lock USERNAME: its sessions are over, its keys are good for nothing."""
    _modify(shell, username, {"locked": True})
    click.echo(f"{username} is locked")


@login.command()
@click.argument("username")
@click.pass_obj
def unlock(shell: Shell, username: str) -> None:
    """Unlock USERNAME."""
    _modify(shell, username, {"locked": False})
    click.echo(f"{username} may sign in again")


@login.command()
@click.argument("username")
@click.pass_obj
def remove(shell: Shell, username: str) -> None:
    """Remove USERNAME with its sessions and keys."""

    async def command(desk: Desk, actor: Actor) -> None:
        from sipguard.manage import login as manage

        async with desk.writing(actor, "login.delete") as act:
            await manage.remove(act, username)

    shell.manage(command)
    click.echo(f"{username} was removed")


@login.command()
@click.argument("username")
@click.option("--must-change", is_flag=True, help="It sets another one at its next sign-in.")
@click.pass_obj
def password(shell: Shell, username: str, must_change: bool) -> None:
    """Give USERNAME a new password, asked for on a terminal, else read as one line from standard input."""
    text = _password()

    async def command(desk: Desk, actor: Actor) -> LoginInfo:
        from sipguard.manage import login as manage

        return await manage.set_password(desk, actor, username, text, must_change)

    shell.manage(command)
    click.echo(f"{username} has a new password")


@login.group()
def totp() -> None:
    """Second factors. They are set up by their owners, signed in."""


@totp.command("remove")
@click.argument("username")
@click.pass_obj
def totp_remove(shell: Shell, username: str) -> None:
    """Take the second factor of USERNAME away, who has lost it."""

    async def command(desk: Desk, actor: Actor) -> LoginInfo:
        from sipguard.manage import login as manage

        async with desk.writing(actor, "login.totp") as act:
            return await manage.remove_totp(act, username)

    shell.manage(command)
    click.echo(f"{username} signs in with the password alone")


@login.group()
def key() -> None:
    """API keys."""


@key.command("list")
@click.argument("username")
@json_option
@click.pass_obj
def key_list(shell: Shell, username: str, as_json: bool) -> None:
    """List the API keys of USERNAME. No key can be shown: none is kept."""

    async def query(desk: Desk, actor: Actor) -> list[ApiKeyInfo]:
        from sipguard.manage import api_key

        async with desk.reading(actor) as view:
            return await api_key.listed(view, username)

    keys = shell.manage(query)
    if as_json:
        show_json([asdict(one) for one in keys])
        return
    rows = [
        (
            one.id,
            one.name,
            "reads" if one.read_only else "reads and writes",
            "everything" if one.nouns is None else ", ".join(one.nouns),
            _time(one.expires_ms),
            _time(one.seen_ms),
        )
        for one in keys
    ]
    _table(("Key", "Name", "May", "Of", "Ends", "Last used"), rows)


@key.command("add")
@click.argument("username")
@click.option("--name", required=True, help="What it is for.")
@click.option("--read-only", is_flag=True, help="It changes nothing.")
@click.option(
    "--noun", "nouns", multiple=True, help="Part of the API that it is for, as in accounts; repeat."
)
@click.option("--days", type=click.IntRange(min=1), help="It ends after so many days; else never.")
@json_option
@click.pass_obj
def key_add(
    shell: Shell,
    username: str,
    name: str,
    read_only: bool,
    nouns: tuple[str, ...],
    days: int | None,
    as_json: bool,
) -> None:
    """Make an API key of USERNAME. It is printed once and kept nowhere."""

    async def command(desk: Desk, actor: Actor) -> NewApiKey:
        from sipguard.manage import api_key
        from sipguard.manage.values import read

        expires_ms = None if days is None else desk.clock_ms() + days * 86_400_000
        raw = {"name": name, "read_only": read_only, "nouns": [*nouns] or None, "expires_ms": expires_ms}
        async with desk.writing(actor, "api_key.create") as act:
            return await api_key.create(act, username, read(api_key.KeyForm, raw))

    made = shell.manage(command)
    if as_json:
        show_json(asdict(made))
    else:
        click.echo(made.text)


@key.command("revoke")
@click.argument("username")
@click.argument("key_id", metavar="KEY")
@click.pass_obj
def key_revoke(shell: Shell, username: str, key_id: str) -> None:
    """Revoke the API key with the id KEY of USERNAME."""

    async def command(desk: Desk, actor: Actor) -> None:
        from sipguard.manage import api_key

        async with desk.writing(actor, "api_key.revoke") as act:
            await api_key.revoke(act, username, key_id)

    shell.manage(command)
    click.echo(f"{key_id} is good for nothing now")


def _modify(shell: Shell, username: str, raw: dict[str, Any]) -> None:
    async def command(desk: Desk, actor: Actor) -> LoginInfo:
        from sipguard.manage import login as manage
        from sipguard.manage.login_form import LoginChanges
        from sipguard.manage.values import read

        async with desk.writing(actor, "login.modify") as act:
            return await manage.modify(act, username, read(LoginChanges, raw))

    shell.manage(command)


def _password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _time(unix_ms: int | None) -> str:
    if unix_ms is None:
        return ""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for title in titles:
        table.add_column(title, no_wrap=True)
    for row in rows:
        table.add_row(*map(plain, row))
    show(table)
