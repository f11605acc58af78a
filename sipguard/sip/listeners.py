"""Which of our listeners a message to an address leaves from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Listeners:
    """Those of one engine, in its order."""

    def __init__(self, listeners: Iterable[tuple[str, Sequence[str]]] = ()) -> None:
        """The address that each is bound to, and its transports."""
        self._all = [(_is_ipv6(host), frozenset(transports)) for host, transports in listeners]

    def toward(self, address: str, transport: str) -> int:
        """Index of the first that has the family and the transport, else the family; 0 where none has."""
        family = [index for index, (ipv6, _) in enumerate(self._all) if ipv6 == _is_ipv6(address)]
        speaking = [index for index in family if transport in self._all[index][1]]
        return next(iter([*speaking, *family]), 0)

    @property
    def families(self) -> tuple[str, ...]:
        """Address records that lead somewhere from here, the preferred first: IPv6 (RFC 6724, RFC 7984)."""
        have = {ipv6 for ipv6, _ in self._all}
        return tuple(kind for kind, ipv6 in (("AAAA", True), ("A", False)) if ipv6 in have)


def _is_ipv6(host: str) -> bool:
    return ":" in host
