"""Who may call by a password: users, and the trunk or phone that each of them is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sipguard.model.credential import Credential
from sipguard.model.gateway import MappingGateway
from sipguard.model.phone import Phone
from sipguard.policy.phone import ingress_key


@dataclass(frozen=True, slots=True)
class Login:
    """A user, prepared."""

    credential: Credential
    gateway: MappingGateway
    """What its calls come in through: the trunk itself, or the phone as one (policy.phone.ingress)."""
    phone: Phone | None
    networks: tuple[IPv4Network | IPv6Network, ...]
    """Where its requests may come from; none: from anywhere."""

    def may_come_from(self, host: str) -> bool:
        """Whether this address (text, IPv6 without brackets) is one that the user may be at."""
        if not self.networks:
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)


class Logins:
    """All users of one realm."""

    __slots__ = ("_users", "guarded", "unusable")

    guarded: frozenset[int]
    """Keys of the mapping gateways that a source address alone does not open."""
    unusable: tuple[str, ...]
    """Users whose password was set for another realm: nobody can be them until it is set again."""

    def __init__(
        self,
        credentials: Iterable[Credential],
        gateways: Mapping[int, MappingGateway],
        phones: Mapping[int, Phone],
        realm: str,
    ) -> None:
        """`gateways` has the phones among them (policy.phone.ingress). Raises ValueError that names a user
        whose phone or gateway is missing."""
        self._users: dict[str, Login] = {}
        guarded = set()
        unusable = []
        for credential in credentials:
            phone = None
            if credential.phone_key is not None:
                phone = phones.get(credential.phone_key)
                key = ingress_key(credential.phone_key)
            else:
                key = credential.mapping_gateway_key or 0
            gateway = gateways.get(key)
            if gateway is None:
                raise ValueError(f"user {credential.username!r}: there is no phone or gateway that has it")
            guarded.add(key)
            if credential.realm != realm:
                unusable.append(credential.username)
                continue
            sources = gateway.sources if phone is None else phone.sources
            networks = tuple(map(ip_network, sources))
            self._users[credential.username] = Login(credential, gateway, phone, networks)
        self.guarded = frozenset(guarded)
        self.unusable = tuple(unusable)

    def __bool__(self) -> bool:
        """Whether anybody is asked for a password at all."""
        return bool(self.guarded)

    def of_phone(self, phone_key: int) -> str | None:
        """The user that a phone is; for emergencies, which are rare enough to look through all."""
        users = (user for user, login in self._users.items() if login.credential.phone_key == phone_key)
        return next(users, None)

    def find(self, username: str) -> Login | None:
        """The user of this name; case matters."""
        return self._users.get(username)
