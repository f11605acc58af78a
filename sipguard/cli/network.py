"""config: the configuration of the network as files, which are kept in git, compared and applied."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sipguard.cli.shell import Shell, UnavailableError, UsageError, json_option, plain, show_json

if TYPE_CHECKING:
    from sipguard.manage.credential import Told
    from sipguard.manage.desk import Desk
    from sipguard.manage.network_apply import Applied
    from sipguard.manage.network_diff import Difference, Differences
    from sipguard.manage.network_file import Files
    from sipguard.model.actor import Actor

directory_argument = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))


@click.group()
def config() -> None:
    """The configuration of the network as files: accounts, gateways, phones, rates and all that is theirs.

    They hold neither money nor calls, nor passwords. See `sipguard backup` for everything.
    """


@config.command()
@directory_argument
@click.pass_obj
def export(shell: Shell, directory: Path) -> None:
    """Write the configuration of the network into DIR: sorted, a line for each object, made for git."""
    from sipguard.manage import network_export

    async def write(desk: Desk, actor: Actor) -> dict[str, int]:
        with progress_line() as progress, problems():
            async with desk.reading(actor) as view:
                return await network_export.export(view, directory, progress)

    try:
        counts = shell.manage(write)
    except OSError as error:
        raise UnavailableError(f"{error.filename or directory}: {error.strerror}") from None
    click.echo(", ".join(f"{count} {noun.replace('_', ' ')}s" for noun, count in counts.items()))


@config.command()
@directory_argument
@json_option
@click.pass_obj
def diff(shell: Shell, directory: Path, as_json: bool) -> None:
    """Show what applying DIR would change. Exit code 0 where it is nothing, else 1; 2 where DIR is wrong."""
    from sipguard.manage import network_diff

    files = _read(directory)

    async def compare(desk: Desk, actor: Actor) -> Differences:
        with progress_line() as progress, problems():
            async with desk.reading(actor) as view:
                return await network_diff.compare(view, files, progress)

    found = shell.manage(compare)
    if as_json:
        show_json(_as_json(found))
    else:
        _show(found)
    if found:
        raise click.exceptions.Exit(1)


@config.command()
@directory_argument
@click.option("--dry-run", is_flag=True, help="Try everything, and change nothing.")
@click.option("--remove", is_flag=True, help="Remove what no file has any more; else it stays.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Changes at a time."
)
@click.option(
    "--passwords",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for the passwords that new phones and trunks get: told there and nowhere else.",
)
@click.pass_obj
def apply(
    shell: Shell, directory: Path, dry_run: bool, remove: bool, yes: bool, batch: int, passwords: Path | None
) -> None:
    """Have the network be what DIR says.

    Up to --batch changes are done together or not at all; more go batch by batch, and the same command goes
    on where it was interrupted. Rows of a rate table are taken over whole.
    """
    from sipguard.manage import network_apply, network_diff

    files = _read(directory)

    async def command(desk: Desk, actor: Actor) -> Applied | None:
        with progress_line() as progress, problems():
            async with desk.reading(actor) as view:
                found = await network_diff.compare(view, files, progress)
        kept = [one for one in found.objects if one.verb is network_diff.Verb.GONE and not remove]
        found.objects = [one for one in found.objects if one not in kept] if kept else found.objects
        _show(found)
        if kept:
            click.echo(f"{len(kept)} objects are in no file and stay: --remove removes them")
        if not found:
            return None
        if not dry_run and not yes:
            click.confirm(f"Make these changes in {shell.config.database.path}?", abort=True)
        with progress_line() as progress, problems():
            return await network_apply.apply(
                desk,
                actor,
                found,
                remove=remove,
                dry_run=dry_run,
                batch=batch,
                progress=lambda done, _: progress("change", done),
                passwords=keep,
            )

    with passwords_file(None if dry_run else passwords) as keep:
        done = shell.manage(command)
    if done is None:
        click.echo("nothing to do")
    else:
        would = "could be made" if dry_run else "were made"
        click.echo(f"{done.steps} changes and {done.rate_tables} price lists {would}")


def _read(directory: Path) -> Files:
    from sipguard.manage import network_file

    with problems():
        return network_file.read(directory)


@contextmanager
def problems() -> Iterator[None]:
    """Everything that is wrong with files, a line for each."""
    from sipguard.manage.errors import InvalidError

    try:
        yield
    except InvalidError as error:
        told = [
            plain(f"{one.field}: {one.message}" if one.field else one.message).plain for one in error.problems
        ]
        raise UsageError("\n".join(told if len(told) == 1 else [f"{len(told)} problems", *told])) from None


def _show(found: Differences) -> None:
    for one in found.objects:
        click.echo(plain(f"{_MARKS[one.verb.value]} {one.name}").plain)
        for name, (was, now) in sorted(one.fields.items()):
            click.echo(plain(f"    {name}: {_change(one, was, now)}").plain)
    for rates in found.rates:
        click.echo(plain(f"~ {rates.name}").plain)


def _change(one: Difference, was: Any, now: Any) -> str:
    if one.verb.value == "added":
        return _value(now)
    if isinstance(was, list) and isinstance(now, list):
        gone, new = [each for each in was if each not in now], [each for each in now if each not in was]
        if gone or new:
            return " ".join([*(f"-{_value(each)}" for each in gone), *(f"+{_value(each)}" for each in new)])
    return f"{_value(was)} -> {_value(now)}"


def _value(value: Any) -> str:
    import json

    if isinstance(value, dict):
        return "/".join(str(part) for part in value.values() if part is not None)
    return json.dumps(value, ensure_ascii=False)


_MARKS = {"added": "+", "changed": "~", "gone": "-"}


def _as_json(found: Differences) -> dict[str, Any]:
    return {
        "objects": [
            {
                "noun": one.noun.name,
                "key": dict(zip(one.noun.key, one.key, strict=True)),
                "change": one.verb.value,
                "fields": {name: {"was": was, "now": now} for name, (was, now) in one.fields.items()},
            }
            for one in found.objects
        ],
        "rates": [
            {"rate_table_id": one.table_id} | {kind.value: count for kind, count in one.counts.items()}
            for one in found.rates
        ],
    }


@contextmanager
def progress_line() -> Iterator[Callable[[str, int], None]]:
    """How far it is, for people who wait at a terminal."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return

    def tell(noun: str, done: int) -> None:
        click.echo(f"\r\x1b[K{noun.replace('_', ' ')}: {done:,}", nl=False, err=True)

    try:
        yield tell
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


@contextmanager
def passwords_file(path: Path | None) -> Iterator[Callable[[list[Told]], None]]:
    """A new file that its owner alone can read, opened before anything is changed.

    It gets the passwords that were made up. Without one they are told nowhere, which is said.
    """
    lost = 0
    if path is None:

        def count(passwords: list[Told]) -> None:
            nonlocal lost
            lost += sum(one.password is not None for one in passwords)

        yield count
        if lost:
            told = "1 password was" if lost == 1 else f"{lost} passwords were"
            click.echo(
                f"{told} made up and told nobody: sipguard phone password and trunk password set others"
            )
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    with open(descriptor, "w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("id", "username", "password"))

        def keep(passwords: list[Told]) -> None:
            made_up = (one for one in passwords if one.password is not None)
            rows.writerows((one.id, one.username, one.password) for one in made_up)
            out.flush()

        yield keep
