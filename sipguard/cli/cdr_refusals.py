"""cdr refusals: what was refused before policy was asked, and so has no call record."""

from __future__ import annotations

import click

from sipguard.cli.cdr_filter import show_time
from sipguard.cli.shell import Shell, json_option, plain, show, show_json


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many lines."
)
@json_option
@click.pass_obj
def refusals(shell: Shell, limit: int, as_json: bool) -> None:
    """List requests that were refused before policy was asked: malformed, looping, of no dialog or method.

    They have no record each, but a line for each minute, source, method and status: the newest first.
    """
    from rich import box
    from rich.table import Table

    from sipguard.store import refusal

    found = shell.read(lambda conn: refusal.newest(conn, limit=limit))
    if as_json:
        show_json(found)
        return
    table = Table("Until", "Source", "Method", "Status", "Count", "Call-ID of the first", box=box.SIMPLE_HEAD)
    for column in table.columns[:-1]:
        column.no_wrap = True
    for row in found:
        table.add_row(
            show_time(row.at_ms, None, "seconds"),
            row.source_host,
            plain(row.method),
            str(row.status or ""),
            f"{row.count:,}",
            plain(row.sip_call_id),
        )
    show(table)
