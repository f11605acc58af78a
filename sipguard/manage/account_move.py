"""Moving an account to another agent. Its subtree stays whole."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field
from sqlalchemy import delete, or_, select, update

from sipguard.manage import account as accounts
from sipguard.manage import etag, sub_agent
from sipguard.manage.account import AccountInfo
from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError, ForbiddenError, InvalidError
from sipguard.manage.values import Form, Id
from sipguard.model.authorization import Authorization
from sipguard.store import gateway, tree
from sipguard.store.account import account
from sipguard.store.destination_set import destination_set
from sipguard.store.rate import rate_table
from sipguard.store.section import section, section_set


class AccountMove(Form):
    """Where an account goes."""

    agent_id: Id | None = Field(
        description="The new agent; null: the account of the login, or the top level."
    )
    rate_table_id: Id | None = Field(
        None,
        description="What it buys by from then on; needed where it bought by a table of its agent so far.",
    )


async def move(
    act: Act, account_id: str, form: AccountMove, expected: str | None = None, *, approved: bool = False
) -> AccountInfo:
    """Hang an account, with everything below it, under another agent in scope (authorization 1).

    Raises ForbiddenError, NotFoundError for either end, StaleError, InvalidError, ConflictError with what
    stands in the way.
    """
    await act.require(Authorization.ACCOUNT)
    key = await accounts.managed(act, account_id)
    agent_key = act.actor.account_key if form.agent_id is None else await act.account_key(form.agent_id)
    before = await accounts.get(act, account_id)
    etag.check("account", account_id, expected, before.version)
    above = [] if agent_key is None else await tree.chain(act.conn, agent_key)
    if any(level.key == key for level in above):
        raise ConflictError(f"{form.agent_id} is {account_id} itself or stands below it")
    if not approved and await sub_agent.needs_approval(act, agent_key):
        raise ForbiddenError(sub_agent.NEEDED)
    await _check_currency(act, before, agent_key)
    warnings = await sub_agent.check_depth(act, agent_key, 1 + await tree.height(act.conn, key))
    columns: dict[str, object] = {"agent_key": agent_key}
    columns |= await _table(act, key, form, agent_key, before.currency)
    await _check_gateways(act, key, [level.key for level in above])
    await act.conn.execute(update(account).where(account.c.key == key).values(columns))
    await _keep_prefixes(act, key, [level.key for level in above])
    was = {"agent_id": before.agent_id, "rate_table_id": before.rate_table_id}
    moved = replace(await accounts.get(act, account_id), warnings=warnings)
    now = {"agent_id": moved.agent_id, "rate_table_id": moved.rate_table_id}
    await act.changed("account", account_id, key, before=was, after=now)
    return moved


async def _check_currency(act: Act, moved: AccountInfo, agent_key: int | None) -> None:
    if agent_key is None:
        return
    currency = await act.conn.scalar(select(account.c.currency).where(account.c.key == agent_key))
    if currency != moved.currency:
        raise InvalidError.of("agent_id", f"its tree is in {currency}, the account in {moved.currency}")


async def _table(
    act: Act, key: int, form: AccountMove, agent_key: int | None, currency: str
) -> dict[str, object]:
    if form.rate_table_id is not None:
        return {"rate_table_key": await accounts.sold_table(act, form.rate_table_id, agent_key, currency)}
    found = (
        await act.conn.execute(
            select(rate_table.c.id, rate_table.c.owner_key)
            .join(account, account.c.rate_table_key == rate_table.c.key)
            .where(account.c.key == key)
        )
    ).one_or_none()
    if found is not None and found.owner_key not in (None, agent_key):
        raise ConflictError(
            "its agent so far keeps the table that it buys by: name one of the new agent in rate_table_id",
            [f"rate table {found.id}"],
        )
    return {}


async def _check_gateways(act: Act, key: int, above: list[int]) -> None:
    """Its trunks may use gateways of agents above it, and of no others."""
    mapping, route, routing = gateway.mapping_gateway, gateway.mapping_gateway_route, gateway.routing_gateway
    here = or_(mapping.c.account_key == key, mapping.c.account_key.in_(select(tree.below(key).c.key)))
    strange = routing.c.owner_key.is_not(None) & routing.c.owner_key.not_in([key, *above])
    query = (
        select(mapping.c.id, routing.c.id)
        .join(route, route.c.gateway_key == mapping.c.key)
        .join(routing, routing.c.key == route.c.routing_gateway_key)
        .where(here, strange, routing.c.owner_key.not_in(select(tree.below(key).c.key)))
        .order_by(mapping.c.id, routing.c.id)
        .limit(20)
    )
    if found := (await act.conn.execute(query)).all():
        raise ConflictError(
            "its trunks use gateways of the agent so far",
            [f"mapping gateway {mine} by routing gateway {theirs}" for mine, theirs in found],
        )


async def _keep_prefixes(act: Act, key: int, above: list[int]) -> None:
    """Sections that name sets of agents who are no longer above keep the prefixes and forget the sets."""
    here = {key}
    here.update(
        (
            await act.conn.execute(
                select(section_set.c.account_key).where(
                    section_set.c.account_key.in_(select(tree.below(key).c.key))
                )
            )
        ).scalars()
    )
    sets = (
        select(destination_set.c.key)
        .where(
            destination_set.c.owner_key.is_not(None),
            destination_set.c.owner_key.not_in([key, *above]),
            destination_set.c.owner_key.not_in(select(tree.below(key).c.key)),
        )
        .scalar_subquery()
    )
    named = section_set.c.account_key.in_(here) & section_set.c.set_key.in_(sets)
    keys = (await act.conn.execute(select(section_set.c.set_key).where(named).distinct())).scalars().all()
    if not keys:
        return
    mine = section.c.account_key.in_(here) & section.c.set_key.in_(keys)
    await act.conn.execute(update(section).where(mine).values(set_key=None))
    await act.conn.execute(
        delete(section_set).where(section_set.c.account_key.in_(here), section_set.c.set_key.in_(keys))
    )
