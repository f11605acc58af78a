"""card: batches of phone cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sipguard.cli.forms import formed, options, show_objects
from sipguard.cli.shell import Shell, json_option, show_json

if TYPE_CHECKING:
    from sipguard.manage.card import CardBatchInfo, Printed
    from sipguard.manage.card_form import NewCardBatch
    from sipguard.manage.desk import Desk
    from sipguard.model.actor import Actor

_COLUMNS = ("id", "account_id", "cards", "cards_blocked", "face_value_micros", "currency", "blocked")


def _new_batch() -> type[NewCardBatch]:
    from sipguard.manage.card_form import NewCardBatch

    return NewCardBatch


@click.group()
def card() -> None:
    """Phone cards in batches."""


@card.command("list")
@click.option("--account", "account_id", metavar="ACCOUNT", help="Of this account alone.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
@json_option
@click.pass_obj
def list_(shell: Shell, account_id: str | None, limit: int, as_json: bool) -> None:
    """List batches by id."""
    from sipguard.manage import card as manage

    async def command(desk: Desk, actor: Actor) -> Sequence[CardBatchInfo]:
        async with desk.reading(actor) as view:
            return (await manage.list_batches(view, account_id, limit=limit)).items

    show_objects(shell.manage(command), _COLUMNS, as_json)


@card.command(cls=options(_new_batch, leave_out=("id",)))
@click.argument("id", metavar="BATCH")
@json_option
@click.pass_obj
def add(shell: Shell, /, as_json: bool, **values: Any) -> None:
    """Make the cards of BATCH and print serial numbers and PINs as CSV: once, they cannot be read again."""
    from sipguard.manage import card as manage

    form = formed(_new_batch(), values)

    async def command(desk: Desk, actor: Actor) -> tuple[CardBatchInfo, list[Printed]]:
        async with desk.writing(actor, "card_batch.create") as act:
            return await manage.create(act, form)

    made, printed = shell.manage(command)
    if as_json:
        show_json({"batch": asdict(made), "cards": [asdict(one) for one in printed]})
        return
    click.echo(manage.as_csv(printed), nl=False)


@card.command()
@click.argument("id", metavar="BATCH")
@click.argument("serials", nargs=-1)
@click.option("--undo", is_flag=True, help="They may be used again.")
@json_option
@click.pass_obj
def block(shell: Shell, id: str, serials: tuple[str, ...], undo: bool, as_json: bool) -> None:
    """Block BATCH as a whole, or some of its cards."""
    from sipguard.manage import card as manage
    from sipguard.manage.card_form import Blocking

    form = formed(Blocking, {"blocked": not undo, "serials": serials})

    async def command(desk: Desk, actor: Actor) -> CardBatchInfo:
        async with desk.writing(actor, "card_batch.block") as act:
            return await manage.block(act, id, form)

    show_objects([shell.manage(command)], _COLUMNS, as_json, one=True)
