"""All objects of a noun of configuration as the files have them, by their key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeAlias

from sqlalchemy import null, select, union_all

from sipguard.manage import authorization_template
from sipguard.manage.desk import View
from sipguard.manage.page import LIMIT_MAX, Page
from sipguard.manage.values import Form
from sipguard.model.authorization import Authorization, slugs
from sipguard.store.account import account
from sipguard.store.alert import alert_threshold
from sipguard.store.destination_set import destination_prefix, destination_set
from sipguard.store.section import section, section_set

Fields: TypeAlias = dict[str, Any]
Read: TypeAlias = Callable[[View], AsyncIterator[Fields]]

SECRETS = frozenset({"password"})
"""Fields of forms that are in no file."""


def listed(page: Callable[..., Awaitable[Page[Any]]], form: type[Form]) -> Read:
    """Of a noun whose list tells all fields of its form."""
    fields = [name for name in form.model_fields if name not in SECRETS]

    async def read(view: View) -> AsyncIterator[Fields]:
        after: str | None = None
        while True:
            found = await page(view, after=after, limit=LIMIT_MAX)
            for item in found.items:
                whole = asdict(item)
                yield {name: whole[name] for name in fields}
            after = found.next_cursor
            if after is None:
                return

    return read


def in_order(elements: list[Any]) -> list[Any]:
    """Each once, sorted."""
    if elements and isinstance(elements[0], dict):
        return sorted(elements, key=lambda one: [str("" if part is None else part) for part in one.values()])
    return sorted(set(elements))


async def templates(view: View) -> AsyncIterator[Fields]:
    for info in await authorization_template.list_templates(view):
        if not info.built_in:
            yield {"id": info.id, "authorizations": list(info.authorizations), "memo": info.memo}


async def grants(view: View) -> AsyncIterator[Fields]:
    query = select(account.c.id, account.c.granted).where(
        account.c.granted != 0, account.c.closed_ms.is_(None)
    )
    async for id, granted in await view.conn.stream(query.order_by(account.c.id)):
        yield {"account_id": id, "authorizations": list(slugs(Authorization(granted)))}


async def destination_sets(view: View) -> AsyncIterator[Fields]:
    prefixes: dict[int, list[str]] = defaultdict(list)
    rows = await view.conn.execute(select(destination_prefix).order_by(destination_prefix.c.prefix))
    for set_key, prefix in rows:
        prefixes[set_key].append(prefix)
    query = (
        select(destination_set, account.c.id.label("owner_id"))
        .outerjoin(account, account.c.key == destination_set.c.owner_key)
        .order_by(account.c.id.nulls_first(), destination_set.c.id)
    )
    for row in (await view.conn.execute(query)).all():
        yield {"owner_id": row.owner_id, "id": row.id, "memo": row.memo, "prefixes": prefixes[row.key]}


async def sections(view: View) -> AsyncIterator[Fields]:
    owner = account.alias("owner")
    bare = (
        select(
            account.c.id,
            section.c.direction,
            section.c.action,
            section.c.prefix,
            null().label("set_id"),
            null().label("set_owner_id"),
        )
        .join(account, account.c.key == section.c.account_key)
        .where(section.c.set_key.is_(None))
    )
    named = (
        select(
            account.c.id,
            section_set.c.direction,
            section_set.c.action,
            null().label("prefix"),
            destination_set.c.id.label("set_id"),
            owner.c.id.label("set_owner_id"),
        )
        .join(account, account.c.key == section_set.c.account_key)
        .join(destination_set, destination_set.c.key == section_set.c.set_key)
        .outerjoin(owner, owner.c.key == destination_set.c.owner_key)
    )
    both = union_all(bare, named).subquery()
    names = ("direction", "action", "prefix", "set_id", "set_owner_id")
    rules: list[Fields] = []
    last = None
    async for id, *values in await view.conn.stream(select(both).order_by(both.c.id)):
        if last not in (None, id):
            yield {"account_id": last, "rules": in_order(rules)}
            rules = []
        last = id
        rules.append(dict(zip(names, values, strict=True)))
    if last is not None:
        yield {"account_id": last, "rules": in_order(rules)}


async def thresholds(view: View) -> AsyncIterator[Fields]:
    table = alert_threshold.c
    query = (
        select(account.c.id, table.kind, table.subtree, table.value)
        .join(account, account.c.key == table.account_key)
        .where(account.c.closed_ms.is_(None))
        .order_by(account.c.id, table.kind, table.subtree)
    )
    for row in (await view.conn.execute(query)).all():
        yield dict(zip(("account_id", "kind", "subtree", "value"), row, strict=True))
