"""Making what exports of VOS3000 say: what is not there yet, by the steps of network_apply.py, then money.

What is there already stays as it is, and where it differs that is told: so the same exports again make
nothing, and an import that was interrupted goes on. The balance of an account is an opening payment under a
key of its own, whoever imports it and how often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from sipguard.manage import network_apply, network_diff, payment
from sipguard.manage.credential import Told
from sipguard.manage.desk import Act, Desk
from sipguard.manage.errors import ConflictError, ManageError
from sipguard.manage.network_apply import Applied
from sipguard.manage.network_diff import Differences, Verb
from sipguard.manage.payment_form import PaymentKind
from sipguard.manage.vos3000 import Converted, Opening
from sipguard.model.actor import Actor
from sipguard.model.authorization import Authorization
from sipguard.model.money import format_micros
from sipguard.store.payment import payment as payments
from sipguard.store.rate_import import Kind as Change

REASON = "balance in VOS3000"
BATCH = 500
"""Payments in one transaction."""


@dataclass(slots=True)
class Plan:
    """What is to be made."""

    new: Differences
    openings: list[Opening]
    """Of accounts that have had none."""
    kept: list[str] = field(default_factory=list)
    """What is there already and is not what the exports say."""


async def plan(desk: Desk, actor: Actor, told: Converted, progress: Callable[[str, int], None]) -> Plan:
    """Compare with what there is. Raises InvalidError."""
    async with desk.reading(actor) as view:
        found = await network_diff.compare(view, told.files, progress)
        keys = {entry_key(one.account_id): one for one in told.openings}
        booked = await view.conn.execute(
            select(payments.c.entry, payments.c.amount_micros).where(payments.c.entry.startswith(_ENTRY))
        )
        before = {entry: amount for entry, amount in booked.all() if entry in keys}
    new = Differences(agents=found.agents)
    new.objects = [one for one in found.objects if one.verb is Verb.ADDED]
    done = Plan(new, [one for key, one in keys.items() if key not in before])
    for one in found.objects:
        if one.verb is Verb.CHANGED:
            for name in sorted(one.fields.keys() & told.told.get((one.noun.name, one.key), frozenset())):
                was, now = one.fields[name]
                done.kept.append(f"{one.place}: {name} is {was!r} and stays, the export says {now!r}")
    for rates in found.rates:
        if any(count for kind, count in rates.counts.items() if kind is not Change.NEW):
            done.kept.append(f"{rates.name}: it has prices, which stay")
        else:
            new.rates.append(rates)
    for key, amount in before.items():
        if amount != abs(keys[key].balance_micros):
            place = keys[key].row.place("balance")
            done.kept.append(f"{place}: {format_micros(amount)} was booked as its opening before, and stays")
    return done


async def run(
    desk: Desk,
    actor: Actor,
    what: Plan,
    *,
    dry_run: bool,
    progress: Callable[[int, int], None],
    passwords: Callable[[list[Told]], None],
) -> Applied:
    """Make it, or try. Raises ManageError that names file and line."""
    done = await network_apply.apply(
        desk, actor, what.new, remove=False, dry_run=dry_run, progress=progress, passwords=passwords
    )
    if not dry_run:
        for start in range(0, len(what.openings), BATCH):
            some = what.openings[start : start + BATCH]
            async with desk.writing(actor, "payment.create", Authorization.SUB_PAYMENT) as act:
                await _open(act, some)
            progress(done.steps + start + len(some), done.steps + len(what.openings))
    return done


def entry_key(account_id: str) -> str:
    """Of the journal: one opening for an account, whoever books it."""
    return f"{_ENTRY}{account_id}"


_ENTRY = "payment:vos3000-opening:"


async def _open(act: Act, some: Sequence[Opening]) -> None:
    for one in some:
        try:
            purse = await payment.purse(act, await act.account_key(one.account_id))
            outside = await payment.outside(act, purse.currency)
            owed = one.balance_micros < 0
            await payment.book(
                act,
                PaymentKind.DEDUCTION if owed else PaymentKind.TOP_UP,
                entry_key(one.account_id),
                purse if owed else outside,
                outside if owed else purse,
                abs(one.balance_micros),
                REASON,
            )
        except ManageError as error:
            raise ConflictError(f"{one.row.place('balance')}: {error}") from None
