"""Routing gateways: the operator's vendors, and gateways of agents for the calls below them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from sipguard.manage import etag, page
from sipguard.manage.desk import Act, View
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.gateway_common import check_host, check_plan, refuse_while_calls, require_for, set_apart
from sipguard.manage.gateway_form import (
    NEVER_FAILED_OVER,
    OPERATORS,
    NewRoutingGateway,
    RouteForm,
    RoutingGatewayChanges,
)
from sipguard.manage.page import Page
from sipguard.model.authorization import Authorization
from sipguard.model.gateway import NumberPlan
from sipguard.model.ledger import LedgerKind
from sipguard.model.rewrite import parsed
from sipguard.policy import rewrite
from sipguard.store import ledger
from sipguard.store.account import account
from sipguard.store.gateway import mapping_gateway_route, route, routing_gateway
from sipguard.store.metadata import insert_row
from sipguard.store.rate import rate_table


@dataclass(frozen=True, slots=True)
class RouteInfo:
    prefix: str
    priority: int
    weight: int
    mode: str


@dataclass(frozen=True, slots=True)
class RoutingGatewayInfo:
    """A routing gateway as its managers see it: the operator's only administrators do."""

    id: str
    owner_id: str | None
    """None: the operator's."""
    host: str
    port: int | None
    transport: str | None
    tls_name: str | None
    tls_verify: bool
    strip_digits: int
    add_prefix: str
    called_rewrite: list[str]
    caller_rewrite: list[str]
    routes: list[RouteInfo]
    caller_format: str
    asserts: str
    country_code: str | None
    national_prefix: str
    international_prefix: str
    answer_timeout_ms: int
    ring_timeout_ms: int
    failover_codes: list[int]
    probe_seconds: int | None
    probe_down_codes: list[int]
    fails_over_after_media: bool
    locked: bool
    capacity: int | None
    cps_limit: int | None
    cost_table_id: str | None
    """None for agents: the operator's matter."""
    vendor_credit_micros: int | None
    """Likewise."""
    sells_below_cost: bool
    redirects: str
    dials_by_to: bool
    takes_refer: bool
    trusted: bool
    hides_topology: bool
    hides_call_id: bool

    @property
    def etag(self) -> str:
        return etag.etag(asdict(self))


async def get(view: View, gateway_id: str) -> RoutingGatewayInfo:
    """Raises NotFoundError."""
    return (await _infos(view, [await row_of(view, gateway_id)]))[0]


async def list_gateways(
    view: View, *, after: str | None = None, limit: int = page.LIMIT
) -> Page[RoutingGatewayInfo]:
    """All in scope by id. Raises InvalidError."""
    query = _SELECT.where(view.within(routing_gateway.c.owner_key))
    rows, further = await page.read(view.conn, query, routing_gateway.c.id, after, limit)
    items = await _infos(view, rows)
    return Page(items, further)


async def create(act: Act, form: NewRoutingGateway) -> RoutingGatewayInfo:
    """Make a gateway (authorization 4): an agent's is its own, or of an agent below it.

    Raises ForbiddenError, NotFoundError, InvalidError, ConflictError for an id that is taken.
    """
    await act.require(Authorization.GATEWAY)
    owner_key = act.actor.account_key if form.owner_id is None else await act.account_key(form.owner_id)
    values = form.model_dump(mode="json", exclude={"owner_id"})
    await require_for(act, set_apart(form) & OPERATORS)
    await _check(act, values, owner_key is not None)
    del values["routes"]
    if await act.conn.scalar(select(routing_gateway.c.key).where(routing_gateway.c.id == form.id)):
        raise ConflictError(f"the routing gateway id {form.id} is taken")
    columns = await _columns(act, values)
    key = await insert_row(act.conn, routing_gateway, owner_key=owner_key, **columns)
    await _put_routes(act, key, form.routes)
    currency = await _currency(act, owner_key)
    await ledger.insert(act.conn, LedgerKind.CLEARING, currency, routing_gateway_key=key)
    await act.changed("routing_gateway", form.id, owner_key, after=form.model_dump(mode="json"))
    return await get(act, form.id)


async def modify(
    act: Act, gateway_id: str, form: RoutingGatewayChanges, expected: str | None = None
) -> RoutingGatewayInfo:
    """Change what `form` was given: authorization 5 for what it is, 6 for how much it takes.

    Raises ForbiddenError, NotFoundError, InvalidError, StaleError.
    """
    row = await row_of(act, gateway_id)
    before = asdict((await _infos(act, [row]))[0])
    values = form.model_dump(mode="json", exclude_unset=True)
    changed = [name for name, value in values.items() if value != before[name]]
    await require_for(act, changed or values or ["locked"])
    etag.check("routing_gateway", gateway_id, expected, before)
    await _check(act, before | values, row.owner_key is not None)
    if "routes" in values:
        await act.conn.execute(delete(route).where(route.c.gateway_key == row.key))
        await _put_routes(act, row.key, form.routes)
    columns = await _columns(act, {name: value for name, value in values.items() if name != "routes"})
    if columns:
        await act.conn.execute(
            update(routing_gateway).where(routing_gateway.c.key == row.key).values(columns)
        )
    was = {name: before[name] for name in values}
    await act.changed("routing_gateway", gateway_id, row.owner_key, before=was, after=values)
    return await get(act, gateway_id)


