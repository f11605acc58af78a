"""payment and statement: money moved by hand, and what became of the money of an account."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sipguard.cli.shell import Shell, UsageError, json_option, plain, show, show_json
from sipguard.model.money import format_micros, parse_micros

if TYPE_CHECKING:
    from sipguard.manage.desk import Desk
    from sipguard.manage.payment import PaymentInfo
    from sipguard.manage.payment_request import PaymentRequestInfo
    from sipguard.manage.statement import Statement
    from sipguard.model.actor import Actor

reason_option = click.option("--reason", required=True, help="Why; both sides read it.")
key_option = click.option("--key", help="The same key and content again move nothing; else made up.")
limit_option = click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)


@click.group()
def payment() -> None:
    """Money moved by hand."""


@payment.command()
@click.argument("account_id", metavar="ACCOUNT")
@click.argument("amount")
@reason_option
@key_option
@json_option
@click.pass_obj
def add(shell: Shell, account_id: str, amount: str, reason: str, key: str | None, as_json: bool) -> None:
    """Pay AMOUNT, such as 12.50, from outside into ACCOUNT."""
    _create(
        shell,
        key,
        as_json,
        kind="top_up",
        account_id=account_id,
        amount_micros=_micros(amount),
        reason=reason,
    )


@payment.command()
@click.argument("account_id", metavar="ACCOUNT")
@click.argument("amount")
@reason_option
@key_option
@json_option
@click.pass_obj
def deduct(shell: Shell, account_id: str, amount: str, reason: str, key: str | None, as_json: bool) -> None:
    """Take AMOUNT out of ACCOUNT. What live calls hold cannot be taken."""
    _create(
        shell,
        key,
        as_json,
        kind="deduction",
        account_id=account_id,
        amount_micros=_micros(amount),
        reason=reason,
    )


@payment.command()
@click.argument("account_id", metavar="FROM")
@click.argument("to_account_id", metavar="TO")
@click.argument("amount")
@reason_option
@key_option
@json_option
@click.pass_obj
def transfer(
    shell: Shell,
    account_id: str,
    to_account_id: str,
    amount: str,
    reason: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Move AMOUNT from one account to another. What live calls hold cannot be moved."""
    _create(
        shell,
        key,
        as_json,
        kind="transfer",
        account_id=account_id,
        to_account_id=to_account_id,
        amount_micros=_micros(amount),
        reason=reason,
    )


@payment.command()
@click.argument("payment_id", metavar="PAYMENT")
@reason_option
@key_option
@json_option
@click.pass_obj
def reverse(shell: Shell, payment_id: str, reason: str, key: str | None, as_json: bool) -> None:
    """Take PAYMENT back by a new one, whole; once."""
    from sipguard.manage import payment as manage
    from sipguard.manage.payment_form import Reversal
    from sipguard.manage.values import read

    async def command(desk: Desk, actor: Actor) -> PaymentInfo:
        async with desk.writing(actor, "payment.reverse") as act:
            form = read(Reversal, {"reason": reason})
            return await manage.reverse(act, payment_id, form, key or _made_up())

    _show_payments([shell.manage(command)], as_json, one=True)


@payment.command("list")
@click.option("--account", "account_id", metavar="ACCOUNT", help="Of this account alone.")
@limit_option
@json_option
@click.pass_obj
def list_(shell: Shell, account_id: str | None, limit: int, as_json: bool) -> None:
    """List payments, the newest first."""
    from sipguard.manage import payment as manage

    async def command(desk: Desk, actor: Actor) -> Sequence[PaymentInfo]:
        async with desk.reading(actor) as view:
            return (await manage.list_payments(view, account_id, limit=limit)).items

    _show_payments(shell.manage(command), as_json)


@payment.command()
@click.option("--all", "everything", is_flag=True, help="Those that were decided on, too.")
@limit_option
@json_option
@click.pass_obj
def requests(shell: Shell, everything: bool, limit: int, as_json: bool) -> None:
    """List what accounts ask for, the newest first."""
    from sipguard.manage import payment_request as manage

    async def command(desk: Desk, actor: Actor) -> Sequence[PaymentRequestInfo]:
        async with desk.reading(actor) as view:
            state = None if everything else manage.State.PENDING
            return (await manage.list_requests(view, state=state, limit=limit)).items

    _show_requests(shell.manage(command), as_json)


@payment.command()
@click.argument("request_id", metavar="REQUEST")
@reason_option
@json_option
@click.pass_obj
def approve(shell: Shell, request_id: str, reason: str, as_json: bool) -> None:
    """Pay what REQUEST asks for, from outside."""
    _decide(shell, "approve", request_id, reason, as_json)


@payment.command()
@click.argument("request_id", metavar="REQUEST")
@reason_option
@json_option
@click.pass_obj
def refuse(shell: Shell, request_id: str, reason: str, as_json: bool) -> None:
    """Say no to REQUEST."""
    _decide(shell, "refuse", request_id, reason, as_json)


