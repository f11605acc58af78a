"""The shape of a data set file: what may stand in it. config/demo.toml shows all of it in use."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct, field

from sipguard.manage.leaf import (
    Amount,
    CertificateName,
    Codes,
    Currency,
    Days,
    Digits,
    FailoverCodes,
    Host,
    Hours,
    Id,
    Moment,
    MoneyUnit,
    Network,
    Number,
    Password,
    Percent,
    Prefix,
    Rewrite,
    TechPrefix,
    Tiers,
    TimeZone,
    Username,
)
from sipguard.model.gateway import Redirects, RouteMode
from sipguard.model.phone import CallerCheck, PhoneLock
from sipguard.model.presentation import Asserts, CallerFormat
from sipguard.model.rate import ALL_DAYS, DAY_MINUTES, Rounding
from sipguard.model.section import Action, Direction

Limit: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Seconds: TypeAlias = Annotated[int, Meta(ge=1, le=86_400)]
NoSeconds: TypeAlias = Annotated[int, Meta(ge=0, le=86_400)]
Milliseconds: TypeAlias = Annotated[int, Meta(ge=1, le=3_600_000)]
Rewrites: TypeAlias = tuple[Rewrite, ...]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65_535)]

# A second gateway may help where the first is unreachable, broken or full, not where the callee said no:
# 408 and every 5xx that IANA has registered.
DEFAULT_FAILOVER_CODES = (FailoverCodes({408, 500, 501, 502, 503, 504, 505, 513, 555, 580}),)


class Rate(Struct, frozen=True, forbid_unknown_fields=True):
    """Price of calls to numbers that start with `prefix`; `rate` per minute, increments in seconds."""

    prefix: Prefix
    rate: Amount
    destination: str = ""
    connect_fee: Amount = Amount(0)
    initial: Seconds = 1
    next: Seconds = 1
    grace: NoSeconds = 0
    minimum_seconds: NoSeconds = 0
    minimum_charge: Amount = Amount(0)
    tiers: Tiers = Tiers()
    valid_from: Moment | None = None
    valid_till: Moment | None = None
    days: Days = Days(ALL_DAYS)
    hours: Hours = Hours((0, DAY_MINUTES))


class RateTable(Struct, frozen=True, forbid_unknown_fields=True):
    id: Id
    rates: tuple[Rate, ...]
    currency: Currency | None = None
    """None: that of the file."""
    time_rounding: Rounding = Rounding.UP
    money_rounding: Rounding = Rounding.HALF_UP
    money_unit: MoneyUnit = MoneyUnit(1)
    time_zone: TimeZone | None = None
    """None: that of the account that buys by it."""


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    direction: Direction
    action: Action
    prefix: Prefix


class Account(Struct, frozen=True, forbid_unknown_fields=True):
    """Fields as in model.account; a limit that is left out is no limit."""

    id: Id
    name: str = ""
    agent: Id | None = None
    currency: Currency | None = None
    """None: that of the file."""
    rate_table: Id | None = None
    credit_limit: Amount = Amount(0)
    call_limit: Limit | None = None
    cps_limit: Limit | None = None
    max_call_seconds: Limit | None = None
    max_rate: Amount | None = None
    locked: bool = False
    valid_from: Moment | None = None
    valid_till: Moment | None = None
    time_zone: TimeZone | None = None
    """None: that of the file."""
    tax_percent: Percent = Percent(0)
    lock_ends_calls: bool | None = None
    """None: as `calls.lock_ends_calls` of the configuration says."""
    sections: tuple[Section, ...] = ()


class MappingGateway(Struct, frozen=True, forbid_unknown_fields=True):
    id: Id
    account: Id
    sources: tuple[Network, ...] | None = None
    """May be left out with a username: wherever the user is that proves its password."""
    username: Username | None = None
    """With one its calls need the password too, from whatever source."""
    password: Password | None = None
    certificates: tuple[CertificateName, ...] = ()
    """One of these has to be proved over TLS; empty: the address is enough."""
    capacity: Limit | None = None
    cps_limit: Limit | None = None
    locked: bool = False
    country_code: Digits | None = None
    national_prefix: Digits | None = None
    international_prefixes: tuple[Digits, ...] = ()
    routing_gateways: tuple[Id, ...] | None = None
    """None: all."""
    trusted: bool = False
    caller_number: Digits | None = None
    caller_prefixes: tuple[Digits, ...] | None = None
    """None: any number may be presented."""
    called_rewrite: Rewrites = ()
    caller_rewrite: Rewrites = ()
    tech_prefixes: tuple[TechPrefix, ...] = ()
    """One of them stands in front of what it dials: so several may share a source. Empty: nothing does."""


class Phone(Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint with a password, and numbers at which it is called."""

    id: Id
    account: Id
    password: Password
    username: Username | None = None
    """None: its id."""
    numbers: tuple[Number, ...] = ()
    """The first is what it calls from."""
    sources: tuple[Network, ...] = ()
    """None: from anywhere."""
    country_code: Digits | None = None
    national_prefix: Digits | None = None
    international_prefixes: tuple[Digits, ...] = ()
    lock: PhoneLock = PhoneLock.NONE
    call_limit: Limit | None = None
    cps_limit: Limit | None = None
    contact_limit: Annotated[int, Meta(ge=1, le=100)] = 5
    caller_check: CallerCheck = CallerCheck.FORCE
    called_rewrite: Rewrites = ()


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    prefix: Prefix
    priority: Limit = 1
    weight: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    mode: RouteMode = RouteMode.TERMINATE


