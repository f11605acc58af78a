"""cdr list and cdr show: what became of every call attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

import click

from sipguard.cli.cdr_export import export
from sipguard.cli.cdr_filter import (
    Chosen,
    explain_nothing,
    filter_options,
    show_time,
    wanted,
    zone_of,
)
from sipguard.cli.cdr_refusals import refusals
from sipguard.cli.shell import Shell, UsageError, json_option, plain, show, show_json
from sipguard.model.money import format_micros

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.model.cdr import Cdr
    from sipguard.store.cdr_find import Stored

# Call ids are positive and as wide as SQLite's integers; longer digits are a Call-ID that a peer made up.
_CALL_DIGITS_MAX = 18
# All of them are held in memory to be printed; whoever wants more wants a file.
_LISTED_MAX = 100_000


@click.group()
def cdr() -> None:
    """Call detail records: one for every attempt, refused ones too."""


@cdr.command("list")
@click.option(
    "--limit",
    type=click.IntRange(1, _LISTED_MAX),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@filter_options
@json_option
@click.pass_obj
def list_(shell: Shell, limit: int, chosen: Chosen, as_json: bool) -> None:
    """List call attempts as they ended, the newest first, with the charge of every level of the chain."""
    from sipguard.store import cdr_find

    zone = zone_of(chosen)

    async def query(conn: AsyncConnection) -> list[Stored]:
        found = await cdr_find.newest(conn, await wanted(conn, chosen, zone), limit=limit + 1)
        if not found:
            await explain_nothing(conn, chosen)
        return found

    found = [stored.cdr for stored in shell.read(query)]
    records = found[:limit]
    if as_json:
        show_json(records)
        return
    _show_table(records, zone)
    more = "; there are more" if len(found) > limit else ""
    click.echo(f"{len(records)} record{'' if len(records) == 1 else 's'}, the newest first{more}")


@cdr.command("show")
@click.argument("call")
@json_option
@click.pass_obj
def show_(shell: Shell, call: str, as_json: bool) -> None:
    """Show everything about CALL: our own call id, or the Call-ID of its SIP messages."""
    from sipguard.store import cdr as store
    from sipguard.store import cdr_find

    async def query(conn: AsyncConnection) -> list[Cdr]:
        if call.isascii() and call.isdigit() and len(call) <= _CALL_DIGITS_MAX:
            record = await store.by_call(conn, int(call))
            if record is not None:
                return [record]
        return await cdr_find.by_sip_call_id(conn, call)

    records = shell.read(query)
    if not records:
        raise UsageError(f"there is no record of call {call}")
    if as_json:
        show_json(records)
        return
    for record in records:
        _show_record(record)


def _show_table(records: Sequence[Cdr], zone: tzinfo | None) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for title in ("Time", "Account", "Called", "Outcome"):
        table.add_column(title, no_wrap=True)
    table.add_column("Status", justify="right")
    table.add_column("Reason")
    table.add_column("Duration", justify="right", no_wrap=True)
    table.add_column("Charged at each level", no_wrap=True)
    table.add_column("Call", justify="right", no_wrap=True)
    for record in records:
        table.add_row(
            show_time(record.invited_ms, zone, "seconds"),
            plain(record.account_id or "unknown"),
            plain(record.called or record.called_received),
            record.outcome.value,
            str(record.status),
            record.reason or "",
            f"{record.duration_ms / 1000:.3f} s" if record.duration_ms else "",
            Text("\n").join(
                plain(f"{level.account_id} {format_micros(level.charge_micros)}") for level in record.levels
            ),
            str(record.call),
        )
    show(table)


def _show_record(record: Cdr) -> None:
    from rich import box
    from rich.table import Table

    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(record):
        facts.add_row(name, plain(value))
    show(facts)

    if record.tries:
        tries = Table("Gateway tried", "Number sent", "Status", "Cause", box=box.SIMPLE_HEAD)
        for tried in record.tries:
            tries.add_row(plain(tried.gateway_id), plain(tried.number), str(tried.status), tried.cause)
        show(tries)
    if record.levels:
        titles = ("Level", "Prefix", "Rate per minute", "Billed", "Charge", "Its tax", "Balance after")
        levels = Table(*titles, box=box.SIMPLE_HEAD)
        for column in levels.columns[1:]:
            column.justify = "right"
        for level in record.levels:
            levels.add_row(
                plain(level.account_id),
                level.prefix,
                format_micros(level.rate_micros),
                f"{level.billed_seconds} s",
                format_micros(level.charge_micros),
                format_micros(level.tax_micros),
                format_micros(level.balance_micros),
            )
        show(levels)
    cost = f"{format_micros(record.cost_micros)} {record.currency}".rstrip()
    click.echo(f"The vendor charges {cost}.\n")


def _facts(record: Cdr) -> Iterator[tuple[str, str]]:
    yield "call", f"{record.call}, Call-ID {record.sip_call_id}"
    yield "from", f"{record.source}, gateway {record.mapping_gateway_id or 'unknown'}"
    yield "user agents", f"{record.user_agent or '-'} calling, {record.callee_user_agent or '-'} called"
    yield "codecs", f"{record.codecs_offered or '-'} offered, {record.codecs_answered or '-'} answered"
    phone = "" if record.phone_id is None else f", phone {record.phone_id}"
    yield "account", (record.account_id or "unknown") + phone
    yield "called", _number(record.called_received, record.called, record.called_sent)
    yield "calling", _number(record.calling_received, record.calling, record.calling_sent)
    yield "invited", show_time(record.invited_ms, None, "milliseconds")
    for name, at_ms in (("ringing", record.ringing_ms), ("answered", record.answered_ms)):
        if at_ms is not None:
            after = (at_ms - record.invited_ms) / 1000
            yield name, f"{show_time(at_ms, None, 'milliseconds')}, {after:.3f} s after the INVITE"
    if record.pdd_ms is not None:
        yield "post-dial delay", f"{record.pdd_ms / 1000:.3f} s"
    yield "ended", f"{show_time(record.ended_ms, None, 'milliseconds')}, by {record.ended_by}"
    yield "duration", f"{record.duration_ms / 1000:.3f} s"
    cause = f", Q.850 cause {record.q850}" if record.q850 is not None else ""
    yield "outcome", f"{record.outcome.value}, SIP status {record.status}{cause}"
    if record.reason is not None:
        yield "reason", record.reason
    if record.refusal_level is not None or record.refusal_rule is not None:
        yield "decided at", f"level {record.refusal_level or '-'}, rule {record.refusal_rule or '-'}"
    if record.refusal_observed is not None or record.refusal_required is not None:
        yield "compared", f"found {record.refusal_observed}, needed {record.refusal_required}"
    yield "revision", str(record.revision)


def _number(received: str, judged: str | None, sent: str | None) -> str:
    text = f"{received} as received"
    if judged is not None:
        text += f", judged as {judged or 'anonymous'}"
    if sent is not None:
        text += f", sent as {sent}"
    return text


cdr.add_command(export)
cdr.add_command(refusals)
