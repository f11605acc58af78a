"""Having the database say what the files say, step by step through the commands of management.

Everything is tried first, in a transaction that is rolled back. Then it is done: in one transaction where
there are no more steps than go into one, else batch by batch, each whole or not there; whoever is interrupted
does it again, and what is left is done. Rows of rate tables are taken over table by table, between the
tables' being made and anybody's buying by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sipguard.manage import rate_table
from sipguard.manage.credential import Told
from sipguard.manage.desk import Act, Desk
from sipguard.manage.errors import ConflictError, InvalidError, ManageError, Problem
from sipguard.manage.network_diff import Differences, Rates
from sipguard.manage.network_order import ordered
from sipguard.manage.network_step import Step, add_account, add_accounts
from sipguard.model.actor import Actor
from sipguard.store import lock, rate

BATCH = 1_000
"""Steps in one transaction; calls are recorded in the redo log meanwhile."""

BULK = 50
"""New accounts of one depth, from which on they are made by sets: 100,000 of them are minutes otherwise."""


@dataclass(slots=True)
class Applied:
    """What was done."""

    steps: int = 0
    rate_tables: int = 0
    """Whose rows changed."""


class _TriedError(Exception):
    """Ends the transaction of a trial; nothing has gone wrong."""


async def apply(
    desk: Desk,
    actor: Actor,
    what: Differences,
    *,
    remove: bool,
    dry_run: bool,
    batch: int = BATCH,
    progress: Callable[[int, int], None] = lambda *_: None,
    passwords: Callable[[list[Told]], None] = lambda _: None,
) -> Applied:
    """Do it all, or with `dry_run` only try. `remove`: also what no file has any more.

    `progress(done, of)` counts steps. `passwords` gets those that were made up, of phones and trunks that are
    new or have another username, just before they count; nobody tells them again.

    Raises ManageError that names the file, the line and the object: before anything was changed, unless
    somebody else changed the network meanwhile or there are more steps than go into a batch.
    """
    _refuse_stuck(what)
    first, second, third = ordered(what, remove=remove)
    everything = [*first, *second, *third]
    if dry_run or len(everything) <= batch:
        await _try(desk, actor, everything)
    if dry_run:
        return Applied(len(everything), len(what.rates))
    done = Applied()

    async def do(some: Sequence[Step]) -> None:
        for start in range(0, len(some), batch):
            part = some[start : start + batch]
            with lock.long_write(desk.store.path):
                async with desk.writing(actor, "network.apply") as act:
                    passwords(await _all(act, part))
            done.steps += len(part)
            progress(done.steps, len(everything))

    if not what.rates:
        await do(everything)
    waiting = list(what.rates)
    for some in (first, second, third) if what.rates else ():
        await do(some)
        waiting = await _take_over(desk, actor, waiting, done)
    return done


def _refuse_stuck(what: Differences) -> None:
    stuck = [
        Problem(f"{one.place}: {name}", f"was decided when it was made: {one.fields[name][0]}")
        for one in what.objects
        for name in one.stuck
    ]
    if stuck:
        raise InvalidError(stuck)


async def _try(desk: Desk, actor: Actor, everything: Sequence[Step]) -> None:
    try:
        with lock.long_write(desk.store.path):
            async with desk.writing(actor, "network.apply") as act:
                await _all(act, everything)
                raise _TriedError
    except _TriedError:
        pass


async def _all(act: Act, some: Sequence[Step]) -> list[Told]:
    passwords: list[Told] = []
    for bulk, group in groupby(some, key=_bulk):
        steps = list(group)
        if bulk is not None and len(steps) >= BULK:
            act.action = "account.create"
            await add_accounts(act, [step.what for step in steps])
        else:
            passwords += await _one_by_one(act, steps)
    return passwords


def _bulk(step: Step) -> int | None:
    """Steps that follow each other with the same number may be done together; None: never."""
    return step.depth if step.do is add_account else None


async def _one_by_one(act: Act, some: Sequence[Step]) -> list[Told]:
    passwords: list[Told] = []
    for step in some:
        act.action = step.action
        try:
            passwords += await step.do(act, step.what)
        except InvalidError as error:
            place = step.what.place
            raise InvalidError(
                [
                    Problem(f"{place}: {one.field}" if one.field else place, one.message)
                    for one in error.problems
                ]
            ) from None
        except ManageError as error:
            raise ConflictError(f"{step.what.place}: {error}") from None
    return passwords


async def _take_over(desk: Desk, actor: Actor, waiting: list[Rates], done: Applied) -> list[Rates]:
    """The price lists of the tables that there are by now; the others wait on."""
    left = []
    for one in waiting:
        async with desk.store.reading() as conn:
            table = await rate.table_by_id(conn, one.table_id)
        if table is None:
            left.append(one)
            continue
        try:
            await rate_table.import_file(desk, actor, table, one.path)
        except ManageError as error:
            raise ConflictError(f"{one.path.parent.name}/{one.path.name}: {error}") from None
        done.rate_tables += 1
    return left
