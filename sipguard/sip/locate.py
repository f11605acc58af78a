"""Where a SIP server is to be found: RFC 3263 section 4 over any way to ask the DNS.

Everything here is the procedure: which records are asked for, in which order, and what is tried first. How a
question gets its answer is `lookup`'s matter; how long what was found is kept ready is `names`'.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
"""RFC 3261 section 19.1.2."""

SERVERS_MAX = 32
"""SRV records of one name that are looked at; no gateway has more doors, and each costs two questions."""

# RFC 3263 section 4.1, RFC 7118 left out: what NAPTR calls the transports.
_SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
_PREFIXES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


class Place(NamedTuple):
    """What a gateway is configured as, or a URI names."""

    host: str
    """A host name; without a dot at the end, in lower case."""
    port: int | None = None
    """None: SRV says, else the default of the transport."""
    transport: str | None = None
    """ "udp", "tcp", "tls"; None: NAPTR or SRV says, else UDP."""


class Location(NamedTuple):
    """One way to reach a server."""

    transport: str
    address: str
    """IPv4 or IPv6, the latter without brackets."""
    port: int


class Server(NamedTuple):
    """One host of a service."""

    weight: int
    """Its share among those of its priority (RFC 2782)."""
    locations: tuple[Location, ...]
    """Never empty; in the order in which they are tried."""


class Found(NamedTuple):
    """What is known of a place."""

    priorities: tuple[tuple[Server, ...], ...]
    """The servers of each priority, the first to try first; empty: there are none."""
    ttl: int
    """Seconds for which this holds: the least of all records that it was made of."""
    why: str = ""
    """Where there are none: what is missing."""


class Naptr(NamedTuple):
    """A NAPTR record (RFC 3403 section 4), as far as SIP looks at it."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """A SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Answer(NamedTuple):
    """What the DNS has of a name."""

    records: Sequence[Naptr | Srv | str]
    """Of the type that was asked for, an address as text; empty: there are none (NXDOMAIN or NODATA)."""
    ttl: int
    """Seconds; of an empty answer, for how long that may be believed (RFC 2308)."""


class LookupFailedError(Exception):
    """The DNS did not say (no answer, SERVFAIL, refused), which is not "none". The message says what."""


class Lookup(Protocol):
    """Asks the DNS one question."""

    async def __call__(self, name: str, kind: str) -> Answer:
        """`kind`: "NAPTR", "SRV", "A" or "AAAA". Raises LookupFailedError."""


async def locate(
    place: Place,
    lookup: Lookup,
    transports: Sequence[str] = ("udp", "tcp"),
    families: Sequence[str] = ("AAAA", "A"),
) -> Found:
    """Everything that `place` stands for, by RFC 3263 sections 4.1 and 4.2.

    `transports`, `families`: what we can use, the preferred first. Raises LookupFailedError where the DNS was
    needed and did not answer.
    """
    return await _Search(place, lookup, transports, families).run()


