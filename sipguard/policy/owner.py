"""Routing gateways of agents: only calls from below their owner use them.

Worked out when a directory is built, as the gateways that each trunk may use: calls pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from sipguard.model.account import Account
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.policy.chain import climb


def restricted(
    trunks: Mapping[int, MappingGateway],
    routing_gateways: Mapping[int, RoutingGateway],
    accounts: Mapping[int, Account],
) -> dict[int, MappingGateway]:
    """The mapping gateways, each without the routing gateways of agents that it does not belong to."""
    owned = {key: one.owner_key for key, one in routing_gateways.items() if one.owner_key is not None}
    if not owned:
        return dict(trunks)
    owners = frozenset(owned.values())
    of_chain: dict[int, frozenset[int]] = {}
    usable: dict[frozenset[int], frozenset[int]] = {}
    found: dict[int, MappingGateway] = {}
    for key, trunk in trunks.items():
        above = of_chain.get(trunk.account_key)
        if above is None:
            chain = climb(accounts[trunk.account_key], accounts)
            above = of_chain[trunk.account_key] = owners.intersection(level.key for level in chain)
        open_ = usable.get(above)
        if open_ is None:
            open_ = usable[above] = frozenset(
                gateway for gateway in routing_gateways if gateway not in owned or owned[gateway] in above
            )
        allowed = trunk.routing_gateway_keys
        found[key] = replace(trunk, routing_gateway_keys=open_ if allowed is None else allowed & open_)
    return found


class Reach:
    """Where gateways of agents may be: nowhere in our own network, however it is spelled or resolved."""

    def __init__(self, allowed: Iterable[str] = (), own: Iterable[str] = ()) -> None:
        """`allowed`: networks that are open though they are private; `own`: addresses of this machine."""
        self._allowed: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, allowed))
        self._own = frozenset(filter(None, map(_plain, own)))

    def permits(self, address: str) -> bool:
        """Whether an IP address in text is open to agents. What is none is not."""
        found = _plain(address)
        if found is None or found in self._own:
            return False
        if found.is_multicast or found.is_unspecified or found.is_loopback or found.is_link_local:
            return False
        if any(found.version == one.version and found in one for one in self._allowed):
            return True
        return found.is_global

    def permits_network(self, network: str) -> bool:
        """Whether all addresses of a network are."""
        one = ip_network(network)
        return self.permits(str(one[0])) and self.permits(str(one[-1]))


def _plain(address: str) -> IPv4Address | IPv6Address | None:
    """An address without disguise: IPv4 within IPv6 (RFC 4291 2.5.5.2, RFC 6052, RFC 3056) is IPv4."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is None and found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFF_FFFF)
        return inner or found
    return found


_NAT64 = ip_network("64:ff9b::/96")
