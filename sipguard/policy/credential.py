"""Who may call by a password: users, and the trunk or phone that each of them is."""

from __future__ import annotations

from collections.abc import Mapping
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

    __slots__ = ("_credentials", "_gateways", "_phones", "_realm", "_users", "guarded", "unusable")

    guarded: frozenset[int]
    """Keys of the mapping gateways that a source address alone does not open."""
    unusable: tuple[str, ...]
    """Users whose password was set for another realm: nobody can be them until it is set again."""

    def __init__(
        self,
        credentials: Mapping[str, Credential],
        gateways: Mapping[int, MappingGateway],
        phones: Mapping[int, Phone],
        realm: str,
    ) -> None:
        """`credentials` by username. `gateways` has the phones among them (policy.phone.ingress). Raises
        ValueError that names a user whose phone or gateway is missing."""
        self._credentials, self._gateways, self._phones, self._realm = credentials, gateways, phones, realm
        self._users: dict[str, Login] = {}
        guarded = set()
        unusable = []
        for username, credential in credentials.items():
            key = _gateway_key(credential)
            if key not in gateways:
                raise ValueError(f"user {username!r}: there is no phone or gateway that has it")
            guarded.add(key)
            if credential.realm != realm:
                unusable.append(username)
        self.guarded = frozenset(guarded)
        self.unusable = tuple(sorted(unusable))

    def __bool__(self) -> bool:
        """Whether anybody is asked for a password at all."""
        return bool(self.guarded)

    def of_phone(self, phone_key: int) -> str | None:
        """The user that a phone is; for emergencies, which are rare enough to look through all."""
        users = (
            username
            for username, credential in self._credentials.items()
            if credential.phone_key == phone_key and credential.realm == self._realm
        )
        return next(users, None)

    def find(self, username: str) -> Login | None:
        """The user of this name; case matters. Prepared at its first request, and kept."""
        login = self._users.get(username)
        if login is None and (credential := self._credentials.get(username)) is not None:
            if credential.realm != self._realm:
                return None
            gateway = self._gateways[_gateway_key(credential)]
            phone = None if credential.phone_key is None else self._phones[credential.phone_key]
            sources = gateway.sources if phone is None else phone.sources
            login = Login(credential, gateway, phone, tuple(map(ip_network, sources)))
            self._users[username] = login
        return login


def _gateway_key(credential: Credential) -> int:
    if credential.phone_key is not None:
        return ingress_key(credential.phone_key)
    return credential.mapping_gateway_key or 0