class _Search:
    def __init__(
        self, place: Place, lookup: Lookup, transports: Sequence[str], families: Sequence[str]
    ) -> None:
        self.place, self.lookup = place, lookup
        self.transports, self.families = transports, families
        self.ttl: int | None = None

    async def run(self) -> Found:
        place = self.place
        if is_address(place.host):
            transport = place.transport or "udp"
            port = place.port or DEFAULT_PORTS[transport]
            return Found(((Server(0, (Location(transport, place.host, port),)),),), _FOREVER)
        if place.port is not None:
            return await self.host(place.transport or "udp", place.port)
        if place.transport is not None:
            return await self.service(place.transport, f"{_PREFIXES[place.transport]}.{place.host}")
        return await self.any_transport()

    async def any_transport(self) -> Found:
        """4.1: NAPTR, else SRV for every transport, else UDP."""
        for transport, name in await self.naptr():
            found = await self.services([(transport, name)])
            if found is not None:
                return found
        wanted = [t for t in self.transports if t != "tls"]  # a sip URI: TLS only where NAPTR says so
        found = await self.services([(t, f"{_PREFIXES[t]}.{self.place.host}") for t in wanted])
        if found is not None:
            return found
        return await self.host("udp", DEFAULT_PORTS["udp"])

    async def naptr(self) -> list[tuple[str, str]]:
        """The services that we can use, the preferred first."""
        try:
            records = await self.ask(self.place.host, "NAPTR")
        except LookupFailedError:
            # Some forwarders refuse a type that they do not know. SRV tells as much, but for the preference.
            return []
        usable = [
            record
            for record in records
            if isinstance(record, Naptr)
            and record.flags.lower() == "s"
            and _SERVICES.get(record.service.upper()) in self.transports
        ]
        usable.sort(key=lambda record: (record.order, record.preference))
        return [(_SERVICES[record.service.upper()], record.replacement) for record in usable]

    async def service(self, transport: str, name: str) -> Found:
        """4.2 for a known transport: SRV, else the addresses of the name."""
        found = await self.services([(transport, name)])
        return found or await self.host(transport, DEFAULT_PORTS[transport])

    async def services(self, names: Sequence[tuple[str, str]]) -> Found | None:
        """The servers of the first of these services that has any; None: no SRV record at all."""
        for transport, name in names:
            records = [record for record in await self.ask(name, "SRV") if isinstance(record, Srv)]
            if not records:
                continue
            offered = [record for record in records if record.target not in ("", ".")]
            if not offered:
                # RFC 2782: a target of "." says that the service is decidedly not there.
                return self.found((), f"{name} says that there is no such service")
            return await self.servers(transport, name, offered)
        return None

    async def servers(self, transport: str, name: str, records: list[Srv]) -> Found:
        records.sort(key=lambda record: record.priority)
        priorities: dict[int, list[Server]] = {}
        failure: LookupFailedError | None = None
        for record in records[:SERVERS_MAX]:
            try:
                addresses = await self.addresses(record.target)
            except LookupFailedError as error:
                failure = error  # the others may do without this one
                continue
            if addresses:
                locations = tuple(Location(transport, address, record.port) for address in addresses)
                priorities.setdefault(record.priority, []).append(Server(record.weight, locations))
        if failure is not None and not priorities:
            raise failure
        found = tuple(map(tuple, priorities.values()))
        return self.found(found, f"no host of {name} has an address", failure is not None)

    async def host(self, transport: str, port: int) -> Found:
        """The addresses of the name itself, tried one after the other."""
        addresses = await self.addresses(self.place.host)
        locations = tuple(Location(transport, address, port) for address in addresses)
        servers = ((Server(0, locations),),) if locations else ()
        return self.found(servers, f"{self.place.host} has no address")

    async def addresses(self, name: str) -> list[str]:
        """RFC 7984 section 3: of every family that we can use."""
        found: list[str] = []
        failure: LookupFailedError | None = None
        for family in self.families:
            try:
                found += [record for record in await self.ask(name, family) if isinstance(record, str)]
            except LookupFailedError as error:
                failure = error
        if failure is not None and not found:
            raise failure
        return found

    async def ask(self, name: str, kind: str) -> Sequence[Naptr | Srv | str]:
        answer = await self.lookup(name, kind)
        self.ttl = answer.ttl if self.ttl is None else min(self.ttl, answer.ttl)
        return answer.records

    def found(self, priorities: tuple[tuple[Server, ...], ...], why: str, incomplete: bool = False) -> Found:
        ttl = self.ttl or 0
        return Found(priorities, min(ttl, _INCOMPLETE_TTL) if incomplete else ttl, "" if priorities else why)


_FOREVER = 2**31 - 1
_INCOMPLETE_TTL = 30
"""Some of the questions had no answer: ask again soon."""


def order(priorities: Sequence[Sequence[Server]], draw: Callable[[int], int]) -> list[Location]:
    """Every location once, in the order in which one request tries them (RFC 2782, RFC 3263 section 4.3).

    `draw(n)` is a number from 0 to n, both included, as likely as any other.
    """
    drawn: list[Location] = []
    for servers in priorities:
        # Weight 0 stands in front, so that it is drawn by a 0 only: seldom where others have weight.
        left = sorted(servers, key=lambda server: server.weight > 0)
        while left:
            point = draw(sum(server.weight for server in left))
            position = 0
            while point > left[position].weight:
                point -= left[position].weight
                position += 1
            drawn += left.pop(position).locations
    return drawn


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
