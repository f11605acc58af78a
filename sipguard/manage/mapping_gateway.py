"""Mapping gateways: trunks of customers, known by where they call from or by what they prove."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from sipguard.manage import etag, mapping_source, page
from sipguard.manage.credential import Told, give
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.gateway_common import check_plan, refuse_while_calls, require_for, set_apart
from sipguard.manage.gateway_form import (
    OPERATORS,
    MappingGatewayChanges,
    NewCredential,
    NewMappingGateway,
)
from sipguard.manage.page import Page
from sipguard.model.authorization import Authorization
from sipguard.model.gateway import NumberPlan
from sipguard.model.presentation import CallerRule
from sipguard.policy import caller
from sipguard.store.account import account
from sipguard.store.credential import credential
from sipguard.store.gateway import (
    mapping_gateway,
    mapping_gateway_certificate,
    mapping_gateway_route,
    mapping_gateway_source,
    routing_gateway,
)
from sipguard.store.metadata import insert_row

_LISTS = ("sources", "certificates", "routing_gateway_ids")


@dataclass(frozen=True, slots=True)
class MappingGatewayInfo:
    """A mapping gateway as its managers see it."""

    id: str
    account_id: str
    username: str | None
    """None: its address, or its certificate, is enough."""
    sources: list[str]
    certificates: list[str]
    country_code: str | None
    national_prefix: str | None
    international_prefixes: list[str]
    called_rewrite: list[str]
    caller_rewrite: list[str]
    tech_prefixes: list[str]
    locked: bool
    capacity: int | None
    cps_limit: int | None
    routing_gateway_ids: list[str] | None
    """None: all; for agents, those of the list that they see."""
    trusted: bool
    caller_number: str | None
    caller_prefixes: list[str] | None

    @property
    def etag(self) -> str:
        return etag.etag(asdict(self))


async def get(view: View, gateway_id: str) -> MappingGatewayInfo:
    """Raises NotFoundError."""
    return (await _infos(view, [await row_of(view, gateway_id)]))[0]


async def list_gateways(
    view: View, account_id: str | None = None, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[MappingGatewayInfo]:
    """By id: of one account, or of all in scope. Raises NotFoundError, InvalidError."""
    query = _SELECT.where(await view.of_account(mapping_gateway.c.account_key, account_id))
    rows, further = await page.read(view.conn, query, mapping_gateway.c.id, after, limit)
    items = await _infos(view, rows)
    return Page(items, further)


async def create(act: Act, form: NewMappingGateway) -> tuple[MappingGatewayInfo, Told | None]:
    """Make a trunk of an account in scope (authorization 4).

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for what is taken.
    """
    await act.require(Authorization.GATEWAY)
    account_key = await act.account_key(form.account_id)
    await require_for(act, set_apart(form) & OPERATORS)
    if form.username is None and form.password is not None:
        raise InvalidError.of("username", "a password needs one")
    if not (form.sources or form.certificates or form.username):
        raise InvalidError.of("sources", "a trunk is known by a source, a certificate or a username")
    if await act.conn.scalar(select(mapping_gateway.c.key).where(mapping_gateway.c.id == form.id)):
        raise ConflictError(f"the mapping gateway id {form.id} is taken")
    values = form.model_dump(mode="json", exclude={"account_id", "username", "password"})
    _check(values)
    values["tech_prefixes"] = sorted(set(values["tech_prefixes"]))
    await mapping_source.check(act, None, values["sources"], values["tech_prefixes"])
    columns = {name: value for name, value in values.items() if name not in _LISTS}
    allowed = form.routing_gateway_ids
    key = await insert_row(
        act.conn,
        mapping_gateway,
        account_key=account_key,
        all_routing_gateways=allowed is None,
        **columns,
    )
    await mapping_source.put(act, key, values["sources"])
    await _put_lists(act, key, values)
    told = None
    if form.username is not None:
        told = await _put_password(act, key, form.id, form.username, form.password)
    shown = form.model_dump(mode="json", exclude={"password"})
    await act.changed("mapping_gateway", form.id, account_key, after=shown)
    return await get(act, form.id), told


async def modify(
    act: Act, gateway_id: str, form: MappingGatewayChanges, expected: str | None = None
) -> MappingGatewayInfo:
    """Change what `form` was given: authorization 5 for what it is, 6 for how much it takes.

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for what is taken, StaleError.
    """
    row = await row_of(act, gateway_id)
    before = asdict((await _infos(act, [row]))[0])
    values = form.model_dump(mode="json", exclude_unset=True)
    changed = [name for name, value in values.items() if value != before[name]]
    await require_for(act, changed or values or ["locked"])
    etag.check("mapping_gateway", gateway_id, expected, before)
    _check(before | values)
    after = before | values
    if not (after["sources"] or after["certificates"] or after["username"]):
        raise InvalidError.of("sources", "a trunk is known by a source, a certificate or a username")
    if "tech_prefixes" in values:
        values["tech_prefixes"] = after["tech_prefixes"] = sorted(set(values["tech_prefixes"]))
    if {"sources", "tech_prefixes"} & set(values):
        told_apart = after["tech_prefixes"] == before["tech_prefixes"]
        known = before["sources"] if told_apart else ()
        await mapping_source.check(act, row.key, after["sources"], after["tech_prefixes"], known)
        # What is let go of stands in no prefix's way, and no prefix that goes in that of what is new.
        kept = set(after["sources"]).intersection(before["sources"])
        await mapping_source.put(act, row.key, kept)
    columns = {name: value for name, value in values.items() if name not in _LISTS}
    if "routing_gateway_ids" in values:
        columns["all_routing_gateways"] = values["routing_gateway_ids"] is None
    if columns:
        await act.conn.execute(
            update(mapping_gateway).where(mapping_gateway.c.key == row.key).values(columns)
        )
    if "sources" in values:
        await mapping_source.put(act, row.key, values["sources"])
    await _put_lists(act, row.key, values)
    was = {name: before[name] for name in values}
    await act.changed("mapping_gateway", gateway_id, row.account_key, before=was, after=values)
    return await get(act, gateway_id)


async def release_sources(act: Act, gateway_id: str) -> None:
    """Take all sources from a trunk that gets others in the same transaction (authorization 5).

    Raises ForbiddenError, NotFoundError.
    """
    await act.require(Authorization.GATEWAY_INFORMATION)
    row = await row_of(act, gateway_id)
    before = (await _infos(act, [row]))[0].sources
    await mapping_source.put(act, row.key, ())
    await act.changed(
        "mapping_gateway", gateway_id, row.account_key, before={"sources": before}, after={"sources": []}
    )


async def set_password(act: Act, gateway_id: str, form: NewCredential) -> Told:
    """Give a trunk a user or another password (authorization 5).

    Raises ForbiddenError, NotFoundError, InvalidError without a username, ConflictError for a taken one.
    """
    await act.require(Authorization.GATEWAY_INFORMATION)
    row = await row_of(act, gateway_id)
    username = form.username or row.username
    if username is None:
        raise InvalidError.of("username", "this trunk has none yet")
    if row.username is not None and row.username != username:
        await act.conn.execute(delete(credential).where(credential.c.username == row.username))
    told = await _put_password(act, row.key, gateway_id, username, form.password)
    await act.changed("mapping_gateway", gateway_id, row.account_key, username=username)
    return told


async def remove(act: Act, gateway_id: str, expected: str | None = None) -> None:
    """Remove a trunk that no call comes through (authorization 4).

    Raises ForbiddenError, NotFoundError, StaleError, ConflictError, UnavailableError.
    """
    await act.require(Authorization.GATEWAY)
    row = await row_of(act, gateway_id)
    before = asdict((await _infos(act, [row]))[0])
    etag.check("mapping_gateway", gateway_id, expected, before)
    await refuse_while_calls(act, "mapping gateway", gateway_id, gateway_id)
    await act.conn.execute(delete(credential).where(credential.c.mapping_gateway_key == row.key))
    for table in (mapping_gateway_source, mapping_gateway_certificate, mapping_gateway_route):
        await act.conn.execute(delete(table).where(table.c.gateway_key == row.key))
    await act.conn.execute(delete(mapping_gateway).where(mapping_gateway.c.key == row.key))
    await act.changed("mapping_gateway", gateway_id, row.account_key, before=before)


def _check(values: Mapping[str, Any]) -> None:
    plan = NumberPlan(
        values["country_code"], values["national_prefix"], tuple(values["international_prefixes"])
    )
    check_plan(plan)
    try:
        prefixes = values["caller_prefixes"]
        if values["caller_number"] is not None or prefixes is not None:
            caller.check(CallerRule(values["caller_number"], None if prefixes is None else tuple(prefixes)))
    except ValueError as error:
        raise InvalidError.of("caller_number", str(error)) from None


async def _put_lists(act: Act, key: int, values: Mapping[str, Any]) -> None:
    """Certificates and allowed gateways, those that are given. Raises as `modify`."""
    if "certificates" in values:
        table = mapping_gateway_certificate
        names = list(dict.fromkeys(values["certificates"]))
        others = select(table.c.name).where(table.c.name.in_(names), table.c.gateway_key != key)
        if taken := (await act.conn.scalars(others)).all():
            raise ConflictError("these certificates are taken", sorted(taken))
        await act.conn.execute(delete(table).where(table.c.gateway_key == key))
        if names:
            await act.conn.execute(insert(table), [{"name": name, "gateway_key": key} for name in names])
    if "routing_gateway_ids" in values:
        ids = list(dict.fromkeys(values["routing_gateway_ids"] or ()))
        query = select(routing_gateway.c.id, routing_gateway.c.key).where(routing_gateway.c.id.in_(ids))
        known = dict((await act.conn.execute(query)).all())
        if missing := [id for id in ids if id not in known]:
            raise InvalidError.of("routing_gateway_ids", f"there is no routing gateway {missing[0]}")
        await act.conn.execute(
            delete(mapping_gateway_route).where(mapping_gateway_route.c.gateway_key == key)
        )
        if ids:
            rows = [{"gateway_key": key, "routing_gateway_key": known[id]} for id in ids]
            await act.conn.execute(insert(mapping_gateway_route), rows)


async def _put_password(act: Act, key: int, gateway_id: str, username: str, password: str | None) -> Told:
    table = credential.c
    owner = (await act.conn.execute(select(credential).where(table.username == username))).one_or_none()
    if owner is not None and owner.mapping_gateway_key != key:
        raise ConflictError(f"the username {username} is taken")
    return await give(act, gateway_id, username, password, mapping_gateway_key=key)


async def row_of(view: View, gateway_id: str) -> Any:
    """The row of a trunk in scope. Raises NotFoundError."""
    return await view.in_scope(
        "mapping_gateway", gateway_id, _SELECT.where(mapping_gateway.c.id == gateway_id), "account_key"
    )


_SELECT: Select[Any] = (
    select(mapping_gateway, account.c.id.label("account_id"), credential.c.username)
    .join(account, account.c.key == mapping_gateway.c.account_key)
    .outerjoin(credential, credential.c.mapping_gateway_key == mapping_gateway.c.key)
    .group_by(mapping_gateway.c.key)
)


async def _infos(view: View, rows: Sequence[Any]) -> list[MappingGatewayInfo]:
    keys = [row.key for row in rows]
    sources = await _texts(view, mapping_gateway_source, "network", keys)
    certificates = await _texts(view, mapping_gateway_certificate, "name", keys)
    allowed: dict[int, list[str]] = defaultdict(list)
    table = mapping_gateway_route
    query = (
        select(table.c.gateway_key, routing_gateway.c.id)
        .join(routing_gateway, routing_gateway.c.key == table.c.routing_gateway_key)
        .where(table.c.gateway_key.in_(keys), view.within(routing_gateway.c.owner_key))
        .order_by(routing_gateway.c.id)
    )
    for each in await view.conn.execute(query):
        allowed[each.gateway_key].append(each.id)
    return [
        MappingGatewayInfo(
            id=row.id,
            account_id=row.account_id,
            username=row.username,
            sources=sources[row.key],
            certificates=certificates[row.key],
            country_code=row.country_code,
            national_prefix=row.national_prefix,
            international_prefixes=list(row.international_prefixes),
            called_rewrite=list(row.called_rewrite),
            caller_rewrite=list(row.caller_rewrite),
            tech_prefixes=list(row.tech_prefixes),
            locked=row.locked,
            capacity=row.capacity,
            cps_limit=row.cps_limit,
            routing_gateway_ids=None if row.all_routing_gateways else allowed[row.key],
            trusted=row.trusted,
            caller_number=row.caller_number,
            caller_prefixes=None if row.caller_prefixes is None else list(row.caller_prefixes),
        )
        for row in rows
    ]


async def _texts(view: View, table: Any, column: str, keys: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    query = select(table).where(table.c.gateway_key.in_(keys)).order_by(table.c[column])
    for row in await view.conn.execute(query):
        found[row.gateway_key].append(row._mapping[column])
    return found
