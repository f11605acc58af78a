"""The sources of mapping gateways: whose call it is that comes from an address.

A source may be named by several trunks that tech prefixes tell apart (docs/decisions/0023-tech-prefixes.md),
within what one manager may manage: nobody shares an address with a stranger's trunk but by an administrator.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv6Address, ip_network

from sqlalchemy import delete, insert, select

from sipguard.manage.desk import Act
from sipguard.manage.errors import ConflictError, InvalidError
from sipguard.manage.gateway_common import CLOSED
from sipguard.store.gateway import mapping_gateway, mapping_gateway_source

AGENT_BITS = {4: 24, 6: 48}
"""Of the networks that agents may name: no larger ones, so that nobody claims half the world."""

_TAKEN = "these sources are taken"


async def check(
    act: Act, key: int | None, sources: Sequence[str], prefixes: Collection[str], known: Collection[str] = ()
) -> None:
    """Whether a trunk may have these sources with these tech prefixes.

    `key`: of the trunk, where there is one yet. `known`: sources that it has, and that are not judged anew.
    Raises InvalidError for a network that the actor may not name, ConflictError for one that is taken.
    """
    fresh: list[str] = []
    for at, text in enumerate(sources):
        if text not in known:
            _check_reach(act, f"sources[{at}]", text)
            fresh.append(text)
    table = mapping_gateway_source.c
    same = (
        select(table.network, mapping_gateway.c.tech_prefixes)
        .join(mapping_gateway, mapping_gateway.c.key == table.gateway_key)
        .where(table.network.in_(fresh), *(() if key is None else (table.gateway_key != key,)))
    )
    taken = {
        row.network for row in await act.conn.execute(same) if _alike(prefixes, row.tech_prefixes)
    } | await _foreign(act, fresh)
    if taken:
        raise ConflictError(_TAKEN, sorted(taken))


async def put(act: Act, key: int, sources: Iterable[str]) -> None:
    """Write the sources of a trunk; those that stay are not touched."""
    table = mapping_gateway_source
    wanted = list(dict.fromkeys(sources))
    had = set(await act.conn.scalars(select(table.c.network).where(table.c.gateway_key == key)))
    if gone := had.difference(wanted):
        await act.conn.execute(delete(table).where(table.c.gateway_key == key, table.c.network.in_(gone)))
    if fresh := [network for network in wanted if network not in had]:
        rows = [{"network": network, "gateway_key": key} for network in fresh]
        await act.conn.execute(insert(table), rows)


def _alike(prefixes: Collection[str], others: Collection[str]) -> bool:
    """Whether what one trunk dials could be another's."""
    return not set(prefixes).isdisjoint(others) or not (prefixes or others)


def _check_reach(act: Act, where: str, text: str) -> None:
    network = ip_network(text)
    if network.version == 6 and IPv6Address(network[0]).ipv4_mapped is not None:
        raise InvalidError.of(where, "write an IPv4 network as one")
    if act.actor.sees_all:
        return
    if network.prefixlen < AGENT_BITS[network.version]:
        expected = f"at least /{AGENT_BITS[network.version]}"
        raise InvalidError.of(where, f"found /{network.prefixlen}, expected {expected}")
    if not act.desk.rules.reach.permits_network(text):
        raise InvalidError.of(where, CLOSED)


async def _foreign(act: Act, sources: Sequence[str]) -> set[str]:
    """Sources within, or around, one of a trunk that the actor does not manage.

    Whatever the prefixes: a longer one would take calls from a shorter one of somebody else.
    """
    if act.actor.sees_all or not sources:
        return set()
    table = mapping_gateway_source
    theirs = (
        select(table.c.network)
        .distinct()
        .join(mapping_gateway, mapping_gateway.c.key == table.c.gateway_key)
        .where(~act.within(mapping_gateway.c.account_key))
    )
    found: set[str] = set()
    mine = [(text, ip_network(text)) for text in sources]
    for other in map(ip_network, await act.conn.scalars(theirs)):
        found.update(text for text, one in mine if one.version == other.version and one.overlaps(other))
    return found
