"""ledger verify: the proof that no money was made or lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sipguard.cli.shell import Shell, WrongError, json_option, show_json
from sipguard.model.money import format_micros

if TYPE_CHECKING:
    from sipguard.store.ledger import VerifyReport


@click.group()
def ledger() -> None:
    """The journal of money."""


@ledger.command()
@json_option
@click.pass_context
def verify(context: click.Context, as_json: bool) -> None:
    """Replay the whole journal and compare it with what is stored.

    Every entry must sum to zero, every balance must be the sum of its postings, and every entry must be
    linked to the one before it by its hash. Exit code 1 where anything does not add up.
    """
    from sipguard.store import ledger as store

    shell: Shell = context.obj
    report = shell.read(store.verify)
    if as_json:
        show_json({"ok": report.ok, **asdict(report)})
    else:
        click.echo(f"{report.entries} entries, {report.postings} postings")
        for currency, micros in report.residual_micros.items():
            click.echo(f"residual {format_micros(micros)} {currency}")
        for finding in _findings(report):
            click.echo(f"WRONG: {finding}")
        if report.ok:
            click.echo("everything adds up: every entry, every balance, every link of the hash chain")
    context.exit(0 if report.ok else WrongError.exit_code)


def _findings(report: VerifyReport) -> Iterator[str]:
    for currency, micros in report.residual_micros.items():
        if micros:
            yield f"all postings in {currency} together are {format_micros(micros)}, not 0"
    for entry in report.unbalanced:
        yield f"the postings of entry {entry} do not sum to zero"
    for drift in report.drifts:
        yield (
            f"ledger account {drift.ledger} says {format_micros(drift.stored_micros)},"
            f" its postings sum to {format_micros(drift.summed_micros)}"
        )
    if report.broken_link is not None:
        yield f"the hash chain is broken at entry {report.broken_link}: missing, altered or not linked"
    if report.unreadable is not None:
        yield f"the journal could not be read to its end: {report.unreadable}"
