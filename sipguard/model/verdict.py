"""The outcome of a decision: a Permit, without which nothing can be forwarded, or a Refusal.

A new reason for refusing: add it to `Reason` here in the order of precedence, give it its SIP answer in
calls/reasons.py, and return it from the policy module whose matter it is. A test holds the three together.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from sipguard.model.account import Account
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.model.money import Micros
from sipguard.model.rate import Rate


class Reason(StrEnum):
    """Every way to say no. Names are stable: CDRs keep them.

    In the order in which the checks are made, but for the first two: they come after a permit, and before
    anything of it is claimed, so that a call that policy refuses is told so even then.
    """

    STORE_DOWN = "store_down"
    OVERLOADED = "overloaded"
    UNKNOWN_SOURCE = "unknown_source"
    TECH_PREFIX_MISSING = "tech_prefix_missing"
    CREDENTIALS_REFUSED = "credentials_refused"
    GATEWAY_LOCKED = "gateway_locked"
    ACCOUNT_LOCKED = "account_locked"
    ACCOUNT_EXPIRED = "account_expired"
    CALLER_REFUSED = "caller_refused"
    BAD_NUMBER = "bad_number"
    SECTION_BLOCKED = "section_blocked"
    NO_RATE = "no_rate"
    RATE_CAP = "rate_cap"
    CONCURRENT_LIMIT = "concurrent_limit"
    CALLS_PER_SECOND = "calls_per_second"
    NOT_ENOUGH_MONEY = "not_enough_money"
    PHONE_LOCKED = "phone_locked"
    NO_ROUTE = "no_route"
    GATEWAYS_DOWN = "gateways_down"
    MARGIN = "margin"
    GATEWAYS_FULL = "gateways_full"
    NOT_REGISTERED = "not_registered"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A no, with what an operator needs to understand it. Never leaks to the caller beyond the status."""

    reason: Reason
    level: str | None
    """Id of the account or gateway that refused; None where no level did (unknown source)."""
    rule: str | None
    """The rule: "section:12", "rate:7", "account:acme.call_limit"; None where none applies."""
    observed: str
    """What was found: the number, the count, the money available."""
    required: str
    """What would have been needed."""
    account_id: str | None = None
    """The calling account, once known."""
    gateway_id: str | None = None
    """The mapping gateway, once known."""
    called: str | None = None
    """The number as judged, once normalised."""
    calling: str | None = None


class Level(msgspec.Struct, frozen=True):
    """One paying level of the chain, the caller's account first."""

    account: Account
    rate: Rate | None
    """None: a level without a rate table, checked for state and limits only."""
    hold_micros: Micros
    """Connect fee and first slice, held before the INVITE leaves."""
    income_ledger: int
    """Where its charge goes: the revenue of the agent above, or of the operator at the top."""


class Candidate(msgspec.Struct, frozen=True):
    """A gateway that may take the call, in the order in which they are tried."""

    gateway: RoutingGateway
    route_key: int
    cost: Rate | None
    hold_micros: Micros
    """Held on the vendor's clearing account while this gateway has the call; 0 where it has no limit."""
    number: str
    """The digits that leave for it: the judged number after the vendor's rewrite."""


class Permit(msgspec.Struct, frozen=True):
    """A yes. The holds and slots that it names are claimed in the same step, or it is worth nothing."""

    mapping_gateway: MappingGateway
    levels: tuple[Level, ...]
    """The calling account first, the top-level account last; never empty."""
    called: str
    """E.164 digits as judged."""
    calling: str
    """Digits as judged, or empty for an anonymous caller."""
    candidates: tuple[Candidate, ...]
    """Never empty."""
    slice_seconds: int
    """What the holds cover from the answer on."""
    max_seconds: int | None
    """Configured maximum length over all levels; money may end the call sooner."""
    revision: int
    """Revision of the directory that was judged by."""
    emergency: bool = False
    caller_replaced: bool = False
    """`calling` is not what From says: the trunk may not present that."""


Verdict = Permit | Refusal
