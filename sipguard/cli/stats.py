"""stats series: figures over time, as the daemon keeps them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from sipguard.cli.cdr_filter import show_time, time_of, zone_named
from sipguard.cli.shell import Shell, UsageError, json_option, plain, show, show_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.manage.series import Point


@click.group()
def stats() -> None:
    """Figures over time: calls, answers, delays, minutes, money."""


@stats.command()
@click.argument(
    "scope",
    type=click.Choice(("all", "account", "agent", "mapping_gateway", "routing_gateway", "destination")),
)
@click.argument("key", required=False, default="")
@click.option(
    "--step", type=click.Choice(("minute", "5m", "15m", "hour", "day")), default="hour", show_default=True
)
@click.option("--from", "since", metavar="WHEN", default="24h", show_default=True, help="As for cdr list.")
@click.option("--till", metavar="WHEN", help="Before this moment; else now.")
@click.option("--zone", metavar="ZONE", help="Time zone in which times are read and shown.")
@json_option
@click.pass_obj
def series(
    shell: Shell,
    scope: str,
    key: str,
    step: str,
    since: str,
    till: str | None,
    zone: str | None,
    as_json: bool,
) -> None:
    """Figures of SCOPE (all, an account, an agent with everything below it, a gateway, a destination).

    KEY is the id, or the digits of a destination. Calls count where they ended; ASR is answered calls by
    those that were sent to a gateway.
    """
    from sipguard.cli import account
    from sipguard.manage.errors import InvalidError
    from sipguard.manage.series import STEPS
    from sipguard.manage.series import series as query

    local, now = zone_named(zone), datetime.now(UTC)
    from_at = time_of("--from", since, local, now) // 1000
    till_at = int(time.time()) if till is None else -(-time_of("--till", till, local, now) // 1000)

    async def asked(conn: AsyncConnection) -> list[Point]:
        if scope in ("account", "agent") and key:
            await account.require(conn, key)
        return await query(conn, scope, key, from_at, till_at, STEPS[step])

    try:
        points = shell.read(asked)
    except InvalidError as error:
        raise UsageError(str(error)) from None
    if as_json:
        show_json(points)
        return
    from rich import box
    from rich.table import Table

    titles = ("At", "Attempts", "Answered", "Refused", "ASR", "ACD", "PDD", "Minutes", "Charge", "Cost")
    table = Table(*titles, "Balance", "Sub-accounts", box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for point in points:
        table.add_row(show_time(point.at * 1000, local, "minutes"), *map(plain, _cells(point)))
    show(table)


def _cells(point: Point) -> tuple[str, ...]:
    return (
        f"{point.attempts:,}",
        f"{point.answered:,}",
        f"{point.refused:,}",
        "-" if point.asr is None else f"{point.asr:.1%}",
        "-" if point.acd_seconds is None else f"{point.acd_seconds:.1f} s",
        "-" if point.pdd_ms is None else f"{point.pdd_ms:.0f} ms",
        f"{point.minutes:,.1f}",
        _amounts(point.charge_micros),
        _amounts(point.cost_micros),
        "-" if point.balance_micros is None else _amount(point.balance_micros),
        "-" if point.sub_accounts is None else f"{point.sub_accounts:,}",
    )


def _amounts(micros: dict[str, int]) -> str:
    return ", ".join(f"{_amount(amount)} {currency}" for currency, amount in sorted(micros.items())) or "-"


def _amount(micros: int) -> str:
    from sipguard.model.money import format_micros

    return format_micros(micros)
