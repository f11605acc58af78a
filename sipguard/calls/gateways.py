"""Routing gateways as they are at this moment: where calls to each go, and whether it is in service.

A decision never waits for any of it: names are resolved and probes are sent beside the calls, and what came
of them lies ready.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from sipguard.calls.alarm import Alarms
from sipguard.calls.clock import Clock
from sipguard.model.gateway import RoutingGateway
from sipguard.policy.health import Cause, Health, Outage, Rules
from sipguard.policy.owner import Reach
from sipguard.sip import targets
from sipguard.sip.events import Engine, Failed, Probed
from sipguard.sip.listeners import Listeners
from sipguard.sip.locate import Place, is_address
from sipguard.sip.names import Names
from sipguard.sip.targets import Destination, Way

log = structlog.get_logger()

_NS = 1_000_000_000

FIRST_PROBES_SECONDS = 3
"""The first probes after a start are spread over so long: a thousand gateways are not asked at once."""

TOO_LARGE = 513
"""What the engine itself says of an INVITE that fits into no datagram: no fault of the gateway."""


@dataclass(slots=True)
class _Probe:
    """An OPTIONS that is on its way."""

    key: int
    ways: tuple[Way, ...]
    """It went the first; the others are tried if that leads nowhere, as a call would."""


CLOSED = "at an address that agents may not use"
"""Why a gateway of an agent is out of service that leads into our own network."""


class Gateways:
    """All routing gateways of the present directory."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        alarms: Alarms,
        *,
        kick: Callable[[], None],
        listeners: Listeners | None = None,
        rules: Rules | None = None,
        jitter: float = 0.1,
        chance: random.Random | None = None,
        reach: Reach | None = None,
    ) -> None:
        """`kick`: have the engine flushed soon. `jitter`: by which part an interval may vary.

        `reach`: where gateways of agents may be.
        """
        self.destinations: dict[int, Destination] = {}
        """By key; a gateway whose name leads nowhere has none."""
        self.health = Health(rules or Rules(), self._changed)
        self.names: Names | None = None
        """Keeps names resolved and calls `located`; None: there is nobody to ask."""
        self._engine, self._clock, self._alarms, self._kick = engine, clock, alarms, kick
        self._reach = reach or Reach()
        self._listeners, self._jitter = listeners or Listeners(), jitter
        self._chance = chance or random.Random()  # noqa: S311  (it spreads probes, it keeps no secret)
        self._gateways: dict[int, RoutingGateway] = {}
        self._by_place: dict[Place, list[int]] = {}
        self._probes: dict[int, _Probe] = {}
        self._probed: dict[int, str] = {}
        self._scheduled: set[int] = set()
        self._next_probe = 1

    def configure(self, gateways: Iterable[RoutingGateway]) -> None:
        """These are the gateways from now on. What is known of one that stays is kept.

        Raises ValueError that names a gateway that cannot be dialled; then nothing has changed.
        """
        all_ = {gateway.key: gateway for gateway in gateways}
        addressed = {key: gateway for key, gateway in all_.items() if is_address(gateway.host)}
        known, destinations = self._gateways, self.destinations
        fixed: dict[int, Destination] = {}
        unfit: dict[int, str] = {}
        for key, gateway in addressed.items():
            if known.get(key) is gateway and key in destinations:
                fixed[key] = destinations[key]
                continue
            try:
                fixed[key] = self._fixed(gateway)
                if gateway.owner_key is not None:
                    self._check_reach(fixed[key])
            except ValueError as error:
                if gateway.owner_key is None:
                    raise
                # What an agent writes stops its own gateway, not the changes of everybody else.
                fixed.pop(key, None)
                unfit[key] = str(error)
        now = self._clock.now().monotonic_ns
        before, self._gateways = self.destinations, all_
        self.destinations = fixed
        self._by_place = {}
        for key in all_.keys() - addressed.keys():
            self._by_place.setdefault(targets.place(all_[key]), []).append(key)
        self.health.keep(all_)
        self._probed = {key: told for key, told in self._probed.items() if key in all_}
        for key in addressed:
            self.health.resolved(key, unfit.get(key, ""), now)
        if self.names is not None:
            self.names.watch(self._by_place)
        for place in self._by_place:
            self._locate(place, before)
        for key, gateway in all_.items():
            if gateway.probe_seconds is None:
                self.health.not_probed(key, now)
                self._probed.pop(key, None)
            elif key not in self._scheduled:
                self._scheduled.add(key)
                first = min(FIRST_PROBES_SECONDS, gateway.probe_seconds) * self._chance.random()
                self._alarms.at(now + int(first * _NS), self._probe, key)

    def located(self, place: Place) -> None:
        """What is known of a name has changed."""
        self._locate(place, self.destinations)

    def ways(self, key: int, call_id: str, now_ns: int) -> tuple[Way, ...]:
        """In which order a call tries the ways to a gateway; empty: there is none now."""
        destination = self.destinations.get(key)
        return () if destination is None else destination.ways(call_id, now_ns)

    def usable(self, key: int, now_ns: int) -> bool:
        """Whether a call may be sent there."""
        outage = self.health.out.get(key)
        return key in self.destinations and (outage is None or not outage.holds(now_ns))

    def why(self, key: int, now_ns: int) -> str | None:
        """For people: why a gateway is out of service; None: it is not."""
        outage = self.health.out.get(key)
        return outage.why if outage is not None and outage.holds(now_ns) else None

    def heard(self, key: int, way: Way) -> None:
        """A gateway has said something about a call."""
        self.health.call_heard(key)
        if (destination := self.destinations.get(key)) is not None:
            destination.heard(way.location)

    def failed(self, event: Failed, key: int, way: Way) -> None:
        """A gateway did not take a call."""
        if event.cancelled or (event.status == TOO_LARGE and event.cause == "transport"):
            return  # says nothing of the gateway
        if event.ringing is not None or (event.cause == "response" and event.status != 503):
            self.heard(key, way)
            return
        now = self._clock.now().monotonic_ns
        why = "503" if event.cause == "response" else event.cause
        if event.cause == "response" and self._rest(key, way, event.retry_after, now):
            return
        destination, gateway = self.destinations.get(key), self._gateways.get(key)
        if destination is None or gateway is None:
            return
        destination.rest(way.location, now + self.health.rules.rest_seconds * _NS)
        if all(destination.rests(location, now) for location in destination.locations):
            self.health.call_failed(key, why, now, gateway.probe_seconds is not None)
            self._wake_at_end(key)

    def probed(self, event: Probed) -> None:
        """What became of a probe."""
        probe = self._probes.pop(event.probe)
        gateway = self._gateways.get(probe.key)
        if gateway is None or gateway.probe_seconds is None:
            return
        now = self._clock.now().monotonic_ns
        if event.status == 503 and event.cause == "response":
            self._rest(probe.key, probe.ways[0], event.retry_after, now)
        alive = event.cause == "response" and event.status not in gateway.probe_down_codes
        if not alive and len(probe.ways) > 1:
            self._send(probe.key, probe.ways[1:])
            return
        said = str(event.status) if event.cause == "response" else _FAILURES[event.cause]
        self._probed[probe.key] = said
        self.health.probed(probe.key, "" if alive else f"answer to OPTIONS: {said}", now)

    def report(self) -> list[dict[str, object]]:
        """For people: every gateway, by id."""
        now = self._clock.now().monotonic_ns
        return [
            self._reported(gateway, now) for gateway in sorted(self._gateways.values(), key=lambda g: g.id)
        ]

    def _reported(self, gateway: RoutingGateway, now: int) -> dict[str, object]:
        outage = self.health.out.get(gateway.key)
        out = outage if outage is not None and outage.holds(now) else None
        destination = self.destinations.get(gateway.key)
        return {
            "id": gateway.id,
            "key": gateway.key,
            "state": "locked" if gateway.locked else "in service" if out is None else "out of service",
            "cause": None if out is None else out.cause.value,
            "why": None if out is None else out.why,
            "out_seconds": None if out is None else (now - out.since_ns) // _NS,
            "back_in_seconds": None
            if out is None or out.until_ns is None
            else max(1, -(-(out.until_ns - now) // _NS)),
            "last_probe": self._probed.get(gateway.key),
            "addresses": []
            if destination is None
            else [
                _shown(location.transport, location.address, location.port)
                for location in destination.locations
            ],
        }

    def _fixed(self, gateway: RoutingGateway) -> Destination:
        try:
            return targets.fixed(gateway, self._listeners)
        except ValueError as error:
            raise ValueError(f"routing gateway {gateway.id!r}: {error}") from error

    def _locate(self, place: Place, before: dict[int, Destination]) -> None:
        """Have everything that is configured as this place go where it is now."""
        known = None if self.names is None else self.names.known(place)
        found = None if known is None else known.found
        why = "no name server" if known is None else known.why
        now = self._clock.now().monotonic_ns
        for key in self._by_place.get(place, ()):
            gateway = self._gateways[key]
            self.destinations.pop(key, None)
            if found is not None and found.priorities:
                try:
                    self.destinations[key] = Destination(
                        gateway, found.priorities, self._listeners, before.get(key)
                    )
                    if gateway.owner_key is not None:
                        self._check_reach(self.destinations[key])
                except ValueError as error:
                    self.destinations.pop(key, None)
                    why = str(error)
            self.health.resolved(key, why, now)

    def _check_reach(self, destination: Destination) -> None:
        """Raises ValueError where one of the ways leads to where agents may not send us."""
        if not all(self._reach.permits(location.address) for location in destination.locations):
            raise ValueError(CLOSED)

    def _rest(self, key: int, way: Way, seconds: int | None, now: int) -> bool:
        """Obey a Retry-After of this way, and of the gateway if no other is left. True: it was obeyed."""
        destination = self.destinations.get(key)
        seconds = min(seconds or 0, self.health.rules.retry_after_max_seconds)
        if seconds <= 0 or destination is None:
            return False
        destination.rest(way.location, now + seconds * _NS)
        if all(destination.rests(location, now) for location in destination.locations):
            self.health.retry_after(key, seconds, now)
            self._wake_at_end(key)
        return True

    def _wake_at_end(self, key: int) -> None:
        """Say so when an outage is over by its time."""
        outage = self.health.out.get(key)
        if outage is not None and outage.until_ns is not None:
            until = outage.until_ns
            self._alarms.at(until, lambda key: self.health.expire(key, max(until, self._now())), key)

    def _now(self) -> int:
        return self._clock.now().monotonic_ns

    def _probe(self, key: int) -> None:
        """It is time to ask a gateway whether it is there."""
        gateway = self._gateways.get(key)
        if gateway is None or gateway.probe_seconds is None:
            self._scheduled.discard(key)
            return
        now = self._now()
        off = 1 + self._jitter * (2 * self._chance.random() - 1)
        self._alarms.at(now + int(gateway.probe_seconds * off * _NS), self._probe, key)
        outage = self.health.out.get(key)
        resting = outage is not None and outage.cause is Cause.RETRY_AFTER and outage.holds(now)
        ways = self.ways(key, f"probe-{self._next_probe}", now)
        # 21.5.4: one that has asked for rest is sent nothing; one without an address cannot be.
        if ways and not resting and not gateway.locked:
            self._send(key, ways)

    def _send(self, key: int, ways: tuple[Way, ...]) -> None:
        number, self._next_probe = self._next_probe, self._next_probe + 1
        self._probes[number] = _Probe(key, ways)
        self._engine.probe(number, ways[0].target, self._now())
        self._kick()

    def _changed(self, key: int, outage: Outage | None) -> None:
        gateway = self._gateways.get(key)
        name = gateway.id if gateway is not None else str(key)
        if outage is None:
            log.info("gateway.in_service", gateway=name)
        else:
            log.warning("gateway.out_of_service", gateway=name, cause=outage.cause.value, why=outage.why)


_FAILURES = {"timeout": "none in time", "transport": "not to be delivered"}


def _shown(transport: str, address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{transport}:{host}:{port}"
