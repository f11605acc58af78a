"""Mapping gateways that are known by what their peers prove over TLS."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sipguard.model.gateway import MappingGateway


class Certificates:
    """Mapping gateways by what their peers prove over TLS. False where there is none."""

    __slots__ = ("_gateways",)

    def __init__(self, gateways: Iterable[MappingGateway]) -> None:
        """Raises ValueError that names the gateways where two claim a name, or a source is no network."""
        self._gateways: dict[str, tuple[MappingGateway, tuple[IPv4Network | IPv6Network, ...]]] = {}
        for gateway in gateways:
            if not gateway.certificates:
                continue
            networks = tuple(_network(gateway, source) for source in gateway.sources)
            for name in gateway.certificates:
                other, _ = self._gateways.setdefault(name, (gateway, networks))
                if other is not gateway:
                    raise ValueError(f"certificate {name} belongs to {other.id!r} and to {gateway.id!r}")

    def __bool__(self) -> bool:
        return bool(self._gateways)

    def find(self, names: Iterable[str], host: str) -> MappingGateway | None:
        """The mapping gateway of the first name that has one, if it may call from the address `host`."""
        for name in names:
            if found := self._gateways.get(name):
                gateway, networks = found
                address = ip_address(host)
                if not networks or any(address in network for network in networks):
                    return gateway
        return None


def _network(gateway: MappingGateway, source: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(source)
    except ValueError as error:
        raise ValueError(f"mapping gateway {gateway.id!r}: source {error}") from error
