"""Everything that a directory snapshot is built from, as the store reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    """One consistent reading of all configuration tables."""

    revision: int
    """Highest row of the change feed that it contains."""
    accounts: Iterable[Account]
    sections: Iterable[Section]
    rate_tables: Iterable[RateTable]
    rates: Iterable[Rate]
    mapping_gateways: Iterable[MappingGateway]
    routing_gateways: Iterable[RoutingGateway]
    routes: Iterable[Route]
    operator_revenue_ledger: int
    operator_cost_ledger: int
    tax_ledger: int
    phones: Iterable[Phone] = ()
    credentials: Iterable[Credential] = ()
