"""account add, modify, move, remove, lock, unlock, show, search, import."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from sipguard.cli.account import account
from sipguard.cli.forms import formed, options, show_objects
from sipguard.cli.manage import account_argument, read, write
from sipguard.cli.shell import Shell, WrongError, json_option, plain, show_json

if TYPE_CHECKING:
    from sipguard.manage.account import AccountInfo
    from sipguard.manage.account_form import AccountChanges, NewAccount
    from sipguard.manage.account_import import ImportInfo
    from sipguard.manage.account_move import AccountMove
    from sipguard.manage.desk import Desk, View
    from sipguard.model.actor import Actor

__all__ = ["account"]

_COLUMNS = ("id", "name", "agent_id", "category", "currency", "balance_micros", "locked")


def _new_account() -> type[NewAccount]:
    from sipguard.manage.account_form import NewAccount

    return NewAccount


def _account_changes() -> type[AccountChanges]:
    from sipguard.manage.account_form import AccountChanges

    return AccountChanges


def _account_move() -> type[AccountMove]:
    from sipguard.manage.account_move import AccountMove

    return AccountMove


@account.command()
@account_argument
@json_option
@click.pass_obj
def show(shell: Shell, account_id: str, as_json: bool) -> None:
    """Show ACCOUNT."""
    from sipguard.manage import account as manage

    _tell(read(shell, lambda view: manage.get(view, account_id)), as_json)


@account.command()
@click.argument("text")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
@json_option
@click.pass_obj
def search(shell: Shell, text: str, limit: int, as_json: bool) -> None:
    """List accounts whose id, name or memo holds TEXT."""
    from sipguard.manage import account_list

    async def query(view: View) -> list[AccountInfo]:
        which = account_list.Filter(q=text)
        return list((await account_list.list_all(view, None, which, limit=limit)).items)

    show_objects(read(shell, query), _COLUMNS, as_json)


@account.command(cls=options(_new_account, leave_out=("id",)))
@click.argument("id", metavar="ACCOUNT")
@json_option
@click.pass_obj
def add(shell: Shell, /, as_json: bool, **values: Any) -> None:
    """Make ACCOUNT."""
    from sipguard.manage import account as manage

    form = formed(_new_account(), values)
    _tell(write(shell, "account.create", lambda act: manage.create(act, form)), as_json)


@account.command(cls=options(_account_changes, clears=True))
@account_argument
@json_option
@click.pass_obj
def modify(shell: Shell, /, account_id: str, as_json: bool, **values: Any) -> None:
    """Change what is given of ACCOUNT."""
    from sipguard.manage import account as manage

    form = formed(_account_changes(), values)
    _tell(write(shell, "account.modify", lambda act: manage.modify(act, account_id, form)), as_json)


@account.command()
@account_argument
@click.option("--to", "agent_id", metavar="AGENT", help="The new agent.")
@click.option("--top", is_flag=True, help="To the top level.")
@click.option("--rate-table", "rate_table_id", metavar="TABLE", help="What it buys by from then on.")
@json_option
@click.pass_obj
def move(
    shell: Shell, account_id: str, agent_id: str | None, top: bool, rate_table_id: str | None, as_json: bool
) -> None:
    """Hang ACCOUNT, with all below it, under another agent."""
    from sipguard.manage import account_move

    if (agent_id is None) != top:
        raise click.UsageError("one of --to and --top is needed")
    given = {"agent_id": agent_id} | ({} if rate_table_id is None else {"rate_table_id": rate_table_id})
    form = _account_move().model_validate(given)
    _tell(write(shell, "account.move", lambda act: account_move.move(act, account_id, form)), as_json)


@account.command()
@account_argument
@click.pass_obj
def remove(shell: Shell, account_id: str) -> None:
    """Close ACCOUNT for good: it is hidden, and its id is never given again."""
    from sipguard.manage import account_delete

    write(shell, "account.delete", lambda act: account_delete.delete(act, account_id))
    click.echo(f"{account_id} was removed")


@account.command()
@account_argument
@json_option
@click.pass_obj
def lock(shell: Shell, account_id: str, as_json: bool) -> None:
    """Refuse all calls of ACCOUNT and of all below it from now on."""
    from sipguard.manage import account as manage

    _tell(write(shell, "account.lock", lambda act: manage.lock(act, account_id, True)), as_json)


@account.command()
@account_argument
@json_option
@click.pass_obj
def unlock(shell: Shell, account_id: str, as_json: bool) -> None:
    """Let ACCOUNT call again."""
    from sipguard.manage import account as manage

    _tell(write(shell, "account.unlock", lambda act: manage.lock(act, account_id, False)), as_json)


@account.command("import")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--dry-run", is_flag=True, help="Say what is wrong, make nothing.")
@click.option("--batch-lines", type=click.IntRange(1, 10_000), default=1_000, show_default=True)
@json_option
@click.pass_obj
def import_(shell: Shell, file: TextIO, dry_run: bool, batch_lines: int, as_json: bool) -> None:
    """Make accounts from the CSV FILE: a header with the fields of an account, then a line for each.

    A batch is made whole or not at all. Interrupted, the same command goes on where it stood.
    """
    from sipguard.manage import account_import

    text = file.read()
    form = account_import.NewImport(csv=text, dry_run=dry_run, batch_lines=batch_lines)

    async def command(desk: Desk, actor: Actor) -> ImportInfo:
        async with desk.writing(actor, "account.import") as act:
            job = await account_import.create(act, form, keep=False)
        with click.progressbar(length=job.lines, label="Accounts", file=sys.stderr) as bar:
            bar.update(job.lines_done)
            async for state in account_import.run(desk, job.number, text):
                bar.update(state.lines_done - job.lines_done)
                job = state
        return job

    job = shell.manage(command)
    if as_json:
        from dataclasses import asdict

        show_json(asdict(job))
    else:
        for one in job.problems:
            click.echo(plain(f"line {one.line}: {f'{one.field}: ' if one.field else ''}{one.message}").plain)
        would = "could be made" if dry_run else "were made"
        click.echo(f"{job.created} of {job.lines} accounts {would}")
    if job.failed or job.state != "done":
        raise WrongError(f"{job.failed} lines were left out")


def _tell(found: AccountInfo, as_json: bool) -> None:
    show_objects([found], _COLUMNS, as_json, one=True)
    for warning in found.warnings:
        click.echo(f"sipguard: {warning}", err=True)
