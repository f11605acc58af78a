"""Routing gateways as the engine dials them: made once per directory, not once per call."""

from __future__ import annotations

from collections.abc import Iterable

from sipguard.model.gateway import RoutingGateway
from sipguard.sip.events import Target


def target(gateway: RoutingGateway) -> Target:
    """Raises ValueError where the host is no IP address, or the transport not "udp" or "tcp"."""
    return Target(
        gateway.host,
        gateway.port,
        transport=gateway.transport,
        answer_timeout_ms=gateway.answer_timeout_ms,
        ring_timeout_ms=gateway.ring_timeout_ms,
        dials_by_to=gateway.dials_by_to,
        takes_refer=gateway.takes_refer,
    )


def targets(gateways: Iterable[RoutingGateway]) -> dict[int, Target]:
    """By gateway key."""
    return {gateway.key: target(gateway) for gateway in gateways}
