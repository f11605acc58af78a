"""Whose call it is: the mapping gateway of the address that a request came from, of the certificate that its
connection has shown, or of the user that has proved to be it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from sipguard.model.call import Attempt
from sipguard.model.gateway import MappingGateway
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy.refusal import gateway_rule, shown

if TYPE_CHECKING:
    from sipguard.policy.directory import Directory

_MAPPED_BITS = 96
"""IPv4 within IPv6 is ::ffff:0:0/96 (RFC 4291 section 2.5.5.2); it is matched as the IPv4 that it is."""


class Sources:
    """Networks of all mapping gateways, the most specific first: hosts in one look, else one per length."""

    __slots__ = ("_hosts", "_networks")

    def __init__(self, gateways: Iterable[MappingGateway]) -> None:
        """Raises ValueError that names the gateways where a source is no network, or is claimed by two."""
        self._hosts: dict[str, MappingGateway] = {}
        networks: dict[tuple[int, int], dict[int, MappingGateway]] = {}
        for gateway in gateways:
            if gateway.certificates:
                continue  # its address alone, which can be forged, is no proof
            for source in gateway.sources:
                network = _network(gateway, source)
                first = int(network.network_address)
                slot = networks.setdefault((network.version, network.prefixlen), {})
                other = slot.setdefault(first, gateway)
                if other is not gateway:
                    raise ValueError(f"source {network} belongs to {other.id!r} and to {gateway.id!r}")
                if network.prefixlen == network.max_prefixlen:
                    self._hosts[str(network.network_address)] = gateway
        self._networks: dict[int, list[tuple[int, dict[int, MappingGateway]]]] = {4: [], 6: []}
        for (version, length), slot in sorted(networks.items(), reverse=True):
            bits = 32 if version == 4 else 128
            self._networks[version].append((bits - length, slot))

    def find(self, host: str) -> MappingGateway | None:
        """The mapping gateway of an address in text; None for a stranger, or for no address at all."""
        if (gateway := self._hosts.get(host)) is not None:
            return gateway
        try:
            address = ip_address(host)
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number = int(address)
        for host_bits, slot in self._networks[address.version]:
            if (gateway := slot.get(number >> host_bits << host_bits)) is not None:
                return gateway
        return None


def asks(host: str, directory: Directory) -> bool:
    """Whether a call from this address needs a password: from none that a trunk is known by alone."""
    gateway = directory.sources.find(host)
    return gateway is None or gateway.key in directory.logins.guarded


def by_certificate(names: Sequence[str], host: str, directory: Directory) -> MappingGateway | None:
    """The trunk that is known by a certificate with such a name, unless it needs a password besides."""
    gateway = directory.certificates.find(names, host)
    return None if gateway is None or gateway.key in directory.logins.guarded else gateway


def ingress(attempt: Attempt, emergency: bool, directory: Directory) -> MappingGateway | Refusal:
    """The trunk, or the phone as one, that an attempt came in through.

    An emergency call from the networks of a trunk needs no password.
    """
    by_source = directory.sources.find(attempt.source_host)
    guarded = directory.logins.guarded
    if (proved := by_certificate(attempt.certificate, attempt.source_host, directory)) is not None:
        return proved
    if not attempt.user:
        if by_source is None:
            return stranger(attempt)
        if by_source.key in guarded and not emergency:
            return _no_password(attempt)
        return by_source
    login = directory.logins.find(attempt.user)
    if login is None:
        return _no_password(attempt)  # the user was removed since
    gateway = login.gateway
    if (
        by_source is not None
        and by_source.key not in guarded
        and by_source.account_key != gateway.account_key
    ):
        return _foreign(attempt, gateway, f"an address that is not trunk {by_source.id!r} of another account")
    if gateway.certificates and gateway is not directory.certificates.find(
        attempt.certificate, attempt.source_host
    ):
        return _foreign(attempt, gateway, f"its certificate, one of {', '.join(gateway.certificates)}")
    if not login.may_come_from(attempt.source_host):
        return _foreign(attempt, gateway, f"one of {', '.join(map(str, login.networks))}")
    return gateway


def _no_password(attempt: Attempt) -> Refusal:
    return Refusal(
        Reason.CREDENTIALS_REFUSED,
        level=None,
        rule=None,
        observed=f"{shown(attempt.source_host)} port {attempt.source_port}, no user",
        required="the password of a user",
    )


def _foreign(attempt: Attempt, gateway: MappingGateway, required: str) -> Refusal:
    return Refusal(
        Reason.CREDENTIALS_REFUSED,
        gateway.id,
        gateway_rule(gateway, "sources"),
        observed=f"user {shown(attempt.user)} at {shown(attempt.source_host)} port {attempt.source_port}",
        required=required,
        gateway_id=gateway.id,
    )


def stranger(attempt: Attempt) -> Refusal:
    """The refusal of a source that no mapping gateway has."""
    return Refusal(
        Reason.UNKNOWN_SOURCE,
        level=None,
        rule=None,
        observed=f"{shown(attempt.source_host)} port {attempt.source_port}",
        required="an address within the sources of a mapping gateway, or its certificate",
    )


def refusal(gateway: MappingGateway) -> Refusal | None:
    """Refuses what comes through a locked mapping gateway."""
    if not gateway.locked:
        return None
    return Refusal(
        Reason.GATEWAY_LOCKED,
        gateway.id,
        gateway_rule(gateway, "locked"),
        observed="locked",
        required="unlocked",
    )


def _network(gateway: MappingGateway, source: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(source)
    except ValueError as error:
        raise ValueError(f"mapping gateway {gateway.id!r}: source {error}") from error
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((IPv4Address(mapped), network.prefixlen - _MAPPED_BITS))
    return network
