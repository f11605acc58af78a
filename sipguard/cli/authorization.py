"""authorization and template: what accounts may do; approval: what waits for a decision."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from sipguard.cli.forms import formed, show_objects
from sipguard.cli.manage import account_argument, read, write
from sipguard.cli.shell import Shell, json_option, show_json

if TYPE_CHECKING:
    from sipguard.manage.approval import ApprovalInfo
    from sipguard.manage.authorization import HeldInfo

SLUGS = (
    "account",
    "phone",
    "card",
    "gateway",
    "gateway_information",
    "gateway_capacity",
    "own_payment",
    "sub_payment",
)
"""As in model.authorization, which takes long to import; a test holds the two together."""

_APPROVAL = ("number", "state", "action", "account_id", "asked_by", "reason", "decision")


@click.group()
def authorization() -> None:
    """The eight authorizations: who holds what."""


@authorization.command("show")
@account_argument
@json_option
@click.pass_obj
def show_(shell: Shell, account_id: str, as_json: bool) -> None:
    """Show what ACCOUNT was granted, what is left from above, and what it may do."""
    from sipguard.manage import authorization as manage

    _tell(read(shell, lambda view: manage.held(view, account_id)), as_json)


@authorization.command()
@account_argument
@click.argument("authorizations", nargs=-1, type=click.Choice(SLUGS), metavar="[AUTHORIZATION]...")
@click.option("--template", "template_id", metavar="TEMPLATE", help="What this template grants.")
@json_option
@click.pass_obj
def grant(
    shell: Shell, account_id: str, authorizations: tuple[str, ...], template_id: str | None, as_json: bool
) -> None:
    """Have ACCOUNT hold just these, or what a template says; without any it holds none."""
    from sipguard.manage import authorization as manage
    from sipguard.manage.authorization_form import Grant

    if template_id is not None and authorizations:
        raise click.UsageError("--template and AUTHORIZATION exclude each other")
    given = {"authorizations": list(authorizations)} if template_id is None else {"template_id": template_id}
    form = Grant.model_validate(given)
    _tell(write(shell, "account.grant", lambda act: manage.grant(act, account_id, form)), as_json)


@authorization.command()
@click.option(
    "--unused-days", type=click.IntRange(0, 36_500), help="Only what was not used for so many days."
)
@click.option("--limit", type=click.IntRange(1, 1_000), default=1_000, show_default=True)
@json_option
@click.pass_obj
def report(shell: Shell, unused_days: int | None, limit: int, as_json: bool) -> None:
    """List who holds what, and when it was used last."""
    from datetime import UTC, datetime

    from sipguard.manage import authorization_report as manage

    found = read(shell, lambda view: manage.holders(view, unused_days=unused_days, limit=limit)).items
    if as_json:
        show_json([asdict(one) for one in found])
        return
    for one in found:
        for use in one.grants:
            used = (
                "never"
                if use.used_ms is None
                else datetime.fromtimestamp(use.used_ms / 1000, UTC).isoformat()
            )
            click.echo(
                f"{one.account_id} {use.authorization}{'' if use.effective else ' (lost above)'} {used}"
            )


@authorization.command()
@click.option("--limit", type=click.IntRange(1, 1_000), default=1_000, show_default=True)
@json_option
@click.pass_obj
def check(shell: Shell, limit: int, as_json: bool) -> None:
    """List accounts that hold more, or have higher limits, than the agent above them."""
    from sipguard.manage import authorization_report as manage

    found = read(shell, lambda view: manage.excesses(view, limit=limit)).items
    show_objects(found, ("account_id", "agent_id", "authorizations", "limits"), as_json)


@click.group()
def template() -> None:
    """Templates: sets of authorizations under a name."""


@template.command("list")
@json_option
@click.pass_obj
def list_templates(shell: Shell, as_json: bool) -> None:
    """List templates, those of the program first."""
    from sipguard.manage import authorization_template as manage

    show_objects(read(shell, manage.list_templates), ("id", "authorizations", "built_in", "memo"), as_json)


@template.command("add")
@click.argument("id", metavar="TEMPLATE")
@click.argument(
    "authorizations", nargs=-1, required=True, type=click.Choice(SLUGS), metavar="AUTHORIZATION..."
)
@json_option
@click.pass_obj
def add_template(shell: Shell, id: str, authorizations: tuple[str, ...], as_json: bool) -> None:
    """Make TEMPLATE."""
    from sipguard.manage import authorization_template as manage
    from sipguard.manage.authorization_form import NewTemplate

    form = formed(NewTemplate, {"id": id, "authorizations": authorizations})
    made = write(shell, "authorization_template.create", lambda act: manage.create(act, form))
    show_objects([made], ("id", "authorizations"), as_json, one=True)


@template.command("remove")
@click.argument("id", metavar="TEMPLATE")
@click.pass_obj
def remove_template(shell: Shell, id: str) -> None:
    """Remove TEMPLATE. Accounts keep what they were granted by it."""
    from sipguard.manage import authorization_template as manage

    write(shell, "authorization_template.delete", lambda act: manage.delete(act, id))
    click.echo(f"{id} was removed")


@click.group()
def approval() -> None:
    """What agents asked for and an administrator decides (manage.sub_agents_need_approval)."""


@approval.command("list")
@click.option("--all", "everything", is_flag=True, help="What was decided, too.")
@json_option
@click.pass_obj
def list_approvals(shell: Shell, everything: bool, as_json: bool) -> None:
    """List what waits for a decision, the newest first."""
    from sipguard.manage import approval as manage

    state: manage.State | None = None if everything else "pending"
    found = read(shell, lambda view: manage.list_approvals(view, state=state, limit=1_000)).items
    show_objects(found, _APPROVAL, as_json)


@approval.command()
@click.argument("number", type=click.IntRange(0))
@click.option("--reason", required=True)
@json_option
@click.pass_obj
def approve(shell: Shell, number: int, reason: str, as_json: bool) -> None:
    """Have done what was asked for by NUMBER."""
    from sipguard.manage import approval as manage

    form = formed(manage.Decision, {"reason": reason})
    _decided(write(shell, "approval.approve", lambda act: manage.approve(act, number, form)), as_json)


@approval.command()
@click.argument("number", type=click.IntRange(0))
@click.option("--reason", required=True)
@json_option
@click.pass_obj
def refuse(shell: Shell, number: int, reason: str, as_json: bool) -> None:
    """Refuse what was asked for by NUMBER."""
    from sipguard.manage import approval as manage

    form = formed(manage.Decision, {"reason": reason})
    _decided(write(shell, "approval.refuse", lambda act: manage.refuse(act, number, form)), as_json)


def _tell(found: HeldInfo, as_json: bool) -> None:
    show_objects([found], ("account_id", "granted", "inherited", "effective"), as_json, one=True)


def _decided(found: ApprovalInfo, as_json: bool) -> None:
    show_objects([found], _APPROVAL, as_json, one=True)
