"""backup and restore: everything durable as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sipguard.cli.shell import Shell, UnavailableError, WrongError, store_failures

if TYPE_CHECKING:
    from sipguard.store.ledger import VerifyReport


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(shell: Shell, file: Path) -> None:
    """Write everything durable into the new FILE: accounts, money, calls, records, logins.

    The daemon may run and takes calls meanwhile. The copy is of one moment, and its journal is verified. It
    holds password hashes: only its owner can read it.
    """
    from sipguard.store import backup as store

    path = shell.config.database.path
    if not path.exists():
        raise UnavailableError(f"{path}: there is no database")
    shell.settle()
    with store_failures(path):
        store.copy(path, file)
    report = _verify(file)
    if not report.ok:
        raise WrongError(f"{file} was written, but its journal does not add up: see sipguard ledger verify")
    click.echo(f"{file}: {report.entries} entries of the journal, everything adds up")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.pass_obj
def restore(shell: Shell, file: Path) -> None:
    """Put the backup FILE in the place of the database, which is kept beside it. The daemon must not run.

    What a backup of an older program lacks is brought up to date by `sipguard init`.
    """
    from sipguard.store import backup as store
    from sipguard.store import database, lock
    from sipguard.store.redo.tail import RedoError

    at = shell.config.database
    with store_failures(file):
        schema = store.check(file)
        current = schema == database.newest()
        if current and not _verify(file).ok:
            raise WrongError(f"{file}: its journal does not add up; nothing was changed")
        try:
            with lock.alone(at.path):
                kept = store.put_back(file, at.path, at.redo.directory)
        except lock.HeldError:
            raise UnavailableError(f"{at.path}: a daemon runs on it; stop it first") from None
        except RedoError as error:
            raise WrongError(f"{error}; nothing was changed") from None
    click.echo(f"{at.path} is what {file} holds" + (f"; what was there is {kept}" if kept else ""))
    if not current:
        click.echo("it is of an older schema: run sipguard init")


def _verify(file: Path) -> VerifyReport:
    """Replay the journal of a copy."""
    import asyncio

    from sipguard.store import database, ledger

    async def verifying() -> VerifyReport:
        opened = database.open(file)
        try:
            async with opened.reading() as connection:
                return await ledger.verify(connection)
        finally:
            await opened.close()

    return asyncio.run(verifying())