@click.command()
@click.argument("account_id", metavar="ACCOUNT")
@click.option("--from", "since", metavar="WHEN", help="As for cdr list; else from the beginning.")
@click.option("--till", metavar="WHEN", help="Before this moment; else now.")
@click.option("--zone", metavar="ZONE", help="Time zone in which times are read.")
@click.option("--revenue", is_flag=True, help="What its sub-accounts paid it, instead of its balance.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the whole period as CSV.")
@limit_option
@json_option
@click.pass_obj
def statement(
    shell: Shell,
    account_id: str,
    since: str | None,
    till: str | None,
    zone: str | None,
    revenue: bool,
    as_csv: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Show what ACCOUNT had, what came and went, and what it had then; the first --limit lines."""
    from sipguard.cli.cdr_filter import time_of, zone_named
    from sipguard.manage import statement as manage

    where = zone_named(zone)
    now = datetime.now(UTC)
    book = manage.Book.REVENUE if revenue else manage.Book.BALANCE
    from_ms = 0 if since is None else time_of("--from", since, where, now)
    till_ms = None if till is None else time_of("--till", till, where, now)
    period: dict[str, Any] = {"book": book, "from_ms": from_ms, "till_ms": till_ms}

    async def printed(desk: Desk, actor: Actor) -> None:
        async with desk.reading(actor) as view:
            async for part in manage.as_csv(view, account_id, **period):
                click.echo(part, nl=False)

    async def command(desk: Desk, actor: Actor) -> Statement:
        async with desk.reading(actor) as view:
            return await manage.get(view, account_id, limit=limit, **period)

    if as_csv:
        shell.manage(printed)
        return
    told = shell.manage(command)
    if as_json:
        show_json(asdict(told))
        return
    from rich import box
    from rich.table import Table

    table = Table("At", "Kind", "Id", "Other side", "Amount", "Balance", "Reason", box=box.SIMPLE_HEAD)
    table.add_row("", "opening", "", "", "", format_micros(told.opening_micros), "")
    for line in told.items:
        table.add_row(
            _moment(line.at_ms),
            line.kind,
            plain(line.id),
            plain(line.counterparty_id or line.counterparty.value),
            format_micros(line.amount_micros),
            format_micros(line.balance_micros),
            plain(line.reason),
        )
    table.add_row("", "closing", "", "", "", format_micros(told.closing_micros), "")
    show(table)
    if told.next_cursor is not None:
        click.echo(f"the first {limit} lines; --csv has all")


def _create(shell: Shell, key: str | None, as_json: bool, **told: object) -> None:
    from sipguard.manage import payment as manage
    from sipguard.manage.payment_form import NewPayment
    from sipguard.manage.values import read

    async def command(desk: Desk, actor: Actor) -> PaymentInfo:
        async with desk.writing(actor, "payment.create") as act:
            return await manage.create(act, read(NewPayment, told), key or _made_up())

    _show_payments([shell.manage(command)], as_json, one=True)


def _decide(shell: Shell, verb: str, request_id: str, reason: str, as_json: bool) -> None:
    from sipguard.manage import payment_request as manage
    from sipguard.manage.payment_form import Decision
    from sipguard.manage.values import read

    decide = manage.approve if verb == "approve" else manage.refuse

    async def command(desk: Desk, actor: Actor) -> PaymentRequestInfo:
        async with desk.writing(actor, f"payment_request.{verb}") as act:
            return await decide(act, request_id, read(Decision, {"reason": reason}))

    _show_requests([shell.manage(command)], as_json, one=True)


def _micros(text: str) -> int:
    try:
        return parse_micros(text)
    except ValueError as error:
        raise UsageError(f"amount: {error}") from None


def _made_up() -> str:
    return secrets.token_hex(16)


def _show_payments(found: Sequence[PaymentInfo], as_json: bool, one: bool = False) -> None:
    if as_json:
        rows = [asdict(each) for each in found]
        show_json(rows[0] if one else rows)
        return
    from rich import box
    from rich.table import Table

    table = Table("At", "Payment", "Kind", "From", "To", "Amount", "", "Reason", "By", box=box.SIMPLE_HEAD)
    for each in found:
        table.add_row(
            _moment(each.at_ms),
            each.id,
            each.kind.value + (" (reversed)" if each.reversed_by else ""),
            plain(each.from_account_id or "outside"),
            plain(each.to_account_id or "outside"),
            format_micros(each.amount_micros),
            each.currency,
            plain(each.reason),
            plain(each.actor or ""),
        )
    show(table)


def _show_requests(found: Sequence[PaymentRequestInfo], as_json: bool, one: bool = False) -> None:
    if as_json:
        rows = [asdict(each) for each in found]
        show_json(rows[0] if one else rows)
        return
    from rich import box
    from rich.table import Table

    table = Table("At", "Request", "Account", "Amount", "", "Reason", "State", box=box.SIMPLE_HEAD)
    for each in found:
        table.add_row(
            _moment(each.at_ms),
            each.id,
            plain(each.account_id or ""),
            format_micros(each.amount_micros),
            each.currency,
            plain(each.reason),
            each.state.value,
        )
    show(table)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().isoformat(" ", "seconds")
