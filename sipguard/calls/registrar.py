"""The registrar: a REGISTER is proved, judged and answered with what is bound (RFC 3261 section 10.3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from email.utils import formatdate

from sipguard.calls import authentication
from sipguard.calls.exchange import Exchange, log
from sipguard.calls.location import target
from sipguard.model.contact import Q_MAX, Contact
from sipguard.model.phone import PhoneLock
from sipguard.policy import registration
from sipguard.policy.decide import Moment
from sipguard.policy.registration import Problem, Register
from sipguard.sip.events import Request
from sipguard.store.database import Database

WRITE_SECONDS = 1.0
"""How long a change may wait to be written."""

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REGISTER"


def on_register(exchange: Exchange, event: Request) -> None:
    """Judge a REGISTER: its password, whom it is for, what it asks; and answer with what is bound then."""
    engine, now = exchange.engine, exchange.clock.now()
    if not exchange.directory.logins:
        engine.respond(event.call, 405, "Method Not Allowed", [("Allow", ALLOW.removesuffix(", REGISTER"))])
        return
    checked = authentication.check(exchange, event.call, now)
    login = exchange.directory.logins.find(checked.user)
    if login is None:
        authentication.refuse(exchange, event.call, checked, now)
        return
    phone = login.phone
    if phone is None or phone.lock is PhoneLock.ALL or not login.may_come_from(event.source_host):
        engine.respond(event.call, 403, "Forbidden", ())
        return
    if event.to_user not in (checked.user, phone.id, *phone.numbers, *_plus(phone.numbers)):
        engine.respond(event.call, 403, "Forbidden", ())  # step 4: somebody else's address
        return
    bound = exchange.locations.of(phone.key, now.unix_ms)
    register = _read(event, phone.key, now)
    limits = exchange.locations.limits
    told = registration.update(bound, register, limits, phone.contact_limit, now.unix_ms)
    if isinstance(told, Problem):
        engine.respond(event.call, told.status, told.phrase, told.headers)
        return
    try:
        for contact in told:
            target(contact)
    except ValueError:
        engine.respond(event.call, 400, "Bad Contact", ())  # what could not be called is not bound
        return
    if told != bound:
        exchange.locations.put(phone.key, told)
    engine.respond(event.call, 200, "OK", _headers(event, told, now))


def _plus(numbers: Iterable[str]) -> Iterable[str]:
    return (f"+{number}" for number in numbers)


def _read(event: Request, phone_key: int, now: Moment) -> Register:
    source = Contact(
        phone_key=phone_key,
        uri="",
        key="",
        q=Q_MAX,
        expires_ms=0,
        sip_call_id=event.sip_call_id,
        cseq=event.cseq,
        instance="",
        reg_id=None,
        path=tuple(event.path),
        host=event.source_host,
        port=event.source_port,
        listener=event.listener,
        transport=event.transport,
        stream=event.stream,
        user_agent=event.user_agent,
        registered_ms=now.unix_ms,
    )
    return Register(event.contacts, event.is_wildcard, event.expires, source)


def _headers(event: Request, bound: Iterable[Contact], now: Moment) -> list[tuple[str, str]]:
    """Step 8: every binding with the time that it has left; the Path back (RFC 3327 section 5.3)."""
    headers = [("Contact", _shown(contact, now)) for contact in bound]
    headers.append(("Date", formatdate(now.unix_ms / 1000, usegmt=True)))
    if event.path:
        headers.append(("Path", ", ".join(event.path)))
        headers.append(("Supported", "path"))
    # RFC 5626 section 6. Over UDP it would promise STUN, which we do not speak.
    is_flow = any(contact.reg_id is not None and contact.stream == event.stream for contact in bound)
    if event.stream and is_flow and "outbound" in event.supported:
        headers.append(("Require", "outbound"))
    return headers


def _shown(contact: Contact, now: Moment) -> str:
    left = -((now.unix_ms - contact.expires_ms) // 1000)
    shown = f"<{contact.uri}>;expires={max(1, left)}"
    if contact.q != Q_MAX:
        shown += f";q={contact.q // 1000}.{contact.q % 1000:03}"
    if contact.instance:
        shown += f';+sip.instance="<{contact.instance}>"'
    if contact.reg_id is not None:
        shown += f";reg-id={contact.reg_id}"
    return shown


async def keep(exchange: Exchange, database: Database, keep_alive_seconds: int) -> None:
    """Write behind, expire, and keep the ways through NATs open, until cancelled.

    `keep_alive_seconds`: how often each phone over UDP is sent an empty datagram; 0: never.
    """
    locations = exchange.locations
    beats = 0
    while True:
        await asyncio.sleep(WRITE_SECONDS)
        beats += 1
        locations.expire(time.time_ns() // 1_000_000)
        try:
            await locations.write(database)
        except Exception as error:  # the store may be locked or gone: the next round tries again
            log.warning("registrar.not_written", error=str(error))
        if keep_alive_seconds and beats % keep_alive_seconds == 0:
            for contact in locations.all():
                if contact.transport == "udp":
                    exchange.engine.keep_alive(target(contact))
            exchange.kick()


async def close(exchange: Exchange, database: Database) -> None:
    """Write what is not written yet, at the end of the daemon."""
    try:
        await exchange.locations.write(database)
    except Exception as error:
        log.warning("registrar.not_written", error=str(error))
