"""import: networks of other systems."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sipguard.cli.network import passwords_file, problems, progress_line
from sipguard.cli.shell import Shell, UsageError, plain

if TYPE_CHECKING:
    from sipguard.manage.desk import Desk
    from sipguard.manage.network_apply import Applied
    from sipguard.manage.vos3000 import Converted
    from sipguard.manage.vos3000_file import Export
    from sipguard.manage.vos3000_import import Plan
    from sipguard.model.actor import Actor


@click.group("import")
def import_() -> None:
    """Take over the network of another system."""


@import_.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--rate-per",
    type=click.Choice(["minute", "cycle"]),
    help="What the billing rates are for; needed where a billing cycle is no minute.",
)
@click.option(
    "--passwords", type=click.Path(path_type=Path, dir_okay=False), help="New file for made-up ones."
)
@click.pass_obj
def vos3000(
    shell: Shell,
    files: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    rate_per: Literal["minute", "cycle"] | None,
    passwords: Path | None,
) -> None:
    """Make the accounts, gateways, phones and rates of the CSV exports of VOS3000's client.

    \b
    The header of each FILE says what it holds; else write it in front:
      accounts=FILE rates=FILE routing-gateways=FILE mapping-gateways=FILE phones=FILE
    What is there already stays as it is. Balances become opening payments, once.
    """
    from sipguard.manage import vos3000_import

    exports = [_read(each) for each in files]
    with tempfile.TemporaryDirectory() as directory:

        async def command(desk: Desk, actor: Actor) -> tuple[Plan, Applied] | None:
            with progress_line() as progress, problems():
                told = await _converted(desk, actor, exports, rate_per, Path(directory))
                what = await vos3000_import.plan(desk, actor, told, progress)
            _show(told, what)
            if not (what.new or what.openings):
                return None
            if not dry_run and not yes:
                click.confirm(f"Make all this in {shell.config.database.path}?", abort=True)
            with progress_line() as progress, problems():
                done = await vos3000_import.run(
                    desk,
                    actor,
                    what,
                    dry_run=dry_run,
                    progress=lambda count, _: progress("change", count),
                    passwords=keep,
                )
            return what, done

        with passwords_file(None if dry_run else passwords) as keep:
            made = shell.manage(command)
    if made is None:
        click.echo("everything is there already")
        return
    what, done = made
    would = "could be made" if dry_run else "were made"
    click.echo(
        f"{done.steps} changes, {done.rate_tables} price lists and {len(what.openings)} payments {would}"
    )


def _read(text: str) -> Export:
    from sipguard.manage.errors import InvalidError
    from sipguard.manage.vos3000_column import Kind
    from sipguard.manage.vos3000_file import read

    front, equals, rest = text.partition("=")
    kind = Kind(front) if equals and front in tuple(Kind) else None
    try:
        return read(Path(text if kind is None else rest), kind)
    except InvalidError as error:
        raise UsageError(plain(str(error)).plain) from None


async def _converted(
    desk: Desk,
    actor: Actor,
    exports: list[Export],
    rate_per: Literal["minute", "cycle"] | None,
    directory: Path,
) -> Converted:
    from sipguard.manage.network_export import currency
    from sipguard.manage.vos3000 import convert

    async with desk.reading(actor) as view:
        house = await currency(view)
    return convert(exports, house, rate_per, directory)


def _show(told: Converted, what: Plan) -> None:
    from collections import Counter

    from sipguard.model.money import format_micros

    for note in (*told.notes, *what.kept):
        click.echo(plain(note).plain)
    counts = Counter(one.noun.name.replace("_", " ") for one in what.new.objects)
    for name, count in counts.items():
        click.echo(f"new: {count} {name}{'' if count == 1 else 's'}")
    for rates in what.new.rates:
        click.echo(plain(rates.name).plain)
    if what.openings:
        total = sum(one.balance_micros for one in what.openings)
        click.echo(
            f"opening payments: {len(what.openings)}, {format_micros(total)} {told.files.currency} in all"
        )
