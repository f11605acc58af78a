"""Whose call it is: the mapping gateway of the address that a request came from, of the certificate that its
connection has shown, or of the user that has proved to be it; and by its tech prefix, where it has any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sipguard.model.call import Attempt
from sipguard.model.gateway import MappingGateway
from sipguard.model.verdict import Reason, Refusal
from sipguard.policy import number
from sipguard.policy.number import Dialled
from sipguard.policy.refusal import gateway_rule, named, shown
from sipguard.policy.tech_prefix import Ingress, Sharers

if TYPE_CHECKING:
    from sipguard.policy.directory import Directory

_SHOWN_PREFIXES = 20
"""Of a refusal: hundreds of customers may share one address."""

_MAPPED_BITS = 96
"""IPv4 within IPv6 is ::ffff:0:0/96 (RFC 4291 section 2.5.5.2); it is matched as the IPv4 that it is."""


class Sources:
    """Networks of all mapping gateways, the most specific first: hosts in one look, else one per length.

    The most specific network alone decides: what it shares between tech prefixes falls back on no larger one.
    """

    __slots__ = ("_hosts", "_networks")

    def __init__(self, gateways: Iterable[MappingGateway]) -> None:
        """Raises ValueError that names the gateways where a source is no network, or is claimed by two that
        no tech prefix tells apart."""
        claims: dict[IPv4Network | IPv6Network, list[MappingGateway]] = {}
        for gateway in gateways:
            if gateway.certificates:
                continue  # its address alone, which can be forged, is no proof
            for network in {_network(gateway, source) for source in gateway.sources}:
                claims.setdefault(network, []).append(gateway)
        self._hosts: dict[str, Sharers] = {}
        networks: dict[tuple[int, int], dict[int, Sharers]] = {}
        for network, claimants in claims.items():
            sharers = _sharers(network, claimants)
            slot = networks.setdefault((network.version, network.prefixlen), {})
            slot[int(network.network_address)] = sharers
            if network.prefixlen == network.max_prefixlen:
                self._hosts[str(network.network_address)] = sharers
        self._networks: dict[int, list[tuple[int, dict[int, Sharers]]]] = {4: [], 6: []}
        for (version, length), slot in sorted(networks.items(), reverse=True):
            bits = 32 if version == 4 else 128
            self._networks[version].append((bits - length, slot))

    def find(self, host: str) -> Sharers | None:
        """The mapping gateways of an address in text; None for a stranger, or for no address at all."""
        if (sharers := self._hosts.get(host)) is not None:
            return sharers
        try:
            address = ip_address(host)
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        bits = int(address)
        for host_bits, slot in self._networks[address.version]:
            if (sharers := slot.get(bits >> host_bits << host_bits)) is not None:
                return sharers
        return None


def by_source(host: str, request_user: str, directory: Directory) -> Ingress | None:
    """Where a call from this address came in, as far as address and tech prefix tell."""
    sharers = directory.sources.find(host)
    if sharers is None:
        return None
    return sharers.ingress(number.spelled(request_user), directory.settings.emergency_numbers)


def asks(known: Ingress | None, directory: Directory) -> bool:
    """Whether such a call needs a password: none that a trunk is known by its source alone."""
    return known is None or known.gateway.key in directory.logins.guarded


def by_certificate(names: Sequence[str], host: str, directory: Directory) -> MappingGateway | None:
    """The trunk that is known by a certificate with such a name, unless it needs a password besides."""
    gateway = directory.certificates.find(names, host)
    return None if gateway is None or gateway.key in directory.logins.guarded else gateway


def ingress(attempt: Attempt, directory: Directory) -> Ingress | Refusal:
    """The trunk, or the phone as one, that an attempt came in through, and what it dialled there.

    An emergency call from the networks of a trunk needs no password. A trunk that is known by one, or by a
    certificate, has to dial its tech prefix all the same.
    """
    found = _found(attempt, directory)
    if not attempt.redirected_to or isinstance(found, Refusal):
        return found
    dialled = number.read(attempt.redirected_to)
    emergency = dialled is not None and dialled.digits in directory.settings.emergency_numbers
    return Ingress(found.gateway, dialled, emergency)


def _found(attempt: Attempt, directory: Directory) -> Ingress | Refusal:
    emergencies = directory.settings.emergency_numbers
    text = number.spelled(attempt.request_user)
    proved = by_certificate(attempt.certificate, attempt.source_host, directory)
    if proved is not None:
        return _behind_prefix(attempt, Sharers((proved,)), text, directory)
    sharers = directory.sources.find(attempt.source_host)
    by_source = None if sharers is None else sharers.ingress(text, emergencies)
    if attempt.user:
        gateway = _of_user(attempt, by_source, directory)
        if isinstance(gateway, MappingGateway):
            return _behind_prefix(attempt, Sharers((gateway,)), text, directory)
        return by_source if by_source is not None and by_source.emergency else gateway
    if sharers is None:
        return stranger(attempt)
    if by_source is None:
        return _no_prefix(attempt, sharers, directory)
    if by_source.gateway.key in directory.logins.guarded and not by_source.emergency:
        return _no_password(attempt)
    return by_source


def _of_user(attempt: Attempt, by_source: Ingress | None, directory: Directory) -> MappingGateway | Refusal:
    """The trunk or phone of the user that has proved to be it, if it may call like this."""
    login = directory.logins.find(attempt.user)
    if login is None:
        return _no_password(attempt)  # the user was removed since
    gateway = login.gateway
    if (
        by_source is not None
        and by_source.gateway.key not in directory.logins.guarded
        and by_source.gateway.account_key != gateway.account_key
    ):
        theirs = f"an address that is not trunk {by_source.gateway.id!r} of another account"
        return _foreign(attempt, gateway, theirs)
    if gateway.certificates and gateway is not directory.certificates.find(
        attempt.certificate, attempt.source_host
    ):
        return _foreign(attempt, gateway, f"its certificate, one of {', '.join(gateway.certificates)}")
    if not login.may_come_from(attempt.source_host):
        return _foreign(attempt, gateway, f"one of {', '.join(map(str, login.networks))}")
    return gateway


def _behind_prefix(
    attempt: Attempt, known: Sharers, text: Dialled | None, directory: Directory
) -> Ingress | Refusal:
    found = known.ingress(text, directory.settings.emergency_numbers)
    return _no_prefix(attempt, known, directory) if found is None else found


def _no_prefix(attempt: Attempt, sharers: Sharers, directory: Directory) -> Refusal:
    """The refusal of what no tech prefix stands in front of.

    It belongs to the account of the trunks only where they are of one: which prefixes there are at an address
    is told to nobody else but the operator.
    """
    prefixes = sharers.prefixes
    more = f" and {len(prefixes) - _SHOWN_PREFIXES} more" if len(prefixes) > _SHOWN_PREFIXES else ""
    refusal = Refusal(
        Reason.TECH_PREFIX_MISSING,
        level=None,
        rule=None,
        observed=shown(attempt.request_user),
        required=f"one of the tech prefixes {', '.join(prefixes[:_SHOWN_PREFIXES])}{more} in front",
    )
    first = sharers.gateways[0]
    if any(gateway.account_key != first.account_key for gateway in sharers.gateways):
        return refusal
    account = directory.chain(first.account_key).accounts[0]
    if len(sharers.gateways) > 1:
        return replace(refusal, account_id=account.id)
    told = replace(refusal, level=first.id, rule=gateway_rule(first, "tech_prefixes"))
    return named(told, first, account, None, None)


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
    """Refuses what comes through a locked mapping gateway, or a phone whose calls are barred."""
    if not gateway.locked:
        return None
    return Refusal(
        Reason.GATEWAY_LOCKED,
        gateway.id,
        f"{gateway.id}.lock" if gateway.key < 0 else gateway_rule(gateway, "locked"),
        observed="locked",
        required="unlocked",
    )


def _sharers(network: IPv4Network | IPv6Network, gateways: Iterable[MappingGateway]) -> Sharers:
    try:
        return Sharers(gateways)
    except ValueError as error:
        raise ValueError(f"source {network} {error}") from error


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