async def remove(act: Act, gateway_id: str, expected: str | None = None) -> None:
    """Remove a gateway (authorization 4) that no call goes through and that was never charged for.

    Raises ForbiddenError, NotFoundError, StaleError, ConflictError, UnavailableError.
    """
    await act.require(Authorization.GATEWAY)
    row = await row_of(act, gateway_id)
    before = asdict((await _infos(act, [row]))[0])
    etag.check("routing_gateway", gateway_id, expected, before)
    book = ledger.ledger_account
    clearing = await act.conn.scalar(select(book.c.key).where(book.c.routing_gateway_key == row.key))
    posted = select(ledger.posting.c.entry).where(ledger.posting.c.ledger == clearing).limit(1)
    if await act.conn.scalar(posted) is not None:
        raise ConflictError(f"money was booked at routing gateway {gateway_id}: lock it instead")
    used = select(mapping_gateway_route.c.gateway_key).where(
        mapping_gateway_route.c.routing_gateway_key == row.key
    )
    if await act.conn.scalar(used.limit(1)) is not None:
        raise ConflictError(f"mapping gateways name routing gateway {gateway_id} as one that they may use")
    await refuse_while_calls(act, "routing gateway", gateway_id, gateway_id)
    await act.conn.execute(delete(route).where(route.c.gateway_key == row.key))
    await act.conn.execute(delete(book).where(book.c.key == clearing))
    await act.conn.execute(delete(routing_gateway).where(routing_gateway.c.key == row.key))
    await act.changed("routing_gateway", gateway_id, row.owner_key, before=before)


async def _check(act: Act, values: Mapping[str, Any], owned: bool) -> None:
    if not values["host"]:
        raise InvalidError.of("host", "a gateway is somewhere")
    check_host(act, values["host"], owned)
    never = sorted(NEVER_FAILED_OVER.intersection(values["failover_codes"]))
    if never:
        raise InvalidError.of("failover_codes", f"{never[0]} means that the callee has said no")
    prefixes = [one["prefix"] for one in values.get("routes", ())]
    for at, prefix in enumerate(prefixes):
        if prefix in prefixes[:at]:
            raise InvalidError.of(
                f"routes[{at}].prefix", f"the prefix {prefix or 'of every number'} is there twice"
            )
    plan = NumberPlan(values["country_code"], values["national_prefix"] or None, ())
    check_plan(plan)
    try:
        rewrite.check(parsed(values["called_rewrite"]), values["strip_digits"], values["add_prefix"])
    except ValueError as error:
        raise InvalidError.of("called_rewrite", str(error)) from None


async def _columns(act: Act, values: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "cost_table_id" in columns:
        table_id = columns.pop("cost_table_id")
        key = None
        if table_id is not None:
            query = select(rate_table.c.key).where(
                rate_table.c.id == table_id, rate_table.c.owner_key.is_(None)
            )
            key = await act.conn.scalar(query)
            if key is None:
                raise InvalidError.of("cost_table_id", f"the operator has no rate table {table_id}")
        columns["cost_table_key"] = key
    return columns


async def _currency(act: Act, owner_key: int | None) -> str:
    if owner_key is not None:
        found = await act.conn.scalar(select(account.c.currency).where(account.c.key == owner_key))
    else:
        cash = await ledger.of_house(act.conn, LedgerKind.CASH)
        book = ledger.ledger_account
        found = await act.conn.scalar(select(book.c.currency).where(book.c.key == cash))
    assert found is not None, "the owner was looked up, and the house has a currency"
    return str(found)


async def _put_routes(act: Act, key: int, routes: Sequence[RouteForm]) -> None:
    rows = [{"gateway_key": key, **one.model_dump(mode="json")} for one in routes]
    if rows:
        await act.conn.execute(insert(route), rows)


async def row_of(view: View, gateway_id: str) -> Any:
    """The row of a gateway in scope. Raises NotFoundError."""
    return await view.in_scope(
        "routing_gateway", gateway_id, _SELECT.where(routing_gateway.c.id == gateway_id), "owner_key"
    )


_SELECT: Select[Any] = (
    select(routing_gateway, account.c.id.label("owner_id"), rate_table.c.id.label("cost_table_id"))
    .outerjoin(account, account.c.key == routing_gateway.c.owner_key)
    .outerjoin(rate_table, rate_table.c.key == routing_gateway.c.cost_table_key)
)


async def _infos(view: View, rows: Sequence[Any]) -> list[RoutingGatewayInfo]:
    routes: dict[int, list[RouteInfo]] = defaultdict(list)
    query = (
        select(route)
        .where(route.c.gateway_key.in_([row.key for row in rows]))
        .order_by(route.c.prefix, route.c.priority, route.c.key)
    )
    for each in await view.conn.execute(query):
        routes[each.gateway_key].append(RouteInfo(each.prefix, each.priority, each.weight, each.mode))
    found = []
    for row in rows:
        values = {name: row._mapping[name] for name in RoutingGatewayInfo.__slots__ if name != "routes"}
        if not view.actor.sees_all:
            values["cost_table_id"] = values["vendor_credit_micros"] = None
        found.append(RoutingGatewayInfo(routes=routes[row.key], **values))
    return found
