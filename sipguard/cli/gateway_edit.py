"""gateway add, modify, remove and trunk: ways out, and trunks of customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sipguard.cli.forms import formed, options, show_objects
from sipguard.cli.shell import Shell, json_option, plain, show_json

if TYPE_CHECKING:
    from sipguard.manage.credential import Told
    from sipguard.manage.desk import Desk
    from sipguard.manage.gateway_form import (
        MappingGatewayChanges,
        NewMappingGateway,
        NewRoutingGateway,
        RoutingGatewayChanges,
    )
    from sipguard.manage.mapping_gateway import MappingGatewayInfo
    from sipguard.manage.number_test import TriedNumber
    from sipguard.manage.routing_gateway import RoutingGatewayInfo
    from sipguard.model.actor import Actor

_ROUTING = ("id", "owner_id", "host", "port", "transport", "capacity", "cps_limit", "locked")
_MAPPING = ("id", "account_id", "username", "sources", "capacity", "cps_limit", "locked")
route_option = click.option(
    "--route",
    "routes",
    multiple=True,
    metavar="PREFIX[:PRIORITY[:WEIGHT[:MODE]]]",
    help="A prefix that it takes; mode is terminate or continue. Together they replace those there were.",
)


def _new_routing() -> type[NewRoutingGateway]:
    from sipguard.manage.gateway_form import NewRoutingGateway

    return NewRoutingGateway


def _routing_changes() -> type[RoutingGatewayChanges]:
    from sipguard.manage.gateway_form import RoutingGatewayChanges

    return RoutingGatewayChanges


def _new_mapping() -> type[NewMappingGateway]:
    from sipguard.manage.gateway_form import NewMappingGateway

    return NewMappingGateway


def _mapping_changes() -> type[MappingGatewayChanges]:
    from sipguard.manage.gateway_form import MappingGatewayChanges

    return MappingGatewayChanges


@click.command(cls=options(_new_routing, leave_out=("id", "routes")))
@click.argument("id", metavar="GATEWAY")
@route_option
@json_option
@click.pass_obj
def add(shell: Shell, /, as_json: bool, routes: Sequence[str], **values: Any) -> None:
    """Make the routing gateway GATEWAY."""
    from sipguard.manage import routing_gateway as manage

    form = formed(_new_routing(), values | {"routes": tuple(map(_route, routes))})

    async def command(desk: Desk, actor: Actor) -> RoutingGatewayInfo:
        async with desk.writing(actor, "routing_gateway.create") as act:
            return await manage.create(act, form)

    show_objects([shell.manage(command)], _ROUTING, as_json, one=True)


@click.command(cls=options(_routing_changes, leave_out=("routes",), clears=True))
@click.argument("id", metavar="GATEWAY")
@route_option
@json_option
@click.pass_obj
def modify(shell: Shell, /, id: str, as_json: bool, routes: Sequence[str], **values: Any) -> None:
    """Change what is given of the routing gateway GATEWAY."""
    from sipguard.manage import routing_gateway as manage

    form = formed(_routing_changes(), values | {"routes": tuple(map(_route, routes))})

    async def command(desk: Desk, actor: Actor) -> RoutingGatewayInfo:
        async with desk.writing(actor, "routing_gateway.modify") as act:
            return await manage.modify(act, id, form)

    show_objects([shell.manage(command)], _ROUTING, as_json, one=True)


@click.command()
@click.argument("id", metavar="GATEWAY")
@click.pass_obj
def remove(shell: Shell, id: str) -> None:
    """Remove the routing gateway GATEWAY, which no call and no money has gone through."""
    from sipguard.manage import routing_gateway as manage

    async def command(desk: Desk, actor: Actor) -> None:
        async with desk.writing(actor, "routing_gateway.remove") as act:
            await manage.remove(act, id)

    shell.manage(command)
    click.echo(f"{id} was removed")


caller_option = click.option("--caller", metavar="NUMBER", help="The number that calls.")


@click.command("test-number")
@click.argument("id", metavar="GATEWAY")
@click.argument("number")
@caller_option
@json_option
@click.pass_obj
def test_number(shell: Shell, id: str, number: str, caller: str | None, as_json: bool) -> None:
    """Show, without a call, what the judged NUMBER leaves as for the routing gateway GATEWAY."""
    from sipguard.manage import number_test as manage
    from sipguard.manage.gateway_form import TestNumber

    form = formed(TestNumber, {"number": number, "caller": caller})

    async def command(desk: Desk, actor: Actor) -> TriedNumber:
        async with desk.reading(actor) as view:
            return await manage.try_gateway(view, id, form)

    _show_tried(shell.manage(command), as_json)


@click.group()
def trunk() -> None:
    """Mapping gateways: trunks of customers."""


@trunk.command("list")
@click.option("--account", "account_id", metavar="ACCOUNT", help="Of this account alone.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
@json_option
@click.pass_obj
def list_trunks(shell: Shell, account_id: str | None, limit: int, as_json: bool) -> None:
    """List mapping gateways by id."""
    from sipguard.manage import mapping_gateway as manage

    async def command(desk: Desk, actor: Actor) -> Sequence[MappingGatewayInfo]:
        async with desk.reading(actor) as view:
            return (await manage.list_gateways(view, account_id, limit=limit)).items

    show_objects(shell.manage(command), _MAPPING, as_json)


@trunk.command("add", cls=options(_new_mapping, leave_out=("id", "password")))
@click.argument("id", metavar="TRUNK")
@json_option
@click.pass_obj
def add_trunk(shell: Shell, /, as_json: bool, **values: Any) -> None:
    """Make the mapping gateway TRUNK; with a username, its password is made up and told once."""
    from sipguard.manage import mapping_gateway as manage

    form = formed(_new_mapping(), values)

    async def command(desk: Desk, actor: Actor) -> tuple[MappingGatewayInfo, Told | None]:
        async with desk.writing(actor, "mapping_gateway.create") as act:
            return await manage.create(act, form)

    made, told = shell.manage(command)
    if as_json:
        credential = None if told is None else asdict(told)
        show_json({"mapping_gateway": asdict(made), "credential": credential})
        return
    show_objects([made], _MAPPING, False)
    if told is not None:
        click.echo(f"{made.id} calls as {told.username} with password {told.password}")


@trunk.command("modify", cls=options(_mapping_changes, clears=True))
@click.argument("id", metavar="TRUNK")
@json_option
@click.pass_obj
def modify_trunk(shell: Shell, /, id: str, as_json: bool, **values: Any) -> None:
    """Change what is given of the mapping gateway TRUNK."""
    from sipguard.manage import mapping_gateway as manage

    form = formed(_mapping_changes(), values)

    async def command(desk: Desk, actor: Actor) -> MappingGatewayInfo:
        async with desk.writing(actor, "mapping_gateway.modify") as act:
            return await manage.modify(act, id, form)

    show_objects([shell.manage(command)], _MAPPING, as_json, one=True)


@trunk.command("remove")
@click.argument("id", metavar="TRUNK")
@click.pass_obj
def remove_trunk(shell: Shell, id: str) -> None:
    """Remove the mapping gateway TRUNK, which no call comes through."""
    from sipguard.manage import mapping_gateway as manage

    async def command(desk: Desk, actor: Actor) -> None:
        async with desk.writing(actor, "mapping_gateway.remove") as act:
            await manage.remove(act, id)

    shell.manage(command)
    click.echo(f"{id} was removed")


@trunk.command("test-number")
@click.argument("id", metavar="TRUNK")
@click.argument("number")
@caller_option
@click.option("--to", "gateway_id", metavar="GATEWAY", help="The routing gateway for which it would leave.")
@json_option
@click.pass_obj
def test_trunk_number(
    shell: Shell, id: str, number: str, caller: str | None, gateway_id: str | None, as_json: bool
) -> None:
    """Show, without a call, what NUMBER from the mapping gateway TRUNK is judged as, and sent as."""
    from sipguard.manage import number_test as manage
    from sipguard.manage.gateway_form import TestCall

    form = formed(TestCall, {"number": number, "caller": caller, "routing_gateway_id": gateway_id})

    async def command(desk: Desk, actor: Actor) -> TriedNumber:
        async with desk.reading(actor) as view:
            return await manage.try_trunk(view, id, form)

    _show_tried(shell.manage(command), as_json)


def _show_tried(tried: TriedNumber, as_json: bool) -> None:
    if as_json:
        show_json(asdict(tried))
        return
    for which, steps in (("called", tried.called), ("calling", tried.caller)):
        for one in steps:
            by = "" if one.rule is None else f"  by {one.rule}"
            told = f"{which:<8}{one.step.replace('_', ' '):<24}{one.number or '-'}{by}"
            click.echo(plain(told))
    why = (tried.refusal, tried.refusal_level, tried.refusal_rule)
    click.echo(plain(f"refused: {', '.join(filter(None, why))}" if tried.refusal else "passes"))


def _route(text: str) -> dict[str, object]:
    """As the form reads it, which says what is wrong."""
    prefix, *more = text.split(":")
    told: dict[str, object] = {"prefix": prefix}
    for name, value in zip(("priority", "weight", "mode"), more, strict=False):
        told[name] = int(value) if value.isdecimal() else value
    return told
