"""Who an INVITE is from where the source address alone does not tell: challenges, and what came of them.

A challenge is no verdict: it has no call record, only counters. What credentials may be used for (which
account, from which networks) is for policy to say (policy.identity).
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from sipguard.calls.exchange import Exchange
from sipguard.model.credential import Credential
from sipguard.policy import identity, number
from sipguard.policy.decide import Moment
from sipguard.sip.events import Invite

NOBODY = Credential("", "", secrets.token_hex(16), secrets.token_hex(32), secrets.token_hex(32))
"""What the credentials of a user that does not exist are checked against: the same work and the same answer
as for a wrong password, and nothing that anybody could know."""


def caller(exchange: Exchange, event: Invite, now: Moment) -> str | None:
    """The user that an INVITE is from; empty where its source address alone tells. None: it was answered,
    with a challenge or with 400, and there is nothing left to do.
    """
    directory = exchange.directory
    known = identity.by_source(event.source_host, event.request_user, directory)
    asked = identity.asks(known, directory)
    if asked and known is not None and known.emergency:
        return ""
    if asked and known is None and _is_emergency(exchange, event):
        phone = exchange.locations.at(event.source_host, event.source_port, now.unix_ms)
        if phone is not None and (user := directory.logins.of_phone(phone)) is not None:
            return user  # it has proved who it is when it registered from there
    checked = check(exchange, event.call, now)
    if checked.user:
        return checked.user
    if not asked:
        return ""  # its trunk is known, whatever else it says
    refuse(exchange, event.call, checked, now)
    return None


class Checked(NamedTuple):
    """What the credentials of a request are worth."""

    user: str
    """Empty unless they are right."""
    outcome: str
    """As `Engine.authenticate` has it."""


def check(exchange: Exchange, call: int, now: Moment) -> Checked:
    """Check the credentials of an undecided request, once."""
    engine, logged = exchange.engine, exchange.logged
    user = engine.credentials_user(call)
    login = exchange.directory.logins.find(user or "")
    known = NOBODY if login is None else login.credential
    outcome = engine.authenticate(call, known.ha1_md5, known.ha1_sha256, known.ha1_sha512_256, now.unix_ms)
    match outcome:
        case "right":
            logged.accepted += 1
        case "wrong":
            logged.wrong += 1
        case "stale":
            logged.stale += 1
        case "replayed":
            logged.replayed += 1
    return Checked(user if outcome == "right" and user is not None else "", outcome)


def refuse(exchange: Exchange, call: int, checked: Checked, now: Moment) -> None:
    """Ask for (other) credentials; credentials that are for another request, or no credentials, get 400."""
    if checked.outcome == "malformed":
        exchange.engine.respond(call, 400, "Bad Credentials", ())
        return
    exchange.logged.challenged += 1
    exchange.engine.challenge(call, now.unix_ms, checked.outcome in ("stale", "replayed"))


def _is_emergency(exchange: Exchange, event: Invite) -> bool:
    numbers = exchange.directory.settings.emergency_numbers
    if not numbers:
        return False
    dialled = number.read(event.request_user)
    return dialled is not None and dialled.digits in numbers