class RoutingGateway(Struct, frozen=True, forbid_unknown_fields=True):
    id: Id
    host: Host
    port: Port | None = None
    """None: 5060, or 5061 for TLS; of a name, SRV says."""
    transport: Literal["udp", "tcp", "tls"] | None = None
    """None: UDP; of a name, NAPTR or SRV says."""
    tls_name: CertificateName | None = None
    """None: the host."""
    tls_verify: bool = True
    capacity: Limit | None = None
    cps_limit: Limit | None = None
    locked: bool = False
    cost_table: Id | None = None
    prepaid: bool = False
    """The vendor is paid ahead: the clearing account may not go below zero."""
    vendor_credit: Amount | None = None
    """How far below zero it may go; None and not prepaid: no limit."""
    strip_digits: Limit = 0
    add_prefix: Digits | None = None
    called_rewrite: Rewrites = ()
    caller_rewrite: Rewrites = ()
    answer_timeout_ms: Milliseconds = 4_000
    ring_timeout_ms: Milliseconds = 181_000
    failover_codes: tuple[FailoverCodes, ...] = DEFAULT_FAILOVER_CODES
    stop_codes: tuple[Codes, ...] = ()
    """Taken out of those: for a class with exceptions."""
    fails_over_after_media: bool = False
    redirects: Redirects = Redirects.REFUSE
    probe_seconds: Seconds | None = None
    probe_down_codes: tuple[Codes, ...] = (Codes({408, 503}),)
    dials_by_to: bool = False
    takes_refer: bool = False
    sells_below_cost: bool = False
    trusted: bool = False
    hides_topology: bool = False
    hides_call_id: bool = False
    caller_format: CallerFormat = CallerFormat.AS_RECEIVED
    asserts: Asserts = Asserts.PASSED
    country_code: Digits | None = None
    national_prefix: Digits | None = None
    international_prefix: Digits = Digits("00")
    routes: tuple[Route, ...] = ()


class Payment(Struct, frozen=True, forbid_unknown_fields=True):
    """Money from outside into an account, or ours to a vendor (by the id of its routing gateway)."""

    key: Id
    amount: Amount
    account: Id | None = None
    vendor: Id | None = None
    memo: str = ""


class DataSet(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    currency: Currency
    """Of the house, and with it of everything below."""
    time_zone: TimeZone = TimeZone("UTC")
    """Of every account that names none itself."""
    rate_tables: tuple[RateTable, ...] = field(default=(), name="rate_table")
    accounts: tuple[Account, ...] = field(default=(), name="account")
    mapping_gateways: tuple[MappingGateway, ...] = field(default=(), name="mapping_gateway")
    routing_gateways: tuple[RoutingGateway, ...] = field(default=(), name="routing_gateway")
    phones: tuple[Phone, ...] = field(default=(), name="phone")
    payments: tuple[Payment, ...] = field(default=(), name="payment")
