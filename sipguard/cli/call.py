"""call list, call hangup and call notices: the calls that are up now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from sipguard.cli.shell import Shell, UsageError, json_option, plain, show, show_json


@click.group()
def call() -> None:
    """Calls that are being set up or are up: list them, end them."""


@call.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@click.option("--account", metavar="ID", help="Only those of this account and everything below it.")
@click.option("--gateway", metavar="ID", help="Only those through this mapping or routing gateway.")
@json_option
@click.pass_obj
def list_(shell: Shell, limit: int, account: str | None, gateway: str | None, as_json: bool) -> None:
    """List present calls, the oldest first."""
    if account is not None and gateway is not None:
        raise UsageError("--account and --gateway exclude each other")
    calls: Any = shell.ask("calls", limit=limit, account=account, gateway=gateway)
    if as_json:
        show_json(calls)
        return
    from rich import box
    from rich.table import Table

    titles = ("Call", "State", "Since", "Account", "Calling", "Called", "In by", "Out by", "Paid for")
    table = Table(*titles, box=box.SIMPLE_HEAD)
    for one in calls:
        answered = one["answered_ms"]
        table.add_row(
            str(one["call"]),
            "up" if answered is not None else "set-up",
            datetime.fromtimestamp((answered or one["invited_ms"]) / 1000)
            .astimezone()
            .isoformat(" ", "seconds"),
            plain(one["account_id"]),
            plain(one["calling"] or "anonymous"),
            plain(one["called"]),
            plain(one["mapping_gateway_id"]),
            plain(one["routing_gateway_id"]),
            f"{one['granted_seconds']} s",
        )
    show(table)
    click.echo(f"{len(calls)} calls" + (", and perhaps more" if len(calls) == limit else ""))


@call.command("hangup")
@click.argument("call", required=False)
@click.option("--account", metavar="ID", help="All calls of this account and of everything below it.")
@click.option("--gateway", metavar="ID", help="All calls through this mapping or routing gateway.")
@json_option
@click.pass_obj
def hangup(shell: Shell, call: str | None, account: str | None, gateway: str | None, as_json: bool) -> None:
    """End CALL (our own call id or its Call-ID), or all calls of an account or gateway.

    Both sides get a BYE whose Reason says so; what it has cost until now is charged.
    """
    if sum(which is not None for which in (call, account, gateway)) != 1:
        raise UsageError("name one of CALL, --account and --gateway")
    answer: Any = shell.ask("hangup", call=call, account=account, gateway=gateway)
    if as_json:
        show_json(answer)
        return
    click.echo(f"ended {answer['ended']} calls")


@call.command("notices")
@click.option("--since", type=click.IntRange(0), default=0, help="Only those after this number.")
@json_option
@click.pass_obj
def notices(shell: Shell, since: int, as_json: bool) -> None:
    """Tell what the daemon has warned of: calls whose money ends, differences that its audit found."""
    told: Any = shell.ask("notices", since=since)
    if as_json:
        show_json(told)
        return
    for notice in told:
        at = datetime.fromtimestamp(notice["at_ms"] / 1000).astimezone().isoformat(" ", "seconds")
        facts = " ".join(f"{name}={value}" for name, value in notice["facts"].items())
        click.echo(plain(f"{notice['number']} {at} {notice['name']} {facts}").plain)
