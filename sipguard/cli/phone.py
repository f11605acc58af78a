"""phone and range: phones, their passwords, and the numbers that they may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sipguard.cli.forms import formed, options, show_objects
from sipguard.cli.shell import Shell, json_option, show_json

if TYPE_CHECKING:
    from sipguard.manage.credential import Told
    from sipguard.manage.desk import Desk
    from sipguard.manage.number_range import NumberRangeInfo
    from sipguard.manage.number_range_form import NewNumberRange
    from sipguard.manage.phone import PhoneInfo, RegistrationInfo
    from sipguard.manage.phone_form import NewPhone, PhoneChanges
    from sipguard.model.actor import Actor

account_option = click.option("--account", "account_id", metavar="ACCOUNT", help="Of this account alone.")
limit_option = click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
_COLUMNS = ("id", "account_id", "username", "numbers", "lock", "call_limit")


@click.group()
def phone() -> None:
    """Phones: endpoints that register and have numbers of their own."""


def _new_phone() -> type[NewPhone]:
    from sipguard.manage.phone_form import NewPhone

    return NewPhone


def _phone_changes() -> type[PhoneChanges]:
    from sipguard.manage.phone_form import PhoneChanges

    return PhoneChanges


def _new_range() -> type[NewNumberRange]:
    from sipguard.manage.number_range_form import NewNumberRange

    return NewNumberRange


@phone.command("list")
@account_option
@limit_option
@json_option
@click.pass_obj
def list_(shell: Shell, account_id: str | None, limit: int, as_json: bool) -> None:
    """List phones by id."""
    from sipguard.manage import phone as manage

    async def command(desk: Desk, actor: Actor) -> Sequence[PhoneInfo]:
        async with desk.reading(actor) as view:
            return (await manage.list_phones(view, account_id, limit=limit)).items

    show_objects(shell.manage(command), _COLUMNS, as_json)


@phone.command(cls=options(_new_phone, leave_out=("id", "password")))
@click.argument("id", metavar="PHONE")
@json_option
@click.pass_obj
def add(shell: Shell, /, as_json: bool, **values: Any) -> None:
    """Make PHONE with a password that is made up and told once (see credential set)."""
    from sipguard.manage import phone as manage

    form = formed(_new_phone(), values)

    async def command(desk: Desk, actor: Actor) -> tuple[PhoneInfo, Told]:
        async with desk.writing(actor, "phone.create") as act:
            return await manage.create(act, form)

    made, told = shell.manage(command)
    if as_json:
        from dataclasses import asdict

        show_json({"phone": asdict(made), "credential": asdict(told)})
        return
    click.echo(f"{made.id} registers as {told.username} with password {told.password}")


@phone.command(cls=options(_phone_changes, clears=True))
@click.argument("id", metavar="PHONE")
@json_option
@click.pass_obj
def modify(shell: Shell, /, id: str, as_json: bool, **values: Any) -> None:
    """Change what is given of PHONE."""
    from sipguard.manage import phone as manage

    form = formed(_phone_changes(), values)

    async def command(desk: Desk, actor: Actor) -> PhoneInfo:
        async with desk.writing(actor, "phone.modify") as act:
            return await manage.modify(act, id, form)

    show_objects([shell.manage(command)], _COLUMNS, as_json, one=True)


@phone.command()
@click.argument("id", metavar="PHONE")
@click.pass_obj
def remove(shell: Shell, id: str) -> None:
    """Remove PHONE with its numbers and password, once no call is up with it."""
    from sipguard.manage import phone as manage

    async def command(desk: Desk, actor: Actor) -> None:
        async with desk.writing(actor, "phone.remove") as act:
            await manage.remove(act, id)

    shell.manage(command)
    click.echo(f"{id} was removed")


@phone.command()
@click.argument("id", metavar="PHONE")
@json_option
@click.pass_obj
def registrations(shell: Shell, id: str, as_json: bool) -> None:
    """Show where PHONE is registered, as of a second ago."""
    from sipguard.manage import phone as manage

    async def command(desk: Desk, actor: Actor) -> Sequence[RegistrationInfo]:
        async with desk.reading(actor) as view:
            return await manage.registrations(view, id)

    show_objects(shell.manage(command), ("contact", "source", "transport", "user_agent"), as_json)


@click.group("range")
def range_() -> None:
    """Ranges of numbers that agents hand out to phones."""


@range_.command("list")
@account_option
@limit_option
@json_option
@click.pass_obj
def list_ranges(shell: Shell, account_id: str | None, limit: int, as_json: bool) -> None:
    """List number ranges by id."""
    from sipguard.manage import number_range as manage

    async def command(desk: Desk, actor: Actor) -> Sequence[NumberRangeInfo]:
        async with desk.reading(actor) as view:
            return (await manage.list_ranges(view, account_id, limit=limit)).items

    show_objects(shell.manage(command), ("id", "account_id", "first", "last", "memo"), as_json)


@range_.command("add", cls=options(_new_range, leave_out=("id",)))
@click.argument("id", metavar="RANGE")
@json_option
@click.pass_obj
def add_range(shell: Shell, /, as_json: bool, **values: Any) -> None:
    """Have an account, and everybody below it, hand out the numbers of RANGE."""
    from sipguard.manage import number_range as manage

    form = formed(_new_range(), values)

    async def command(desk: Desk, actor: Actor) -> NumberRangeInfo:
        async with desk.writing(actor, "number_range.create") as act:
            return await manage.create(act, form)

    show_objects([shell.manage(command)], ("id", "account_id", "first", "last"), as_json, one=True)


@range_.command("remove")
@click.argument("id", metavar="RANGE")
@click.pass_obj
def remove_range(shell: Shell, id: str) -> None:
    """Take RANGE away; refused while phones have its numbers."""
    from sipguard.manage import number_range as manage

    async def command(desk: Desk, actor: Actor) -> None:
        async with desk.writing(actor, "number_range.remove") as act:
            await manage.remove(act, id)

    shell.manage(command)
    click.echo(f"{id} was removed")
