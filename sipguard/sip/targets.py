"""Routing gateways as the engine dials them: made when something of them changes, not once per call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

from sipguard.model.gateway import RoutingGateway
from sipguard.sip import locate
from sipguard.sip.events import Target
from sipguard.sip.listeners import Listeners
from sipguard.sip.locate import DEFAULT_PORTS, Location, Place, Server

WAYS_MAX = 8
"""Ways to one gateway that a call tries: at 4 s each nobody waits for more."""


def place(gateway: RoutingGateway) -> Place:
    """What it is configured as."""
    return Place(gateway.host.rstrip(".").lower(), gateway.port, gateway.transport)


def target(gateway: RoutingGateway, location: Location, listeners: Listeners) -> Target:
    """Raises ValueError where the address is none, or the transport is not spoken."""
    named = not locate.is_address(gateway.host)
    port = "" if gateway.port is None else f":{gateway.port}"
    return Target(
        location.address,
        location.port,
        listener=listeners.toward(location.address, location.transport),
        transport=location.transport,
        answer_timeout_ms=gateway.answer_timeout_ms,
        ring_timeout_ms=gateway.ring_timeout_ms,
        dials_by_to=gateway.dials_by_to,
        takes_refer=gateway.takes_refer,
        gateway=gateway.key,
        # RFC 3261 section 16.6 step 2: what the gateway is called, however it was found.
        domain=f"{gateway.host}{port}" if named else None,
        trusted=gateway.presentation.trusted,
        hides_topology=gateway.presentation.hides_topology,
        hides_call_id=gateway.presentation.hides_call_id,
    )


class Way(NamedTuple):
    """One way to a gateway, or to contacts of a phone that ring together."""

    location: Location
    target: Target
    beside: tuple[Target, ...] = ()
    """Asked at the same time as `target`."""


class Destination:
    """All ways to a gateway."""

    __slots__ = ("_only", "_priorities", "_resting", "_ways")

    def __init__(
        self,
        gateway: RoutingGateway,
        priorities: Sequence[Sequence[Server]],
        listeners: Listeners,
        before: Destination | None = None,
    ) -> None:
        """`before`: what was known until now of ways that do not work. Raises ValueError as `target` does."""
        self._priorities = priorities
        self._ways = {
            location: Way(location, target(gateway, location, listeners))
            for tier in priorities
            for server in tier
            for location in server.locations
        }
        self._resting: dict[Location, int] = {}
        if before is not None:
            known = before._resting.items()
            self._resting.update((location, until) for location, until in known if location in self._ways)
        self._only = tuple(self._ways.values()) if len(self._ways) == 1 else None

    @property
    def locations(self) -> list[Location]:
        """All of them."""
        return list(self._ways)

    def ways(self, call_id: str, now_ns: int) -> tuple[Way, ...]:
        """In the order in which one call tries them (RFC 3263 section 4.3); never empty.

        The same Call-ID draws the same order, as long as the same ways are known. Those that have just failed
        come last, so that not every call has to find out.
        """
        if self._only is not None:
            return self._only
        state = crc32(call_id.encode("utf-8", "surrogatepass"))

        def draw(most: int) -> int:
            nonlocal state
            # One step of a linear congruential generator (Knuth, MMIX); its high bits are the good ones.
            state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFF_FFFF_FFFF_FFFF
            return (state >> 32) * (most + 1) >> 32

        drawn = locate.order(self._priorities, draw)
        if self._resting:
            drawn.sort(key=lambda location: self.rests(location, now_ns))
        return tuple(self._ways[location] for location in drawn[:WAYS_MAX])

    def rest(self, location: Location, until_ns: int) -> None:
        """This way did not work: the others come first until then."""
        self._resting[location] = until_ns

    def rests(self, location: Location, now_ns: int) -> bool:
        """Whether it comes last."""
        return self._resting.get(location, now_ns) > now_ns

    def heard(self, location: Location) -> None:
        """This way works."""
        if location in self._resting:
            del self._resting[location]


def fixed(gateway: RoutingGateway, listeners: Listeners) -> Destination:
    """Of a gateway that is configured by its address. Raises ValueError as `target` does."""
    transport = gateway.transport or "udp"
    location = Location(transport, gateway.host, gateway.port or DEFAULT_PORTS[transport])
    return Destination(gateway, ((Server(0, (location,)),),), listeners)
