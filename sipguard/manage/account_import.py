"""Jobs that make accounts from a CSV file: batch by batch, each all or nothing, and resumed where they stood.

How far a job is, is committed with the accounts of each batch. A batch with a mistake is left out whole, its
mistakes are told by line, and the job goes on; so a file that was mended can be sent again: what is there
already is told as taken. The actor's scope and authorizations are looked up anew for every batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import select, update

from sipguard.manage import account_batch, account_file, page
from sipguard.manage.account_file import Line, LineProblem
from sipguard.manage.desk import Act, Desk, View
from sipguard.manage.errors import ConflictError, ManageError
from sipguard.manage.page import Page
from sipguard.manage.values import Form
from sipguard.model.actor import Actor, Role, Via
from sipguard.model.authorization import Authorization
from sipguard.store.account_import import account_import
from sipguard.store.login import login
from sipguard.store.metadata import insert_row

BATCH_LINES = 1_000
PROBLEMS_MAX = 1_000
"""That are told; all are counted."""


class NewImport(Form):
    """A file of accounts."""

    csv: str = Field(
        min_length=1, description="A header with the fields of an account, then a line for each."
    )
    dry_run: bool = Field(False, description="Say what is wrong, make nothing.")
    batch_lines: int = Field(
        BATCH_LINES, ge=1, le=10_000, description="Made in one transaction, or not at all."
    )


@dataclass(frozen=True, slots=True)
class ImportInfo:
    """A job, and how far it is."""

    number: int
    dry_run: bool
    state: Literal["running", "stopped", "done"]
    """"stopped": by an error that is not a line's; it can be resumed."""
    lines: int
    lines_done: int
    created: int
    """Accounts that were made; of a dry run: that would be."""
    failed: int
    """Lines with mistakes, and those of their batches that were left out for them."""
    problems: tuple[LineProblem, ...]
    began_ms: int
    ended_ms: int | None


async def create(act: Act, form: NewImport, *, keep: bool = True) -> ImportInfo:
    """Note a job (authorization 1). The same file again is the same job while that is not done.

    `keep`: the file with it, so that it can be resumed by its number alone. Raises ForbiddenError, and
    InvalidError where the file has no header that can be used.
    """
    await act.require(Authorization.ACCOUNT)
    lines = sum(1 for _ in account_file.read(form.csv))
    content = form.csv.encode()
    told = hashlib.sha256(b"%d %d %b" % (form.dry_run, form.batch_lines, content)).digest()
    before = select(account_import.c.key).where(
        account_import.c.content_hash == told,
        account_import.c.actor == act.actor.name,
        account_import.c.account_key.is_(act.actor.account_key)
        if act.actor.account_key is None
        else account_import.c.account_key == act.actor.account_key,
        account_import.c.state != "done",
    )
    number = await act.conn.scalar(before.order_by(account_import.c.key.desc()).limit(1))
    if number is None:
        values: dict[str, Any] = {
            "actor": act.actor.name,
            "actor_role": act.actor.role.value,
            "login_key": act.actor.login_key,
            "account_key": act.actor.account_key,
            "via": act.actor.via.value,
            "content_hash": told,
            "content": content if keep else None,
            "dry_run": form.dry_run,
            "batch_lines": form.batch_lines,
            "state": "running",
            "lines": lines,
            "lines_done": 0,
            "created": 0,
            "failed": 0,
            "problems": [],
            "began_ms": act.now_ms,
        }
        number = await insert_row(act.conn, account_import, **values)
        await act.changed(
            "account_import", str(number), act.actor.account_key, lines=lines, dry_run=form.dry_run
        )
    return await get(act, number)


async def get(view: View, number: int) -> ImportInfo:
    """Raises NotFoundError."""
    query = select(account_import).where(account_import.c.key == number)
    return _info(await view.in_scope("account import", str(number), query, "account_key"))


