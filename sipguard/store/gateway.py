"""Mapping gateways (ingress), routing gateways (egress) and the routes of the latter."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Integer,
    Row,
    Select,
    Table,
    Text,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model import rewrite
from sipguard.model.gateway import MappingGateway, NumberPlan, Redirects, Route, RouteMode, RoutingGateway
from sipguard.model.presentation import Asserts, CallerFormat, CallerRule, Presentation
from sipguard.store.ledger import ledger_account
from sipguard.store.metadata import metadata

routing_gateway = Table(
    "routing_gateway",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("capacity", Integer),
    Column("cps_limit", Integer),
    Column("locked", Boolean, nullable=False),
    Column("cost_table_key", ForeignKey("rate_table.key")),
    Column("vendor_credit_micros", Integer),
    Column("strip_digits", Integer, nullable=False),
    Column("add_prefix", Text, nullable=False),
    Column("answer_timeout_ms", Integer, nullable=False),
    Column("ring_timeout_ms", Integer, nullable=False),
    Column("failover_codes", JSON, nullable=False),
    Column("dials_by_to", Boolean, nullable=False),
    Column("takes_refer", Boolean, nullable=False),
    Column("port", Integer),
    Column("transport", Text),
    Column("probe_seconds", Integer),
    Column("probe_down_codes", JSON, nullable=False),
    Column("fails_over_after_media", Boolean, nullable=False),
    Column("redirects", Text, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("hides_topology", Boolean, nullable=False),
    Column("hides_call_id", Boolean, nullable=False),
    Column("caller_format", Text, nullable=False),
    Column("asserts", Text, nullable=False),
    Column("country_code", Text),
    Column("national_prefix", Text, nullable=False),
    Column("international_prefix", Text, nullable=False),
    Column("tls_name", Text),
    Column("tls_verify", Boolean, nullable=False),
    Column("owner_key", ForeignKey("account.key")),
    Column("sells_below_cost", Boolean, nullable=False),
    Column("called_rewrite", JSON, nullable=False),
    Column("caller_rewrite", JSON, nullable=False),
)

route = Table(
    "route",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("gateway_key", ForeignKey("routing_gateway.key"), nullable=False),
    Column("prefix", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
)

mapping_gateway = Table(
    "mapping_gateway",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("account_key", ForeignKey("account.key"), nullable=False),
    Column("capacity", Integer),
    Column("cps_limit", Integer),
    Column("locked", Boolean, nullable=False),
    Column("country_code", Text),
    Column("national_prefix", Text),
    Column("international_prefixes", JSON, nullable=False),
    Column("all_routing_gateways", Boolean, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("caller_number", Text),
    Column("caller_prefixes", JSON(none_as_null=True)),
    Column("called_rewrite", JSON, nullable=False),
    Column("caller_rewrite", JSON, nullable=False),
    Column("tech_prefixes", JSON, nullable=False),
)

# A network may stand with several gateways that tech prefixes tell apart: triggers hold it.
mapping_gateway_source = Table(
    "mapping_gateway_source",
    metadata,
    Column("network", Text, primary_key=True),
    Column("gateway_key", ForeignKey("mapping_gateway.key"), primary_key=True),
)

mapping_gateway_certificate = Table(
    "mapping_gateway_certificate",
    metadata,
    Column("name", Text, primary_key=True),
    Column("gateway_key", ForeignKey("mapping_gateway.key"), nullable=False),
)

# Rows count only where mapping_gateway.all_routing_gateways is 0: no rows then means none allowed.
mapping_gateway_route = Table(
    "mapping_gateway_route",
    metadata,
    Column("gateway_key", ForeignKey("mapping_gateway.key"), primary_key=True),
    Column("routing_gateway_key", ForeignKey("routing_gateway.key"), primary_key=True),
)


async def all_mapping_gateways(conn: AsyncConnection, key: int | None = None) -> list[MappingGateway]:
    """All of them, or the one with this key."""
    return await conn.run_sync(read_mapping_gateways, key)


def read_mapping_gateways(conn: Connection, key: int | None = None) -> list[MappingGateway]:
    """The same for a thread."""
    sources: dict[int, list[str]] = defaultdict(list)
    for row in conn.execute(select(mapping_gateway_source)):
        sources[row.gateway_key].append(row.network)
    certificates: dict[int, list[str]] = defaultdict(list)
    for row in conn.execute(select(mapping_gateway_certificate)):
        certificates[row.gateway_key].append(row.name)
    allowed: dict[int, set[int]] = defaultdict(set)
    for row in conn.execute(select(mapping_gateway_route)):
        allowed[row.gateway_key].add(row.routing_gateway_key)
    return [
        MappingGateway(
            key=row.key,
            id=row.id,
            account_key=row.account_key,
            sources=tuple(sources[row.key]),
            certificates=tuple(certificates[row.key]),
            capacity=row.capacity,
            cps_limit=row.cps_limit,
            locked=row.locked,
            number_plan=NumberPlan(row.country_code, row.national_prefix, tuple(row.international_prefixes)),
            routing_gateway_keys=None if row.all_routing_gateways else frozenset(allowed[row.key]),
            trusted=row.trusted,
            caller=_caller_rule(row),
            tech_prefixes=tuple(row.tech_prefixes),
            called_rewrite=rewrite.parsed(row.called_rewrite),
            caller_rewrite=rewrite.parsed(row.caller_rewrite),
        )
        for row in conn.execute(_only(select(mapping_gateway), mapping_gateway, key))
    ]


async def all_routing_gateways(conn: AsyncConnection, key: int | None = None) -> list[RoutingGateway]:
    """All of them, or the one with this key."""
    return await conn.run_sync(read_routing_gateways, key)


def read_routing_gateways(conn: Connection, key: int | None = None) -> list[RoutingGateway]:
    """The same for a thread."""
    clearing = ledger_account.c.routing_gateway_key == routing_gateway.c.key
    query = select(routing_gateway, ledger_account.c.key.label("clearing_ledger"))
    rows = conn.execute(_only(query.join(ledger_account, clearing), routing_gateway, key))
    return [
        RoutingGateway(
            key=row.key,
            id=row.id,
            host=row.host,
            port=row.port,
            transport=row.transport,
            tls_name=row.tls_name,
            tls_verify=row.tls_verify,
            capacity=row.capacity,
            cps_limit=row.cps_limit,
            locked=row.locked,
            clearing_ledger=row.clearing_ledger,
            cost_table_key=row.cost_table_key,
            vendor_credit_micros=row.vendor_credit_micros,
            strip_digits=row.strip_digits,
            add_prefix=row.add_prefix,
            answer_timeout_ms=row.answer_timeout_ms,
            ring_timeout_ms=row.ring_timeout_ms,
            failover_codes=frozenset(row.failover_codes),
            dials_by_to=row.dials_by_to,
            takes_refer=row.takes_refer,
            probe_seconds=row.probe_seconds,
            probe_down_codes=frozenset(row.probe_down_codes),
            fails_over_after_media=row.fails_over_after_media,
            redirects=Redirects(row.redirects),
            sells_below_cost=row.sells_below_cost,
            owner_key=row.owner_key,
            called_rewrite=rewrite.parsed(row.called_rewrite),
            caller_rewrite=rewrite.parsed(row.caller_rewrite),
            presentation=Presentation(
                caller_format=CallerFormat(row.caller_format),
                asserts=Asserts(row.asserts),
                country_code=row.country_code,
                national_prefix=row.national_prefix,
                international_prefix=row.international_prefix,
                trusted=row.trusted,
                hides_topology=row.hides_topology,
                hides_call_id=row.hides_call_id,
            ),
        )
        for row in rows
    ]


async def all_routes(conn: AsyncConnection) -> list[Route]:
    return await conn.run_sync(read_routes)


def read_routes(conn: Connection) -> list[Route]:
    """The same for a thread."""
    return [
        Route(row.key, row.gateway_key, row.prefix, RouteMode(row.mode), row.priority, row.weight)
        for row in conn.execute(select(route))
    ]


def _only(query: Select[Any], table: Table, key: int | None) -> Select[Any]:
    return query if key is None else query.where(table.c.key == key)


def _caller_rule(row: Row[Any]) -> CallerRule | None:
    if row.caller_number is None and row.caller_prefixes is None:
        return None
    return CallerRule(row.caller_number, None if row.caller_prefixes is None else tuple(row.caller_prefixes))
