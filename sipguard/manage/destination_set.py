"""Destination sets: named lists of prefixes, of an agent or of the operator, that number sections refer to.

A set is known by its id among those of its owner. Everybody may use the operator's; an agent's are for itself
and are changed by itself (authorization 1) or by an administrator, who names it as OWNER/ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete as delete_from
from sqlalchemy import insert, or_, select, update

from sipguard.manage import etag, page
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, NotFoundError
from sipguard.manage.page import Page
from sipguard.manage.section_form import NewSet, SetChanges
from sipguard.model.authorization import Authorization
from sipguard.model.section import Direction
from sipguard.store import section as store
from sipguard.store.account import account
from sipguard.store.destination_set import destination_prefix, destination_set
from sipguard.store.metadata import insert_row
from sipguard.store.section import section_set


@dataclass(frozen=True, slots=True)
class SetInfo:
    """A destination set."""

    id: str
    own: bool
    """Whether it belongs to the account that asks; else it is the operator's."""
    memo: str
    prefixes: tuple[str, ...]

    @property
    def version(self) -> dict[str, object]:
        """What the etag is of."""
        return {"memo": self.memo, "prefixes": list(self.prefixes)}

    @property
    def etag(self) -> str:
        return etag.etag(self.version)


async def usable(view: View, id: str) -> int | None:
    """Key of the set that the actor means by an id: its own, else the operator's."""
    row = await _row(view, id)
    return None if row is None else int(row.key)


async def get(view: View, id: str) -> SetInfo:
    """The actor's own set of that id, else the operator's. Raises NotFoundError."""
    row = await _row(view, id)
    if row is None:
        raise NotFoundError("destination set", id)
    return await _info(view, row)


async def list_sets(view: View, *, after: str | None = None, limit: int = page.LIMIT) -> Page[SetInfo]:
    """The sets that the actor may use, by id. Raises InvalidError."""
    query = select(destination_set).where(_usable(view))
    if after is not None:
        id, own = page.position(after, (str, int))
        beyond = destination_set.c.owner_key.is_(None) if own else False
        query = query.where(or_(destination_set.c.id > id, (destination_set.c.id == id) & beyond))
    order = (destination_set.c.id, destination_set.c.owner_key.is_(None))
    rows = (await view.conn.execute(query.order_by(*order).limit(page.check_limit(limit) + 1))).all()
    items = [await _info(view, row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items, None)
    return Page(items, page.cursor(items[-1].id, int(rows[limit - 1].owner_key is not None)))


async def create(act: Act, form: NewSet, owner_id: str | None = None) -> SetInfo:
    """Make a set of the actor's own (authorization 1), or by an administrator one of an agent.

    Raises ForbiddenError, NotFoundError, ConflictError.
    """
    await act.require(Authorization.ACCOUNT)
    owner = act.actor.account_key
    if owner_id is not None:
        act.require_administrator()
        owner = await act.account_key(owner_id)
    mine = destination_set.c.owner_key.is_(None) if owner is None else destination_set.c.owner_key == owner
    taken = select(destination_set.c.key).where(destination_set.c.id == form.id, mine)
    if await act.conn.scalar(taken) is not None:
        raise ConflictError(f"there is a destination set {form.id} already")
    key = await insert_row(act.conn, destination_set, id=form.id, owner_key=owner, memo=form.memo)
    await _write(act, key, form.prefixes)
    await act.changed("destination_set", form.id, owner, after=form.model_dump())
    return await get(act, form.id if owner_id is None else f"{owner_id}/{form.id}")


async def modify(act: Act, id: str, form: SetChanges, expected: str | None = None) -> SetInfo:
    """Change an own set, and with it the sections of all accounts that name it (authorization 1).

    Raises ForbiddenError, NotFoundError, StaleError.
    """
    row, before = await _own(act, id)
    etag.check("destination set", id, expected, before.version)
    await act.conn.execute(
        update(destination_set).where(destination_set.c.key == row.key).values(memo=form.memo)
    )
    await act.conn.execute(delete_from(destination_prefix).where(destination_prefix.c.set_key == row.key))
    await _write(act, row.key, form.prefixes)
    users = select(section_set.c.account_key).where(section_set.c.set_key == row.key).distinct()
    keys = (await act.conn.execute(users)).scalars().all()
    await store.expand(act.conn, keys, Direction)
    await act.changed("destination_set", id, row.owner_key, before=before.version, after=form.model_dump())
    return await get(act, id)


async def delete(act: Act, id: str) -> None:
    """Raises ForbiddenError, NotFoundError, ConflictError that lists accounts whose sections name it."""
    row, before = await _own(act, id)
    users = (
        select(account.c.id)
        .join(section_set, section_set.c.account_key == account.c.key)
        .where(section_set.c.set_key == row.key, act.within(account.c.key))
        .distinct()
        .order_by(account.c.id)
        .limit(20)
    )
    if found := (await act.conn.execute(users)).scalars().all():
        raise ConflictError(f"sections name the destination set {id}", [f"account {one}" for one in found])
    for table, column in (
        (section_set, section_set.c.set_key),
        (destination_prefix, destination_prefix.c.set_key),
        (destination_set, destination_set.c.key),
    ):
        await act.conn.execute(delete_from(table).where(column == row.key))
    await act.changed("destination_set", id, row.owner_key, before=before.version)


async def _own(act: Act, id: str) -> tuple[Any, SetInfo]:
    await act.require(Authorization.ACCOUNT)
    row = await _row(act, id)
    if row is None or ("/" not in id and row.owner_key != act.actor.account_key):
        raise NotFoundError("own destination set", id)
    return row, await _info(act, row)


def _usable(view: View) -> Any:
    return or_(destination_set.c.owner_key.is_(None), destination_set.c.owner_key == view.actor.account_key)


async def _row(view: View, id: str) -> Any:
    owner_id, slash, own_id = id.partition("/")
    if slash:
        return await _row_of(view, owner_id, own_id)
    query = select(destination_set).where(destination_set.c.id == id, _usable(view))
    return (
        await view.conn.execute(query.order_by(destination_set.c.owner_key.is_(None)).limit(1))
    ).one_or_none()


async def _row_of(view: View, owner_id: str, id: str) -> Any:
    """An agent's set, for those who see all: no id has a stroke in it."""
    if not view.actor.sees_all:
        return None
    mine = (
        destination_set.c.owner_key == select(account.c.key).where(account.c.id == owner_id).scalar_subquery()
    )
    return (
        await view.conn.execute(select(destination_set).where(mine, destination_set.c.id == id))
    ).one_or_none()


async def _write(act: Act, key: int, prefixes: list[str]) -> None:
    rows = [{"set_key": key, "prefix": prefix} for prefix in sorted(set(prefixes))]
    await act.conn.execute(insert(destination_prefix), rows)


async def _info(view: View, row: Any) -> SetInfo:
    query = select(destination_prefix.c.prefix).where(destination_prefix.c.set_key == row.key)
    prefixes = (await view.conn.execute(query.order_by(destination_prefix.c.prefix))).scalars().all()
    return SetInfo(row.id, row.owner_key == view.actor.account_key, row.memo, tuple(prefixes))
