"""gateway list: the routing gateways, where they are, whether they are in service; the rest: gateway_edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from sipguard.cli import gateway_edit
from sipguard.cli.shell import CommandError, Shell, WrongError, json_option, plain, show, show_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.model.gateway import RoutingGateway


@click.group()
def gateway() -> None:
    """Routing gateways: where calls go."""


for command in (gateway_edit.add, gateway_edit.modify, gateway_edit.remove, gateway_edit.test_number):
    gateway.add_command(command)


@gateway.command("list")
@json_option
@click.pass_obj
def list_(shell: Shell, as_json: bool) -> None:
    """List the routing gateways with their state, which is known only while the daemon runs."""
    from sipguard.store import gateway as store

    async def query(conn: AsyncConnection) -> list[RoutingGateway]:
        return await store.all_routing_gateways(conn)

    listed = sorted(shell.read(query), key=lambda one: one.id)
    states = _states(shell)
    rows = [_row(one, states.get(one.id)) for one in listed]
    if as_json:
        show_json(rows)
        return
    from rich import box
    from rich.table import Table

    shown = Table("Gateway", "Host", "State", "Addresses", "Last probe", "Why", box=box.SIMPLE_HEAD)
    for column in shown.columns:
        column.no_wrap = True
    for row in rows:
        shown.add_row(
            plain(row["id"]),
            plain(_written(row)),
            row["state"] or "-",
            ", ".join(row["addresses"]) or "-",
            row["last_probe"] or "-",
            plain(_why(row)),
        )
    show(shown)


def _states(shell: Shell) -> dict[str, Mapping[str, Any]]:
    """What the daemon knows, by id; nothing where none runs."""
    try:
        told = shell.ask("gateways")
    except CommandError:
        return {}
    if not isinstance(told, list):
        raise WrongError(f"the daemon's answer makes no sense: {told!r}")
    return {each["id"]: each for each in told}


def _row(one: RoutingGateway, state: Mapping[str, Any] | None) -> dict[str, Any]:
    """As `gateway list --json` prints it; what only the daemon knows is null while none runs."""
    known = state or {}
    return {
        "id": one.id,
        "host": one.host,
        "port": one.port,
        "transport": one.transport,
        "locked": one.locked,
        "probe_seconds": one.probe_seconds,
        "state": known.get("state"),
        "cause": known.get("cause"),
        "why": known.get("why"),
        "out_seconds": known.get("out_seconds"),
        "back_in_seconds": known.get("back_in_seconds"),
        "last_probe": known.get("last_probe"),
        "addresses": known.get("addresses", []),
    }


def _written(row: Mapping[str, Any]) -> str:
    """Host as it is configured, with what else is."""
    host = f"[{row['host']}]" if ":" in row["host"] else row["host"]
    port = "" if row["port"] is None else f":{row['port']}"
    return f"{host}{port}" + ("" if row["transport"] is None else f" {row['transport']}")


def _why(row: Mapping[str, Any]) -> str:
    """Why it is out, since when, and until when."""
    if row["why"] is None:
        return ""
    back = "" if row["back_in_seconds"] is None else f", back in {row['back_in_seconds']} s"
    return f"{row['why']} (for {row['out_seconds']} s{back})"