async def list_imports(view: View, *, after: str | None = None, limit: int = page.LIMIT) -> Page[ImportInfo]:
    """Jobs in scope, the newest first, without their problems. Raises InvalidError."""
    query = select(account_import).where(view.within(account_import.c.account_key))
    if after is not None:
        (last,) = page.position(after, (int,))
        query = query.where(account_import.c.key < last)
    query = query.order_by(account_import.c.key.desc()).limit(page.check_limit(limit) + 1)
    rows = (await view.conn.execute(query)).all()
    items = [_info(row, with_problems=False) for row in rows[:limit]]
    return Page(items, page.cursor(items[-1].number) if len(rows) > limit else None)


async def run(desk: Desk, number: int, text: str | None = None) -> AsyncIterator[ImportInfo]:
    """Do what is left of a job; how far it is, after every batch. Cancel it whenever you like.

    `text`: the file, of a job that does not keep it. Raises ConflictError where there is no file.
    """
    async with desk.store.reading() as conn:
        row = (await conn.execute(select(account_import).where(account_import.c.key == number))).one()
    if row.state == "done":
        return
    content = row.content.decode() if text is None and row.content is not None else text
    if content is None:
        raise ConflictError(f"job {number} does not keep its file: give it again")
    actor = Actor(row.actor, Role(row.actor_role), Via(row.via), row.login_key, row.account_key)
    known = account_batch.Known()
    lines = account_file.read(content)
    done = row.lines_done
    for line in islice(lines, done):
        if row.dry_run and line.form is not None:
            known.agents[line.form.id] = account_batch.Agent(None, line.form.currency or "", 1, True, False)
    while batch := list(islice(lines, row.batch_lines)):
        try:
            yield await _batch(desk, actor, number, batch, known)
        except ManageError as error:
            yield await _end(desk, number, "stopped", error)
            return
    yield await _end(desk, number, "done")


async def _batch(
    desk: Desk, actor: Actor, number: int, lines: Sequence[Line], known: account_batch.Known
) -> ImportInfo:
    async with desk.writing(actor, "account.import") as act:
        await _check_login(act)
        job = (await act.conn.execute(select(account_import).where(account_import.c.key == number))).one()
        if not job.dry_run:
            known.agents.clear()  # what earlier batches made is in the database
        found = await account_batch.check(act, lines, known)
        if not found and not job.dry_run:
            await account_batch.write(act, lines, known, number)
        bad = len({problem.line for problem in found})
        failed = bad if job.dry_run else len(lines) if found else 0
        told = [[one.line, one.field, one.message] for one in found]
        values = {
            "lines_done": job.lines_done + len(lines),
            "created": job.created + len(lines) - failed,
            "failed": job.failed + failed,
            "problems": (job.problems + told)[:PROBLEMS_MAX],
            "state": "running",
        }
        await act.conn.execute(update(account_import).where(account_import.c.key == number).values(values))
        row = (await act.conn.execute(select(account_import).where(account_import.c.key == number))).one()
    return _info(row)


async def _check_login(act: Act) -> None:
    if act.actor.login_key is None:
        return
    locked = await act.conn.scalar(select(login.c.locked).where(login.c.key == act.actor.login_key))
    if locked is None or locked:
        raise ConflictError("the login that began this is locked or gone")


async def _end(desk: Desk, number: int, state: str, error: ManageError | None = None) -> ImportInfo:
    async with desk.store.writing() as conn:
        row = (await conn.execute(select(account_import).where(account_import.c.key == number))).one()
        told = [] if error is None else [[0, "", str(error)]]
        values: dict[str, Any] = {"state": state, "problems": (told + row.problems)[:PROBLEMS_MAX]}
        values["ended_ms"] = desk.clock_ms()
        if state == "done":
            values["content"] = None
        await conn.execute(update(account_import).where(account_import.c.key == number).values(values))
        row = (await conn.execute(select(account_import).where(account_import.c.key == number))).one()
    return _info(row)


def _info(row: Any, *, with_problems: bool = True) -> ImportInfo:
    problems = tuple(LineProblem(*one) for one in row.problems) if with_problems else ()
    counts = (row.lines, row.lines_done, row.created, row.failed)
    return ImportInfo(row.key, row.dry_run, row.state, *counts, problems, row.began_ms, row.ended_ms)
