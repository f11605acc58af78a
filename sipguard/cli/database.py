"""init: a database of the current schema, with a data set in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sipguard.cli.shell import Shell, UnavailableError, UsageError, store_failures

if TYPE_CHECKING:
    from sipguard.manage.dataset import Loaded
    from sipguard.manage.form import DataSet

# Part of a checkout; an installed package has no demo data.
DEMO = Path(__file__).parents[2] / "config" / "demo.toml"


@click.command()
@click.option(
    "--data",
    "file",
    type=click.Path(path_type=Path),
    help="The data set to load into an empty database; else the demo data.",
)
@click.pass_obj
def init(shell: Shell, file: Path | None) -> None:
    """Make the database, or bring it up to date, and load a data set into it.

    A database that holds data already is brought to the current schema and otherwise left as it is; to load
    a data set on top of it is refused.
    """
    import asyncio

    from sipguard.store import database

    path = shell.config.database.path
    with store_failures(path):
        if path.exists() and path.stat().st_size:
            before, after = database.migrate(path)
            moved = "is up to date" if before == after else f"was migrated from schema {before} to {after}"
            click.echo(f"{path} {moved}")
            if file is None and asyncio.run(_holds_data(path)):
                click.echo("it holds data already, so no data set was loaded")
                return
            data = _read(file)
        else:
            data = _read(file)  # before anything is made
            _make_directory(path.parent)
            asyncio.run(database.create(path).close())
            click.echo(f"{path} was made")
        loaded = asyncio.run(_load(path, data, file or DEMO, shell.config.auth.realm))
    click.echo(
        f"{file or DEMO} was loaded: {loaded.accounts} accounts, {loaded.mapping_gateways} mapping gateways,"
        f" {loaded.routing_gateways} routing gateways, {loaded.rates} rates in {loaded.rate_tables} tables,"
        f" {loaded.phones} phones, {loaded.payments} payments"
    )


def _read(file: Path | None) -> DataSet:
    from sipguard.manage.dataset import DataSetError, read

    if file is None and not DEMO.exists():
        raise UsageError("there is no demo data here, name a data set with --data FILE")
    try:
        return read(file or DEMO)
    except DataSetError as error:
        raise UsageError(str(error)) from None


async def _holds_data(path: Path) -> bool:
    from sipguard.store import database, ledger

    opened = database.open(path)
    try:
        async with opened.reading() as connection:
            # Every data set opens the ledger accounts of the house, whatever else is in it.
            return bool(await ledger.balances(connection))
    finally:
        await opened.close()


async def _load(path: Path, data: DataSet, source: Path, realm: str) -> Loaded:
    from sipguard.manage import dataset
    from sipguard.store import database

    opened = database.open(path)
    try:
        async with opened.writing() as connection:
            now_ms = time.time_ns() // 1_000_000
            return await dataset.load(connection, data, now_ms=now_ms, name=str(source), realm=realm)
    except dataset.DataSetError as error:
        raise UsageError(str(error)) from None
    finally:
        await opened.close()


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"{directory}: cannot be made: {error.strerror}") from None
