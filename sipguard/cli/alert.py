"""alert list, acknowledge, test and threshold: what sipguard warns of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sipguard.cli import desk
from sipguard.cli.cdr_filter import show_time
from sipguard.cli.shell import Shell, UsageError, WrongError, json_option, plain, show, show_json

if TYPE_CHECKING:
    from sipguard.manage.desk import Act, View
    from sipguard.model.alert import Alert

KINDS = (
    "call_spike",
    "balance_falling",
    "balance_low",
    "sub_account_growth",
    "gateway_changed",
    "capacity",
    "gateway_down",
    "asr_collapse",
    "audit_difference",
    "disk_filling",
)
OF_ACCOUNTS = (*KINDS[:4], "capacity", "asr_collapse")


@click.group()
def alert() -> None:
    """What sipguard warns of: list it, acknowledge it, say from where on."""


@alert.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="How many at most."
)
@json_option
@click.pass_obj
def list_(shell: Shell, everything: bool, kind: str | None, limit: int, as_json: bool) -> None:
    """List alerts, the newest first."""
    from sipguard.manage import alert as manage
    from sipguard.model.alert import Kind

    async def query(view: View) -> list[Alert]:
        of = None if kind is None else Kind(kind)
        return list((await manage.list_(view, standing=not everything, kind=of, limit=limit)).items)

    found = desk.read(shell, query)
    if as_json:
        show_json(found)
        return
    from rich import box
    from rich.table import Table

    table = Table("Alert", "Raised", "Severity", "Kind", "About", "What", "State", box=box.SIMPLE_HEAD)
    for column in table.columns[:4]:
        column.no_wrap = True
    for one in found:
        about = f"{one.scope} {one.subject}".strip()
        table.add_row(
            str(one.key),
            show_time(one.raised_ms, None, "seconds"),
            one.severity,
            one.kind,
            plain(about),
            plain(one.text),
            plain(_state(one)),
        )
    show(table)
    click.echo(f"{len(found)} alerts" + (", and perhaps more" if len(found) == limit else ""))


@alert.command()
@click.argument("keys", metavar="ALERT...", type=int, nargs=-1, required=True)
@click.option("--note", default="", help="What was found, or done.")
@json_option
@click.pass_obj
def acknowledge(shell: Shell, keys: tuple[int, ...], note: str, as_json: bool) -> None:
    """Note that you have seen ALERT. It stands until what it tells of is over."""
    from sipguard.manage import alert as manage

    async def command(act: Act) -> list[Alert]:
        return [await manage.acknowledge(act, key, note) for key in keys]

    done = desk.write(shell, "alert.acknowledge", command)
    if as_json:
        show_json(done)
        return
    for one in done:
        click.echo(f"alert {one.key} ({one.kind}) acknowledged by {one.acknowledged_by}")


@alert.command()
@json_option
@click.pass_obj
def test(shell: Shell, as_json: bool) -> None:
    """Send a test message to every webhook at once, and tell what each answers."""
    import time

    from sipguard.model.alert import Alert
    from sipguard.watch import webhook
    from sipguard.watch.alerting import event

    config = shell.config.alerts.webhook
    if not config.urls:
        raise UsageError("alerts.webhook.urls: there is no webhook that could be tested")
    now_ms = time.time_ns() // 1_000_000
    told = Alert(
        key=0,
        kind="test",
        severity="warning",
        scope="system",
        subject="",
        text="sipguard alert test",
        value=0,
        threshold=0,
        raised_ms=now_ms,
        cleared_ms=None,
        acknowledged_ms=None,
        acknowledged_by=None,
        note="",
    )
    body = event("alert.test", told).encode()
    results = []
    for url in config.urls:
        sent = webhook.send(url, config.secret, f"sipguard-test-{now_ms}", now_ms // 1000, body)
        results.append({"url": url, "status": sent.status, "error": sent.error, "arrived": sent.arrived})
        if not as_json:
            click.echo(f"{url}: {sent.status if sent.status is not None else sent.error}")
    if as_json:
        show_json(results)
    if not all(result["arrived"] for result in results):
        raise WrongError("not every webhook has taken it")


@alert.group()
def threshold() -> None:
    """From where on alerts about an account come, where that is not as configured."""


@threshold.command("list")
@click.argument("account")
@json_option
@click.pass_obj
def list_thresholds(shell: Shell, account: str, as_json: bool) -> None:
    """List what ACCOUNT says itself."""
    from sipguard.manage import alert as manage

    found = desk.read(shell, lambda view: manage.thresholds(view, account))
    rows = [{"kind": one.kind.value, "subtree": one.subtree, "value": one.value} for one in found]
    if as_json:
        show_json(rows)
        return
    for row in rows:
        of = "with everything below" if row["subtree"] else "alone"
        click.echo(f"{row['kind']} {of}: {'no alerts' if row['value'] is None else row['value']}")


@threshold.command("set")
@click.argument("account")
@click.argument("kind", type=click.Choice(OF_ACCOUNTS))
@click.argument("value")
@click.option("--subtree", is_flag=True, help="Also for everything below that has none of its own.")
@click.pass_obj
def set_(shell: Shell, account: str, kind: str, value: str, subtree: bool) -> None:
    """Alerts of KIND about ACCOUNT come from VALUE on: an amount for balance_low, else a whole number.

    VALUE "off": no such alerts; "default": as configured, or as an agent above says.
    """
    from sipguard.manage import alert as manage
    from sipguard.model.alert import Kind
    from sipguard.model.money import parse_micros

    of = Kind(kind)
    if value == "default":
        desk.write(
            shell,
            "account.unset_threshold",
            lambda act: manage.unset_threshold(act, account, of, subtree=subtree),
        )
        return
    try:
        number = None if value == "off" else parse_micros(value) if of is Kind.BALANCE_LOW else int(value)
    except ValueError:
        raise UsageError(f"VALUE {value}: expected a number, off or default") from None
    desk.write(
        shell,
        "account.set_threshold",
        lambda act: manage.set_threshold(act, account, of, number, subtree=subtree),
    )


def _state(one: Alert) -> str:
    seen = "" if one.acknowledged_by is None else f"seen by {one.acknowledged_by}"
    if one.cleared_ms is not None:
        return f"over since {show_time(one.cleared_ms, None, 'seconds')}" + (f", {seen}" if seen else "")
    return seen or "stands"
