"""rate list, find, import and export: what calls cost, and how price lists come in and go out."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from sipguard.cli.shell import (
    Shell,
    UnavailableError,
    UsageError,
    WrongError,
    json_option,
    plain,
    show,
    show_json,
    store_failures,
)
from sipguard.model.money import format_micros

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.manage.rate import Report
    from sipguard.model.rate import Rate, RateTable

_PROBLEMS_PRINTED = 50

table_argument = click.argument("table_id", metavar="TABLE")


@click.group()
def rate() -> None:
    """Rate tables: what calls cost."""


@rate.command("list")
@json_option
@click.pass_obj
def list_(shell: Shell, as_json: bool) -> None:
    """List the rate tables."""
    from sipguard.store import rate as store

    async def query(conn: AsyncConnection) -> list[dict[str, object]]:
        counts = await store.row_counts(conn)
        return [_table_row(table, counts.get(table.key, 0)) for table in await store.all_rate_tables(conn)]

    rows = shell.read(query)
    if as_json:
        show_json(rows)
        return
    from rich import box
    from rich.table import Table

    shown = Table("Table", "Rows", "", "Time rounds", "Money rounds", "to", "Zone", box=box.SIMPLE_HEAD)
    for column in shown.columns:
        column.no_wrap = True
    shown.columns[1].justify = "right"
    for row in rows:
        shown.add_row(
            plain(str(row["id"])),
            f"{row['rows']:,}",
            str(row["currency"]),
            str(row["time_rounding"]),
            str(row["money_rounding"]),
            format_micros(int(str(row["money_unit_micros"]))),
            str(row["time_zone"] or "the buyer's"),
        )
    show(shown)


@rate.command()
@click.argument("number")
@click.option("--table", "table_id", metavar="TABLE", required=True, help="The rate table to look in.")
@click.option("--at", metavar="WHEN", help='Another moment than now, such as "2026-12-31T20:00:00+06:00".')
@click.option(
    "--zone", metavar="ZONE", default="UTC", show_default=True, help="Time zone of the account that buys."
)
@json_option
@click.pass_obj
def find(shell: Shell, number: str, table_id: str, at: str | None, zone: str, as_json: bool) -> None:
    """Show which row of a table prices a call to NUMBER, in E.164 digits, and why not another.

    All rows whose prefix the number has are listed, the longest first, with the one that counts marked.
    Exit code 1 where none counts.
    """
    from sipguard.manage import rate as manage
    from sipguard.policy.window import zone_of

    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise UsageError(f"{number} is not a number of at most 18 digits")
    unix_ms = time.time_ns() // 1_000_000 if at is None else _unix_ms(at)
    try:
        zone_of(zone)
    except ValueError as error:
        raise UsageError(str(error)) from None

    async def query(conn: AsyncConnection) -> tuple[Rate | None, list[Rate]]:
        return await manage.find(conn, await _require(conn, table_id), digits, unix_ms, zone)

    found, rows = shell.read(query)
    if as_json:
        show_json({"found": None if found is None else _rate_row(found), "rows": [*map(_rate_row, rows)]})
    else:
        _show_found(found, rows)
    if found is None:
        click.echo(f"sipguard: no row of {table_id} prices {digits} at this moment", err=True)
        raise click.exceptions.Exit(1)


@rate.command("import")
@table_argument
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--keep", is_flag=True, help="Rows that are not in FILE stay; else they are removed.")
@click.option(
    "--show", "shown", type=click.IntRange(0), default=20, show_default=True, help="Changes of each kind."
)
@json_option
@click.pass_obj
def import_(
    shell: Shell, table_id: str, file: Path, dry_run: bool, keep: bool, shown: int, as_json: bool
) -> None:
    """Make TABLE what the CSV file FILE says: all of it, or nothing where a line is wrong.

    \b
    The first line names the columns (docs/operations.md explains each):
      prefix, destination, rate, connect_fee, initial, next, grace, minimum_seconds,
      minimum_charge, tiers, valid_from, valid_till, days, hours
    Only prefix and rate are required. The delimiter may be a comma, a semicolon, a tab or "|".

    A running daemon takes the new prices in by itself; calls that are up keep theirs.
    """
    import sqlite3

    from sipguard.manage import rate as manage
    from sipguard.manage.price_list import PriceListError

    table = shell.read(lambda conn: _require(conn, table_id))
    path = shell.config.database.path
    try:
        with _progress(f"reading {file.name}") as progress:
            report = manage.import_(
                path, table, file, dry_run=dry_run, keep=keep, shown=shown, progress=progress
            )
    except PriceListError as error:
        raise UsageError(str(error)) from None
    except sqlite3.Error as error:
        raise UnavailableError(f"{path}: {error}") from None
    except RuntimeError as error:
        raise WrongError(str(error)) from None
    if as_json:
        show_json(_report(report, table_id, file))
    else:
        _show_report(report, table_id, keep)
    if report.invalid:
        lines = "1 line is" if report.invalid == 1 else f"{report.invalid} lines are"
        raise UsageError(f"{file}: {lines} wrong, nothing was changed")


@rate.command()
@table_argument
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.pass_obj
def export(shell: Shell, table_id: str, file: Path | None) -> None:
    """Write TABLE as a CSV file that `rate import` reads, to FILE or to standard output."""
    import asyncio

    from sipguard.manage import rate as manage
    from sipguard.store import database
    from sipguard.store import rate as store

    table = shell.read(lambda conn: _require(conn, table_id))
    path = shell.config.database.path

    async def write(out: IO[str], progress: Callable[[int, int], None]) -> int:
        opened = database.open(path)
        try:
            async with opened.reading() as conn:
                rows = (await store.row_counts(conn)).get(table.key, 0)
                return await manage.export(conn, table, out, lambda done: progress(done, rows))
        finally:
            await opened.close()

    with store_failures(path):
        if file is None:
            asyncio.run(write(sys.stdout, lambda *_: None))
            return
        # It takes its place when it is whole: a cut short file would be read as a list with rows gone.
        part = file.with_name(f"{file.name}.part")
        try:
            with (
                part.open("w", encoding="utf-8", newline="") as out,
                _progress(f"writing {file}") as progress,
            ):
                written = asyncio.run(write(out, progress))
            part.replace(file)
        except OSError as error:
            raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
    click.echo(f"{written} rows of {table_id} were written to {file}")


async def _require(conn: AsyncConnection, table_id: str) -> RateTable:
    from sipguard.store import rate as store

    found = await store.table_by_id(conn, table_id)
    if found is None:
        known = [table.id for table in await store.all_rate_tables(conn)]
        near = difflib.get_close_matches(table_id, known, n=1, cutoff=0.5)
        hint = f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no rate table {table_id}{hint}")
    return found


def _unix_ms(text: str) -> int:
    from datetime import datetime

    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"--at {text}: not a date and time such as 2026-12-31T20:00:00+06:00") from None


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while something long goes on; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar if console.is_terminal else nullcontext():
        task = bar.add_task(plain(title).plain.replace("[", r"\["), total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _table_row(table: RateTable, rows: int) -> dict[str, object]:
    told: dict[str, object] = dict(zip(table._fields[1:], table[1:], strict=True))
    return {**told, "rows": rows}


def _rate_row(row: Rate) -> dict[str, object]:
    """A row as `--json` prints it: the fields of model.rate.Rate, its window among them."""
    told = dict(zip(row._fields, row, strict=True))
    del told["table_key"], told["terms"], told["window"]
    told["tiers"] = [tier._asdict() for tier in row.tiers]
    return told | row.window._asdict()


def _show_found(found: Rate | None, rows: list[Rate]) -> None:
    from rich import box
    from rich.table import Table

    from sipguard.manage.price_list import NAMES, cells

    texts = [[str(cell) for cell in cells(row)] for row in rows]
    # Of the many columns a row may have, those that something stands in.
    used = [place for place, _ in enumerate(NAMES) if any(text[place] for text in texts)]
    table = Table("", *(NAMES[place] for place in used), "rate key", box=box.SIMPLE_HEAD)
    for column in table.columns:
        column.no_wrap = True
    for row, text in zip(rows, texts, strict=True):
        mark = "->" if row is found else ""
        table.add_row(mark, *(plain(text[place]) for place in used), str(row.key))
    show(table)


def _report(report: Report, table_id: str, file: Path) -> dict[str, object]:
    return {
        "table": table_id,
        "file": str(file),
        "imported": report.imported,
        "lines": report.lines,
        "locked_seconds": report.locked_seconds,
        "counts": {kind.value: count for kind, count in report.counts.items()},
        "invalid": report.invalid,
        "problems": [problem._asdict() for problem in report.problems],
        "changes": [change._asdict() for change in report.changes],
    }


def _show_report(report: Report, table_id: str, keep: bool) -> None:
    from sipguard.store.rate_import import Kind

    if report.invalid:
        for problem in report.problems[:_PROBLEMS_PRINTED]:
            click.echo(plain(str(problem)).plain)
        if report.invalid > _PROBLEMS_PRINTED:
            click.echo(f"... and {report.invalid - _PROBLEMS_PRINTED} more")
        return
    if report.changes:
        _show_changes(report)
    for kind, count in report.counts.items():
        click.echo(f"{kind.value:>9} {count:>10,}")
    if keep:
        click.echo("rows that are not in the file stay")
    if not report.imported:
        click.echo(f"dry run: {table_id} was not changed")
    elif sum(report.counts.values()) == report.counts[Kind.UNCHANGED]:
        click.echo(f"{table_id} was like this already")
    else:
        click.echo(
            f"{table_id} was brought to this; the database was locked for {report.locked_seconds:.2f} s"
        )


def _show_changes(report: Report) -> None:
    from rich import box
    from rich.table import Table

    table = Table("", "Line", "Prefix", "Destination", "Old rate", "New rate", box=box.SIMPLE_HEAD)
    for column in table.columns:
        column.no_wrap = True
    for place in (1, 4, 5):
        table.columns[place].justify = "right"
    for change in report.changes:
        table.add_row(
            change.kind.value,
            "" if change.line is None else str(change.line),
            change.prefix or "*",
            plain(change.destination),
            _price(change.old_rate_micros, change.old_connect_fee_micros),
            _price(change.new_rate_micros, change.new_connect_fee_micros),
        )
    show(table)


def _price(rate_micros: int | None, fee_micros: int | None) -> str:
    if rate_micros is None:
        return ""
    fee = f" + {format_micros(fee_micros)}" if fee_micros else ""
    return format_micros(rate_micros) + fee
