"""Gateways: mapping gateways bring calls in, routing gateways take them out (manual 2.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sipguard.model.presentation import AS_IT_IS, CallerRule, Presentation
from sipguard.model.rewrite import RewriteRule


class RouteMode(StrEnum):
    """What follows when the gateways of this prefix cannot take the call."""

    TERMINATE = "terminate"
    """Stop here."""
    CONTINUE = "continue"
    """Try the gateways of shorter prefixes too."""


class Redirects(StrEnum):
    """What becomes of a redirection (3xx) by a gateway."""

    REFUSE = "refuse"
    """It counts as a refusal: the next gateway is tried."""
    JUDGE = "judge"
    """The number of each Contact is judged as if the caller had dialled it; it goes where our routes lead."""


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How a trunk writes numbers, so that they can be read as E.164.

    A number that starts with '+' or one of `international_prefixes` is international as it stands;
    else one that starts with `national_prefix` belongs to `country_code`; else it is taken as
    international digits already (wholesale trunks send bare E.164).
    """

    country_code: str | None
    national_prefix: str | None
    international_prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MappingGateway:
    """A customer's trunk (ingress)."""

    key: int
    id: str
    account_key: int
    sources: tuple[str, ...]
    """IPv4 or IPv6 networks in CIDR form ("127.0.0.2/32"); the most specific match wins."""
    capacity: int | None
    """Concurrent calls; None: no limit."""
    cps_limit: int | None
    locked: bool
    number_plan: NumberPlan
    routing_gateway_keys: frozenset[int] | None
    """Routing gateways that this trunk may use; None: all."""
    trusted: bool
    """Its identity headers (P-Asserted-Identity, Diversion, ...) reach the gateway; else they are taken out
    (RFC 3325 section 5). Never decides who pays: that is the source address, or the certificate."""
    certificates: tuple[str, ...] = ()
    """Names or fingerprints, as model/certificate.py writes them, one of which the peer proves over TLS;
    then `sources` only say where from. Empty: the address is proof enough."""
    caller: CallerRule | None = None
    """Numbers that it may present; None: whatever it says."""
    called_rewrite: tuple[RewriteRule, ...] = ()
    """Change what it dials, before the number is read by its plan and judged."""
    caller_rewrite: tuple[RewriteRule, ...] = ()
    """Change whom it says that calls, before that is read and judged."""
    tech_prefixes: tuple[str, ...] = ()
    """Digits, `*` and `#`, one of which stands in front of whatever it dials and tells it from other trunks
    of the same source; taken off before the number is read. Empty: nothing stands there."""


@dataclass(frozen=True, slots=True)
class RoutingGateway:
    """A vendor's trunk (egress)."""

    key: int
    id: str
    host: str
    """An IP address, or a name that is resolved by RFC 3263."""
    port: int | None
    """None: of a name, SRV says; else the default of the transport."""
    transport: str | None
    """None: of a name, NAPTR or SRV says; else UDP."""
    capacity: int | None
    cps_limit: int | None
    locked: bool
    clearing_ledger: int
    """The vendor's clearing account: money that lies with the vendor, less what calls cost."""
    cost_table_key: int | None
    """What the vendor charges us; None: calls through it cost nothing."""
    vendor_credit_micros: int | None
    """How far below zero the clearing account may go; None: no limit (a postpaid vendor)."""
    strip_digits: int
    """Digits taken off the front of the judged number before it is sent."""
    add_prefix: str
    """Digits put in front of it afterwards."""
    answer_timeout_ms: int
    """No response at all within this time: the next gateway is tried."""
    ring_timeout_ms: int
    """No final response within this time after ringing began (RFC 3261 timer C)."""
    failover_codes: frozenset[int]
    """Final responses on which the next gateway is tried."""
    dials_by_to: bool
    """Calls what To says: To is made to name the number that was judged."""
    takes_refer: bool
    """Callers may send it REFER inside a call; it then calls numbers that nobody has judged or charged."""
    probe_seconds: int | None = None
    """It is asked by OPTIONS whether it is there, once in so long; None: never."""
    probe_down_codes: frozenset[int] = frozenset({408, 503})
    """Answers to that which say that it is not; any other final one says that it is."""
    fails_over_after_media: bool = False
    """The next gateway may be tried even where the caller has heard this one (183 with a body)."""
    redirects: Redirects = Redirects.REFUSE
    presentation: Presentation = AS_IT_IS
    """What it is shown of the caller and of the way to it."""
    tls_name: str | None = None
    """What its certificate must be for, over TLS (RFC 5922), or its fingerprint; None: for `host`."""
    tls_verify: bool = True
    """Whether it has to show such a certificate; false: anybody may be at the other end."""
    sells_below_cost: bool = False
    """Calls may go through it that cost more than they are sold for."""
    owner_key: int | None = None
    """The agent that keeps it, whose calls alone may use it; None: the operator."""
    called_rewrite: tuple[RewriteRule, ...] = ()
    """Change the judged number before `strip_digits` and `add_prefix` do; judged again (policy.rewrite)."""
    caller_rewrite: tuple[RewriteRule, ...] = ()
    """Change the judged number of the caller in place of the format of `presentation`; judged again."""


@dataclass(frozen=True, slots=True)
class Route:
    """A prefix that a routing gateway terminates."""

    key: int
    gateway_key: int
    prefix: str
    mode: RouteMode
    priority: int
    """Lower is tried first."""
    weight: int
    """Share among equal priorities, at least 1."""
