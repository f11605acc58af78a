"""The options by which call records are chosen: the same for `cdr list` and `cdr export`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from sipguard.cli.shell import UsageError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from sipguard.store.cdr_find import Wanted

Command = TypeVar("Command", bound=Callable[..., Any])

OUTCOMES = ("answered", "refused", "failed", "cancelled")


class Chosen(NamedTuple):
    """The options as given."""

    account_id: str | None
    called: str | None
    calling: str | None
    gateway_id: str | None
    outcome: str | None
    status: str | None
    reason: str | None
    sip_call_id: str | None
    since: str | None
    till: str | None
    by: str
    zone: str | None


_OPTIONS = (
    click.option("--account", "account_id", metavar="ID", help="Only this account and everything below it."),
    click.option("--called", metavar="PREFIX", help="Only called numbers that begin so, as judged."),
    click.option("--calling", metavar="PREFIX", help="Only calling numbers that begin so, as judged."),
    click.option(
        "--gateway", "gateway_id", metavar="ID", help="Only what this gateway brought or was asked for."
    ),
    click.option("--outcome", metavar="OUTCOME", help=f"One of {', '.join(OUTCOMES)}."),
    click.option("--status", metavar="CODE", help="SIP status that the caller got, such as 486 or 4xx."),
    click.option("--reason", metavar="NAME", help="Why it was refused or cut, such as section_blocked."),
    click.option("--call-id", "sip_call_id", metavar="CALL-ID", help="Call-ID of the SIP messages."),
    click.option(
        "--from",
        "since",
        metavar="WHEN",
        help="Not before: 2026-12-31, 2026-12-31T18:00, today, 90m, 24h, 7d.",
    ),
    click.option("--till", metavar="WHEN", help="Before this moment; a date is its first moment."),
    click.option(
        "--by",
        type=click.Choice(("invite", "end")),
        default="invite",
        show_default=True,
        help="Which moment of a call --from and --till are about.",
    ),
    click.option(
        "--zone", metavar="ZONE", help="Time zone in which times are read and shown, such as Asia/Dhaka."
    ),
)


def filter_options(command: Command) -> Command:
    """Give a command all options, and one argument `chosen` for them."""

    @wraps(command)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        chosen = Chosen(*(kwargs.pop(name) for name in Chosen._fields))
        return command(*args, chosen=chosen, **kwargs)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]  # click's decorators add to it and hand it back


def zone_of(chosen: Chosen) -> tzinfo | None:
    """The zone that was asked for; None: that of this machine."""
    return zone_named(chosen.zone)


def zone_named(name: str | None) -> tzinfo | None:
    """The zone of ``--zone``; None: that of this machine. Raises UsageError."""
    from sipguard.policy import window

    if name is None:
        return None
    try:
        return window.zone_of(name)
    except ValueError as error:
        raise UsageError(f"--zone {name}: {error}") from None


async def wanted(conn: AsyncConnection, chosen: Chosen, zone: tzinfo | None) -> Wanted:
    """What the options ask for. Raises UsageError that names the one that cannot be used."""
    from sipguard.cli import account as account_command
    from sipguard.model.cdr import Outcome
    from sipguard.store import account
    from sipguard.store.cdr_find import Wanted

    accounts = None
    if chosen.account_id is not None:
        await account_command.require(conn, chosen.account_id)
        accounts = await account.ids_below(conn, chosen.account_id)
    if chosen.outcome is not None and chosen.outcome not in OUTCOMES:
        raise UsageError(f"--outcome {chosen.outcome}: expected one of {', '.join(OUTCOMES)}")
    now = datetime.now(UTC)
    from_ms, till_ms = (
        None if text is None else time_of(option, text, zone, now)
        for option, text in (("--from", chosen.since), ("--till", chosen.till))
    )
    if from_ms is not None and till_ms is not None and till_ms <= from_ms:
        raise UsageError(f"--till {chosen.till}: not after --from {chosen.since}, so no call can lie between")
    return Wanted(
        account_ids=accounts,
        called=_front("--called", chosen.called),
        calling=_front("--calling", chosen.calling),
        gateway_id=_filled("--gateway", chosen.gateway_id),
        outcome=None if chosen.outcome is None else Outcome(chosen.outcome),
        status=None if chosen.status is None else _status(chosen.status),
        reason=_filled("--reason", chosen.reason),
        sip_call_id=_filled("--call-id", chosen.sip_call_id),
        from_ms=from_ms,
        till_ms=till_ms,
        by="invited" if chosen.by == "invite" else "ended",
    )


async def explain_nothing(conn: AsyncConnection, chosen: Chosen) -> None:
    """Nothing was found: raise UsageError where an option names what there has never been."""
    from difflib import get_close_matches

    from sipguard.store import gateway

    if chosen.gateway_id is not None:
        known = {one.id for one in await gateway.all_mapping_gateways(conn)}
        known |= {one.id for one in await gateway.all_routing_gateways(conn)}
        if chosen.gateway_id not in known:
            near = get_close_matches(chosen.gateway_id, known, n=1, cutoff=0.5)
            hint = f", did you mean {near[0]}?" if near else ""
            raise UsageError(f"there is no gateway {chosen.gateway_id}{hint}")


def _filled(option: str, text: str | None) -> str | None:
    if text == "":
        raise UsageError(f"{option}: found nothing, expected a value")
    return text


def _front(option: str, text: str | None) -> str | None:
    """Numbers are kept without the plus, as judged."""
    front = text and text.removeprefix("+")
    if front == "" or (front is not None and not re.fullmatch(r"[!-~]+", front)):
        raise UsageError(f"{option} {text}: expected the front of a number, such as 8801 or +8801")
    return front


def _status(text: str) -> tuple[int, int]:
    if re.fullmatch(r"[2-6](xx|XX)", text):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    if re.fullmatch(r"[2-6][0-9]{2}", text):
        return int(text), int(text)
    raise UsageError(f"--status {text}: expected a final SIP status such as 486, or a class such as 4xx")


def time_of(option: str, text: str, zone: tzinfo | None, now: datetime) -> int:
    """A moment as people write it, in Unix milliseconds. Raises UsageError that names `option`."""
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if ago := re.fullmatch(r"([0-9]{1,6})([mhd])", text):
            unit = {"m": "minutes", "h": "hours", "d": "days"}[ago[2]]
            moment = now - timedelta(**{unit: int(ago[1])})
        elif text in ("today", "yesterday"):
            moment = midnight - timedelta(days=text == "yesterday")
        else:
            moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} {text}: expected a date or time such as 2026-12-31 or 2026-12-31T18:00+06:00,"
            " today, yesterday, or a time ago such as 90m, 24h or 7d"
        ) from None


def show_time(at_ms: int, zone: tzinfo | None, precision: str) -> str:
    """A moment in a zone (None: this machine's), with its offset."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).isoformat(" ", precision)
