"""Everything that a directory snapshot is built from, as the store reads it: whole, or what has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sipguard.model.account import Account
from sipguard.model.credential import Credential
from sipguard.model.gateway import MappingGateway, Route, RoutingGateway
from sipguard.model.phone import Phone
from sipguard.model.rate import Rate, RateTable
from sipguard.model.section import Section

REALM = "sipguard"
"""What users are asked a password for, unless the configuration names another realm."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration file says about judging."""

    slice_seconds: int
    """Call length that is held before the INVITE leaves, and by which holds are renewed; at least 1."""
    free_levels: bool
    """A level without a rate table passes unpriced; else its calls are refused."""
    emergency_numbers: frozenset[str]
    """Matched on the number as received (design section 6)."""
    emergency_gateway_ids: tuple[str, ...]
    """Routing gateways for emergency calls, in order."""
    leading_zero_countries: frozenset[str]
    """Country codes whose national numbers may begin with 0; behind any other a 0 is a national prefix."""
    realm: str = REALM
    """What users are asked a password for; credentials of another realm open nothing."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One consistent reading of all configuration tables.

    What there may be millions of is read once, row by row, and may come as the store has it: accounts as
    their fields in order, rates and sections as texts (model.packed).
    """

    revision: int
    """Highest row of the change feed that it contains."""
    accounts: Iterable[Account | tuple[Any, ...]]
    sections: Iterable[Section | str]
    rate_tables: Iterable[RateTable]
    rates: Iterable[Rate | str]
    mapping_gateways: Iterable[MappingGateway]
    routing_gateways: Iterable[RoutingGateway]
    routes: Iterable[Route]
    operator_revenue_ledger: int
    operator_cost_ledger: int
    tax_ledger: int
    phones: Iterable[Phone] = ()
    credentials: Iterable[Credential] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two revisions, as it is at the second: None stands for what is gone there.

    Of a noun that there is little of, everything is read where anything has changed; None: nothing has.
    """

    revision: int
    """Highest row of the change feed that it contains."""
    accounts: Mapping[int, tuple[Any, ...] | None]
    """By key, the fields in order."""
    section_accounts: Collection[int]
    """Keys of the accounts whose sections have changed."""
    sections: Iterable[str]
    """All sections of those accounts (model.packed)."""
    rate_tables: Mapping[int, RateTable | None]
    """By key."""
    rates_of: Collection[int]
    """Keys of the tables of which all rows are among `rates`."""
    rates_gone: Collection[tuple[int, int]]
    """Keys of table and rate, of rows that may have been removed; those that were not are among `rates`."""
    rates: Iterable[str]
    """Rows that may be new (model.packed)."""
    mapping_gateways: Iterable[MappingGateway] | None
    routing_gateways: Iterable[RoutingGateway] | None
    routes: Iterable[Route] | None
    phones: Mapping[int, Phone | None]
    """By key."""
    credentials: Mapping[str, Credential | None]
    """By username."""
    house: tuple[int, int, int] | None
    """Ledger accounts of the operator's revenue and cost, and for tax."""
