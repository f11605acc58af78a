"""cdr export: call records to a file, however many, and on from where it stopped."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, tzinfo
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from sipguard.cli.cdr_filter import Chosen, explain_nothing, filter_options, wanted, zone_of
from sipguard.cli.shell import Shell, UsageError, store_failures

if TYPE_CHECKING:
    from sipguard.store.cdr_find import Stored, Wanted

    Lines = Callable[[list[Stored]], str]

# A line with everything that a record may hold is far shorter; the last one is looked for in so much.
_TAIL_BYTES = 1 << 20
_AT_ONCE = 500
"""Records between two looks at whether to stop."""
_INTERRUPTED = 130
"""What a shell reports of a program that Ctrl-C ended."""


@click.command("export")
@click.option("--format", "kind", type=click.Choice(("csv", "jsonl")), default="csv", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File; else standard output.")
@click.option("--resume", is_flag=True, help="Go on with an output file behind its last whole line.")
@click.option(
    "--after",
    "after_sequence",
    type=click.IntRange(0),
    metavar="SEQUENCE",
    help="Only what was written after the record of this number, the last of another day's export.",
)
@filter_options
@click.pass_obj
def export(
    shell: Shell, chosen: Chosen, kind: str, output: Path | None, resume: bool, after_sequence: int | None
) -> None:
    """Write call records as CSV or JSON lines, in the order in which the calls ended.

    Ctrl-C stops it behind a whole line. Times of CSV are UTC unless --zone; amounts are decimals. JSON lines
    have Unix milliseconds and micro-units, as `cdr show --json`.
    """
    import asyncio

    if resume and (output is None or after_sequence is not None):
        raise UsageError("--resume: goes with --output, and finds by itself behind which record to go on")
    if output is not None and output.exists() and not resume:
        raise UsageError(f"{output}: is there already; --resume goes on with it")
    zone = zone_of(chosen) or UTC
    query = shell.read(lambda conn: wanted(conn, chosen, zone))
    path = shell.config.database.path
    with store_failures(path), _stoppable() as stopped, _opened(output, kind) as out:
        start = _continue(out, output, kind) if resume and output is not None else after_sequence or 0
        work = _export(path, query, out, _lines(kind, zone), start, stopped)
        written, through, stopped_early = asyncio.run(work)
    if not written:
        shell.read(lambda conn: explain_nothing(conn, chosen))
    where = f" to {output}" if output is not None else ""
    state = "; stopped before the end" if stopped_early else ""
    click.echo(f"{written} records were written{where}, through number {through}{state}", err=output is None)
    if stopped_early:
        raise click.exceptions.Exit(_INTERRUPTED)


async def _export(
    path: Path, query: Wanted, out: IO[bytes], lines: Lines, start: int, stopped: Callable[[], bool]
) -> tuple[int, int, bool]:
    """Page by page, each in a transaction of its own: a long one would keep the log of the writer growing.

    How many were written, the number up to which all were looked at, whether it was stopped before the end.
    """
    from sipguard.store import cdr_find, database

    opened = database.open(path)
    written, through = 0, start
    try:
        with _progress(start) as progress:
            while not stopped():
                async with opened.reading() as conn:
                    page = await cdr_find.after(conn, query, through)
                if page is None:
                    return written, through, False
                for first in range(0, len(page.records), _AT_ONCE):
                    some = page.records[first : first + _AT_ONCE]
                    out.write(lines(some).encode())
                    written, through = written + len(some), some[-1].sequence
                    if stopped():
                        return written, through, True
                through = page.through
                progress(through, page.newest)
        return written, through, True
    finally:
        await opened.close()


def _lines(kind: str, zone: tzinfo) -> Lines:
    from sipguard.manage import cdr_export as manage

    return manage.json_lines if kind == "jsonl" else lambda records: manage.csv_lines(records, zone)


@contextmanager
def _opened(output: Path | None, kind: str) -> Iterator[IO[bytes]]:
    """The output, with the header of CSV where it is new. What the disk refuses is told in one sentence."""
    from sipguard.manage import cdr_export as manage

    try:
        if output is None:
            out = _buffered(sys.stdout.buffer)
            out.write(manage.csv_header().encode() if kind == "csv" else b"")
            yield out
            out.flush()
            if isinstance(out, io.BufferedWriter) and out is not sys.stdout.buffer:
                out.detach()  # stdout is not ours to close
            return
        with output.open("r+b" if output.exists() else "w+b") as out:
            if kind == "csv" and output.stat().st_size == 0:
                out.write(manage.csv_header().encode())
            yield out
            out.flush()
            os.fsync(out.fileno())
    except BrokenPipeError:
        # Whoever reads has had enough; what Python would still flush at its end goes nowhere, in silence.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(1) from None
    except OSError as error:
        raise UsageError(f"{output or 'standard output'}: cannot be written: {error.strerror}") from None


def _buffered(out: IO[bytes]) -> IO[bytes]:
    """With PYTHONUNBUFFERED stdout has no buffer, and what is written to a pipe may end halfway."""
    return io.BufferedWriter(out) if isinstance(out, io.RawIOBase) else out


def _continue(out: IO[bytes], output: Path, kind: str) -> int:
    """Cut off what is behind the last whole line; the number of its record."""
    from sipguard.manage import cdr_export as manage

    begin = max(0, out.seek(0, os.SEEK_END) - _TAIL_BYTES)
    out.seek(begin)
    whole, end_of_line, _ = out.read().rpartition(b"\n")
    line = whole.rpartition(b"\n")[2].decode(errors="replace")
    header = manage.csv_header() if kind == "csv" else ""
    sequence = manage.last_sequence(line, kind)
    if end_of_line and sequence is None and line + "\n" != header:
        raise UsageError(f"{output}: its last line is none of a {kind} export: {line[:60]!r}")
    out.truncate(out.seek(begin + len(whole) + len(end_of_line)))
    if not end_of_line:
        out.write(header.encode())
    return sequence or 0


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, or the process asked to end; it finishes its line first."""
    asked = False

    def ask(_number: int, _frame: object) -> None:
        nonlocal asked
        asked = True

    kept = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def _progress(start: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal: how far of the numbers that there are."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("records", total=None)
        yield lambda through, newest: bar.update(task, completed=through - start, total=newest - start)


def _silent(through: int, newest: int) -> None: ...
