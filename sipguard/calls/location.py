"""Where phones are: the location service that calls to them ask (RFC 3261 section 10), and their address.

Bindings are kept in memory and written behind, a second at the latest after they changed: a phone whose
REGISTER was answered and that a crash forgets registers again, and nothing that costs money hangs on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from itertools import groupby
from operator import attrgetter

import structlog
from msgspec.structs import replace

from sipguard.model.contact import Contact
from sipguard.policy import registration
from sipguard.policy.phone import ANSWER_TIMEOUT_MS, RING_TIMEOUT_MS
from sipguard.sip.events import Target
from sipguard.sip.locate import Location
from sipguard.sip.targets import Way
from sipguard.store import contact as store
from sipguard.store.database import Database

log = structlog.get_logger()

NEXT_CONTACT_MS = 20_000
"""Contacts that ring so long give way to the next ones of the same phone: about five rings."""


class Locations:
    """Where phones are. Nobody else changes it while the daemon runs."""

    def __init__(self, contacts: Iterable[Contact] = (), limits: registration.Limits | None = None) -> None:
        """`contacts`: as stored by an earlier run."""
        self.limits = limits or registration.Limits(60, 3600)
        self._contacts: dict[int, tuple[Contact, ...]] = {}
        self._changed: set[int] = set()
        for contact in contacts:
            known = self._contacts.get(contact.phone_key, ())
            self._contacts[contact.phone_key] = (*known, contact)

    def of(self, phone_key: int, now_ms: int) -> tuple[Contact, ...]:
        """The contacts of a phone, in the order in which they are tried."""
        return registration.current(self._contacts.get(phone_key, ()), now_ms)

    def at(self, host: str, port: int, now_ms: int) -> int | None:
        """Key of the phone that has registered from this very address and port."""
        for key, contacts in self._contacts.items():
            for contact in contacts:
                if (contact.host, contact.port) == (host, port) and contact.expires_ms > now_ms:
                    return key
        return None

    def put(self, phone_key: int, contacts: tuple[Contact, ...]) -> None:
        """These are the contacts of a phone from now on."""
        if contacts:
            self._contacts[phone_key] = contacts
        else:
            self._contacts.pop(phone_key, None)
        self._changed.add(phone_key)

    def expire(self, now_ms: int) -> None:
        """Forget what has expired."""
        for key, contacts in list(self._contacts.items()):
            alive = tuple(contact for contact in contacts if contact.expires_ms > now_ms)
            if len(alive) < len(contacts):
                self.put(key, alive)

    def all(self) -> list[Contact]:
        """Every contact that is known."""
        return [contact for contacts in self._contacts.values() for contact in contacts]

    def __len__(self) -> int:
        """How many there are."""
        return sum(map(len, self._contacts.values()))

    async def write(self, database: Database) -> None:
        """Have the store know what has changed. What fails is tried again the next time."""
        if not self._changed:
            return
        writing, self._changed = self._changed, set()
        try:
            async with database.writing() as conn:
                for key in writing:
                    await store.put(conn, key, self._contacts.get(key, ()))
        except BaseException:
            self._changed |= writing
            raise


def contact_ways(contacts: tuple[Contact, ...]) -> tuple[Way, ...]:
    """The contacts of a phone as ways to it, in their order, but for those that the engine cannot call.

    Contacts of one q ring together, those of a lower one when they have not answered (RFC 3261 section 16.6).
    """
    groups = [tuple(group) for _, group in groupby(contacts, key=attrgetter("q"))]
    ways = []
    for position, group in enumerate(groups):
        is_last = position == len(groups) - 1
        made = []
        for contact in group:
            try:
                made.append((contact, target(contact, RING_TIMEOUT_MS if is_last else NEXT_CONTACT_MS)))
            except ValueError as error:
                log.warning("registrar.contact_unusable", uri=contact.uri, error=str(error))
        if made:
            (contact, first), *others = made
            location = Location(contact.transport, contact.host, contact.port)
            ways.append(Way(location, first, tuple(other for _, other in others)))
    return tuple(ways)


def target(contact: Contact, ring_timeout_ms: int = RING_TIMEOUT_MS) -> Target:
    """Where a contact is called: where its REGISTER came from, which is right behind any NAT and aims at
    nobody else; at another port only where the URI names one of the very address that it came from.

    Raises ValueError where the engine cannot call it.
    """
    port, transport, stream = contact.port, contact.transport, contact.stream
    named = _named(contact.uri)
    if not contact.path and contact.reg_id is None and named is not None and named[0] == contact.host:
        port = named[1]
        told = _TRANSPORT.search(contact.uri.rpartition("@")[2])
        if told is not None and told[1].lower() != transport:
            transport, stream = told[1].lower(), 0
    return Target.registered(
        contact.uri,
        contact.host,
        port,
        routes=", ".join(contact.path),
        listener=contact.listener,
        transport=transport,
        stream=stream,
        answer_timeout_ms=ANSWER_TIMEOUT_MS,
        ring_timeout_ms=ring_timeout_ms,
    )


_TRANSPORT = re.compile(r";transport=(\w+)", re.IGNORECASE)


def _named(uri: str) -> tuple[str, int] | None:
    """Address and port of a SIP URI whose host is an address."""
    hostport = uri.partition(":")[2].rpartition("@")[2].partition("?")[0].partition(";")[0]
    host, bracket, rest = hostport.removeprefix("[").partition("]")
    if not bracket:
        host, _, port = hostport.partition(":")
    else:
        port = rest.removeprefix(":")
    try:
        default = 5061 if uri[:5].lower() == "sips:" else 5060
        return str(ip_address(host)), int(port or default)
    except ValueError:
        return None


def adopted(contacts: Iterable[Contact], listeners: int) -> list[Contact]:
    """Contacts of an earlier run as they can be used in this one: on listeners that there still are."""
    return [contact if contact.listener < listeners else replace(contact, listener=0) for contact in contacts]
