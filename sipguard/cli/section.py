"""section and destination-set: which numbers accounts may call; audit: who did or tried what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from sipguard.cli.forms import formed, show_objects
from sipguard.cli.manage import account_argument, read, write
from sipguard.cli.shell import Shell, json_option, plain, show_json

if TYPE_CHECKING:
    from sipguard.manage.section import SectionsInfo

_RULE = "allow:PREFIX, block:PREFIX, allow:@SET or block:@SET"


@click.group()
def section() -> None:
    """Number sections: which numbers an account and all below it may call, and call from."""


@section.command("show")
@account_argument
@json_option
@click.pass_obj
def show_(shell: Shell, account_id: str, as_json: bool) -> None:
    """Show the sections of ACCOUNT."""
    from sipguard.manage import section as manage

    _tell(read(shell, lambda view: manage.get(view, account_id)), as_json)


@section.command("set")
@account_argument
@click.argument("direction", type=click.Choice(["called", "calling"]))
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@json_option
@click.pass_obj
def set_(shell: Shell, account_id: str, direction: str, rules: tuple[str, ...], as_json: bool) -> None:
    """Have ACCOUNT ruled by just these in one direction; without any it is free.

    A RULE is allow:PREFIX, block:PREFIX, allow:@SET or block:@SET; an empty prefix is every number.
    """
    from sipguard.manage import section as manage
    from sipguard.manage.section_form import SectionChanges

    form = formed(SectionChanges, {direction: [_rule(text) for text in rules] or None})
    if not rules:
        form = SectionChanges.model_validate({direction: []})
    _tell(write(shell, "account.sections", lambda act: manage.modify(act, account_id, form)), as_json)


@click.group("destination-set")
def destination_set() -> None:
    """Destination sets: named lists of prefixes that sections refer to."""


@destination_set.command("list")
@json_option
@click.pass_obj
def list_sets(shell: Shell, as_json: bool) -> None:
    """List the operator's sets."""
    from sipguard.manage import destination_set as manage

    found = read(shell, lambda view: manage.list_sets(view, limit=1_000)).items
    show_objects(found, ("id", "prefixes", "memo"), as_json)


@destination_set.command("set")
@click.argument("id", metavar="SET")
@click.argument("prefixes", nargs=-1, required=True, metavar="PREFIX...")
@json_option
@click.pass_obj
def set_prefixes(shell: Shell, id: str, prefixes: tuple[str, ...], as_json: bool) -> None:
    """Have SET stand for just these prefixes, in all sections that name it; made where there is none."""
    from sipguard.manage import destination_set as manage
    from sipguard.manage.desk import Act
    from sipguard.manage.section_form import NewSet, SetChanges

    new = formed(NewSet, {"id": id, "prefixes": prefixes})

    async def command(act: Act) -> manage.SetInfo:
        if await manage.usable(act, id) is None:
            return await manage.create(act, new)
        kept = (await manage.get(act, id)).memo
        return await manage.modify(act, id, SetChanges(prefixes=new.prefixes, memo=kept))

    show_objects([write(shell, "destination_set.set", command)], ("id", "prefixes"), as_json, one=True)


@destination_set.command("remove")
@click.argument("id", metavar="SET")
@click.pass_obj
def remove_set(shell: Shell, id: str) -> None:
    """Remove SET, where no sections name it."""
    from sipguard.manage import destination_set as manage

    write(shell, "destination_set.delete", lambda act: manage.delete(act, id))
    click.echo(f"{id} was removed")


@click.command()
@click.option("--account", "account_id", metavar="ACCOUNT", help="Of this account and all below it.")
@click.option("--by", help="A username.")
@click.option("--noun")
@click.option("--action", help="As in account.modify.")
@click.option("--id")
@click.option("--outcome", type=click.Choice(["done", "refused"]))
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
@json_option
@click.pass_obj
def audit(
    shell: Shell,
    account_id: str | None,
    by: str | None,
    noun: str | None,
    action: str | None,
    id: str | None,
    outcome: Literal["done", "refused"] | None,
    limit: int,
    as_json: bool,
) -> None:
    """List who did or tried what, the newest first."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from sipguard.manage import audit as manage

    which = manage.Filter(by, noun, action, id, outcome)
    found = read(shell, lambda view: manage.list_entries(view, account_id, "all", which, limit=limit)).items
    if as_json:
        show_json([asdict(one) for one in found])
        return
    for one in found:
        at = datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat(" ", "seconds")
        click.echo(plain(f"{at} {one.actor} {one.via} {one.action} {one.noun} {one.id} {one.outcome}").plain)


def _rule(text: str) -> dict[str, str]:
    action, colon, what = text.partition(":")
    if not colon:
        raise click.UsageError(f"found {text!r}, expected {_RULE}")
    return {"action": action} | ({"set_id": what[1:]} if what.startswith("@") else {"prefix": what})


def _tell(found: SectionsInfo, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        show_json(asdict(found))
        return
    for direction in ("called", "calling"):
        for rule in getattr(found, direction):
            what = f"@{rule.set_id}" if rule.set_id is not None else rule.prefix or "(any)"
            click.echo(f"{direction} {rule.action} {what}")
