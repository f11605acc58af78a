"""Mapping and routing gateways as people write them, and which authorization each field asks an agent for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sipguard.manage.form import DEFAULT_FAILOVER_CODES
from sipguard.manage.values import (
    Certificate,
    Digits,
    Form,
    Host,
    Id,
    Limit,
    Network,
    NonNegativeMicros,
    Prefix,
    Rewrites,
    Secret,
    TechPrefixes,
    Username,
)
from sipguard.model.authorization import Authorization
from sipguard.model.gateway import Redirects, RouteMode
from sipguard.model.presentation import Asserts, CallerFormat

Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
Code = Annotated[int, Field(ge=300, le=699)]
Prefixed = Annotated[str, Field(max_length=18, pattern=r"^[0-9]*$")]
NEVER_FAILED_OVER = frozenset({486, 487, 600, 603, 604, 607, 608})
"""The callee has said no: RFC 3261 section 16.7 forbids to ask elsewhere, or good sense does."""


class RouteForm(Form):
    """A prefix that a routing gateway takes."""

    prefix: Prefix
    priority: Limit = Field(1, description="Lower is tried first.")
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1, description="Share of equal priorities.")
    mode: Annotated[RouteMode, Field(strict=False)] = Field(
        RouteMode.TERMINATE, description="continue: gateways of shorter prefixes may follow."
    )


class RoutingGatewayChanges(Form):
    """What of a routing gateway can be modified; what is not given stays as it is."""

    host: Host = Field("", description="An address, or a name that is resolved by RFC 3263.")
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(None, description="null: the DNS says.")
    transport: Literal["udp", "tcp", "tls"] | None = Field(None, description="null: the DNS says.")
    tls_name: Certificate | None = Field(None, description="Whom its certificate is for; null: the host.")
    tls_verify: bool = True
    strip_digits: Annotated[int, Field(ge=0, le=18)] = Field(0, description="Taken off the front.")
    add_prefix: Prefixed = Field("", description="Put in front afterwards.")
    called_rewrite: Rewrites = Field(
        [], description="Rules such as 44*:0*, before digits are taken off and put in front."
    )
    caller_rewrite: Rewrites = Field([], description="Likewise of the number that calls.")
    routes: Annotated[list[RouteForm], Field(max_length=10_000)] = Field([], description="Its prefixes.")
    caller_format: Annotated[CallerFormat, Field(strict=False)] = CallerFormat.AS_RECEIVED
    asserts: Annotated[Asserts, Field(strict=False)] = Asserts.PASSED
    country_code: Digits | None = None
    national_prefix: Prefixed = ""
    international_prefix: Prefixed = "00"
    answer_timeout_ms: Milliseconds = Field(4_000, description="No response at all: the next is tried.")
    ring_timeout_ms: Milliseconds = Field(181_000, description="No final response (timer C).")
    failover_codes: Annotated[list[Code], Field(max_length=400)] = Field(
        sorted(frozenset[int]().union(*DEFAULT_FAILOVER_CODES)), description="The next gateway is tried."
    )
    probe_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = Field(
        None, description="Asked by OPTIONS so often; null: never."
    )
    probe_down_codes: Annotated[list[Code], Field(max_length=400)] = Field([408, 503])
    fails_over_after_media: bool = False
    locked: bool = False
    capacity: Limit | None = Field(None, description="Concurrent calls; null: no limit.")
    cps_limit: Limit | None = Field(None, description="Calls per second; null: no limit.")
    cost_table_id: Id | None = Field(None, description="What the vendor charges; null: nothing.")
    vendor_credit_micros: NonNegativeMicros | None = Field(
        None, description="How far below zero its clearing account may go; null: no limit."
    )
    sells_below_cost: bool = False
    redirects: Annotated[Redirects, Field(strict=False)] = Redirects.REFUSE
    dials_by_to: bool = False
    takes_refer: bool = False
    trusted: bool = False
    hides_topology: bool = False
    hides_call_id: bool = False


class NewRoutingGateway(RoutingGatewayChanges):
    """A routing gateway to be."""

    id: Id
    host: Host
    owner_id: Id | None = Field(
        None, description="The agent whose calls alone use it; null: whoever makes it, or the operator."
    )


class MappingGatewayChanges(Form):
    """What of a mapping gateway can be modified; what is not given stays as it is."""

    sources: Annotated[list[Network], Field(max_length=1_000)] = Field([], description="Where it calls from.")
    certificates: Annotated[list[Certificate], Field(max_length=100)] = Field(
        [], description="One of these has to be proved over TLS; empty: the address is enough."
    )
    country_code: Digits | None = Field(None, description="How it writes numbers.")
    national_prefix: Prefixed | None = None
    international_prefixes: Annotated[list[Digits], Field(max_length=20)] = Field([])
    called_rewrite: Rewrites = Field(
        [], description="Rules such as 00*:*; the first that fits changes what is dialled, before it is read."
    )
    caller_rewrite: Rewrites = Field([], description="Likewise of the number that calls.")
    tech_prefixes: TechPrefixes = Field(
        [],
        description="Digits, * and #, one of which stands in front of whatever it dials and is taken off:"
        " by them trunks that call from one address are told apart.",
    )
    locked: bool = False
    capacity: Limit | None = Field(None, description="Concurrent calls; null: no limit.")
    cps_limit: Limit | None = Field(None, description="Calls per second; null: no limit.")
    routing_gateway_ids: Annotated[list[Id], Field(max_length=10_000)] | None = Field(
        None, description="Which it may use; null: all."
    )
    trusted: bool = Field(False, description="Its identity headers reach gateways.")
    caller_number: Digits | None = Field(None, description="Stands in for a number it may not present.")
    caller_prefixes: Annotated[list[Digits], Field(max_length=1_000)] | None = Field(
        None, description="Fronts of the numbers that it may present; null: any."
    )


class NewMappingGateway(MappingGatewayChanges):
    """A mapping gateway to be."""

    id: Id
    account_id: Id
    username: Username | None = Field(None, description="With one its calls need a password, too.")
    password: Secret | None = Field(None, description="null, with a username: one is made up.")


class NewCredential(Form):
    """A user and password to be."""

    username: Username | None = Field(None, description="null: the one that there is.")
    password: Secret | None = Field(None, description="null: one is made up, and told this once.")


Tried = Annotated[str, Field(min_length=1, max_length=64)]


class TestNumber(Form):
    """A number to try."""

    __test__ = False  # pytest

    number: Tried
    caller: Tried | None = Field(None, description="The number that calls; null: none is shown.")


class TestCall(TestNumber):
    """A number to try from a trunk, and how it would leave for a gateway."""

    routing_gateway_id: Id | None = Field(None, description="For which it would leave; null: for none.")


CAPACITY = frozenset({"capacity", "cps_limit"})
"""Authorization 6."""
OPERATORS = frozenset(
    {
        # Of routing gateways: the operator's money, and what lets a vendor see or do more.
        "cost_table_id",
        "vendor_credit_micros",
        "sells_below_cost",
        "redirects",
        "dials_by_to",
        "takes_refer",
        "trusted",
        "hides_topology",
        "hides_call_id",
        # Of mapping gateways: what the operator lets a customer use and claim.
        "routing_gateway_ids",
        "caller_number",
        "caller_prefixes",
    }
)
"""For administrators alone. All other fields are information: authorization 5."""


def needed(fields: frozenset[str]) -> list[Authorization]:
    """What an agent needs to change these fields, those of administrators apart."""
    found = []
    if fields - CAPACITY - OPERATORS:
        found.append(Authorization.GATEWAY_INFORMATION)
    if fields & CAPACITY:
        found.append(Authorization.GATEWAY_CAPACITY)
    return found
