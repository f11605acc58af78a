"""The directory: an immutable snapshot of all configuration, indexed for what a decision asks. Swapped whole.

The only file of this room that touches the native engine, for its prefix index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sipguard._engine import PrefixMap
from sipguard.model.account import Account
from sipguard.model.configuration import Configuration, Settings
from sipguard.model.gateway import MappingGateway, RoutingGateway
from sipguard.policy import caller, chain, number, owner, phone
from sipguard.policy.certificate import Certificates
from sipguard.policy.chain import Chain
from sipguard.policy.credential import Logins
from sipguard.policy.identity import Sources
from sipguard.policy.phone import Phones
from sipguard.policy.rate import Rates
from sipguard.policy.route import Routes
from sipguard.policy.section import Sections
from sipguard.policy.window import zone_of

_ADD_PREFIX = re.compile(r"\+?[0-9]*", re.ASCII)


class Directory:
    """What is configured, at one revision. Made by `Directory.build`; nothing in it changes afterwards."""

    __slots__ = (
        "_accounts_by_id",
        "_chains",
        "accounts",
        "believes_assertions",
        "certificates",
        "emergency_gateways",
        "logins",
        "mapping_gateways",
        "operator_cost_ledger",
        "operator_revenue_ledger",
        "phones",
        "rates",
        "revision",
        "routes",
        "routing_gateways",
        "sections",
        "settings",
        "sources",
        "tax_ledger",
    )

    revision: int
    settings: Settings
    accounts: dict[int, Account]
    """By key."""
    mapping_gateways: dict[int, MappingGateway]
    """By key; phones among them, by negative keys (policy.phone)."""
    routing_gateways: dict[int, RoutingGateway]
    """By key."""
    emergency_gateways: tuple[RoutingGateway, ...]
    """In the order in which they are tried."""
    believes_assertions: bool
    """Some mapping gateway is trusted in who it says that calls."""
    sources: Sources
    logins: Logins
    phones: Phones
    certificates: Certificates
    sections: Sections
    rates: Rates
    routes: Routes
    operator_revenue_ledger: int
    operator_cost_ledger: int
    tax_ledger: int
    """Of the house, for the tax of every level."""
    _accounts_by_id: dict[str, Account]
    _chains: dict[int, Chain]

    @classmethod
    def build(cls, configuration: Configuration, settings: Settings) -> Directory:
        """Index a configuration; its iterables are read once, rates row by row.

        Raises ValueError that names the row where a key points nowhere or a value cannot be judged by. The
        store upholds the same rules, so this is a bug there or a database edited by hand.
        """
        _check_settings(settings)
        self = cls()
        self.revision = configuration.revision
        self.settings = settings
        self.operator_revenue_ledger = configuration.operator_revenue_ledger
        self.operator_cost_ledger = configuration.operator_cost_ledger
        self.tax_ledger = configuration.tax_ledger
        self.accounts = {account.key: account for account in configuration.accounts}
        self._accounts_by_id = {account.id: account for account in self.accounts.values()}
        self.phones = Phones(configuration.phones)
        self.mapping_gateways = {gateway.key: gateway for gateway in configuration.mapping_gateways}
        for one in self.phones.by_key.values():
            self.mapping_gateways[phone.ingress_key(one.key)] = phone.ingress(one)
        self.routing_gateways = {gateway.key: gateway for gateway in configuration.routing_gateways}
        self.rates = Rates(configuration.rate_tables, configuration.rates, settings.slice_seconds, PrefixMap)
        chain.check(self.accounts)
        _check_accounts(self.accounts.values(), self.rates)
        _check_routing_gateways(self.routing_gateways.values(), self.rates)
        _check_mapping_gateways(self.mapping_gateways.values(), self.accounts, self.routing_gateways)
        _check_ledgers(self.accounts.values(), self.routing_gateways.values())
        self.mapping_gateways = owner.restricted(self.mapping_gateways, self.routing_gateways, self.accounts)
        self.emergency_gateways = _emergency_gateways(self.routing_gateways.values(), settings)
        self.believes_assertions = any(gateway.trusted for gateway in self.mapping_gateways.values())
        self.sources = Sources(self.mapping_gateways.values())
        self.logins = Logins(
            configuration.credentials, self.mapping_gateways, self.phones.by_key, settings.realm
        )
        self.certificates = Certificates(self.mapping_gateways.values())
        self.sections = Sections(configuration.sections, self.accounts, PrefixMap)
        self.routes = Routes(configuration.routes, self.routing_gateways, self.rates, PrefixMap)
        self._chains = {}
        return self

    def account(self, account_id: str) -> Account | None:
        """The account with this id."""
        return self._accounts_by_id.get(account_id)

    def chain(self, account_key: int) -> Chain:
        """The prepared chain of an account; KeyError where there is no such account.

        Made at the first call of the account and kept: of a million accounts few call between two snapshots.
        """
        found = self._chains.get(account_key)
        if found is None:
            found = self._chains[account_key] = chain.prepare(
                chain.climb(self.accounts[account_key], self.accounts),
                self.sections,
                self.rates.spaces,
                self.operator_revenue_ledger,
            )
        return found


def _check_settings(settings: Settings) -> None:
    if settings.slice_seconds < 1:
        raise ValueError(f"slice_seconds is {settings.slice_seconds}, at least 1 is needed")
    for text in settings.emergency_numbers:
        dialled = number.read(text)
        if dialled is None or dialled.digits != text:
            raise ValueError(f"emergency number {text!r} is not digits, so it would never match")


def _check_accounts(accounts: Iterable[Account], rates: Rates) -> None:
    for account in accounts:
        if account.credit_limit_micros < 0:
            raise ValueError(
                f"account {account.id!r}: credit limit {account.credit_limit_micros} is negative"
            )
        if account.tax_ppm < 0:
            raise ValueError(f"account {account.id!r}: tax {account.tax_ppm} parts per million is negative")
        try:
            zone_of(account.time_zone)
        except ValueError as error:
            raise ValueError(f"account {account.id!r}: {error}") from error
        if account.rate_table_key is None:
            continue
        table = rates.table(account.rate_table_key)
        if table is None:
            raise ValueError(f"account {account.id!r}: no rate table with key {account.rate_table_key}")
        if table.currency != account.currency:
            raise ValueError(
                f"account {account.id!r} is in {account.currency},"
                f" its rate table {table.id!r} in {table.currency}"
            )


def _check_routing_gateways(gateways: Iterable[RoutingGateway], rates: Rates) -> None:
    for gateway in gateways:
        if gateway.cost_table_key is not None and rates.table(gateway.cost_table_key) is None:
            raise ValueError(
                f"routing gateway {gateway.id!r}: no rate table with key {gateway.cost_table_key}"
            )
        if gateway.strip_digits < 0:
            raise ValueError(f"routing gateway {gateway.id!r}: strip_digits is {gateway.strip_digits}")
        # What leaves is what was judged: a prefix with anything but digits could name another number.
        if not _ADD_PREFIX.fullmatch(gateway.add_prefix):
            raise ValueError(
                f"routing gateway {gateway.id!r}: add_prefix is not digits: {gateway.add_prefix!r}"
            )


def _check_mapping_gateways(
    gateways: Iterable[MappingGateway],
    accounts: dict[int, Account],
    routing_gateways: dict[int, RoutingGateway],
) -> None:
    for gateway in gateways:
        if gateway.account_key not in accounts:
            raise ValueError(f"mapping gateway {gateway.id!r}: no account with key {gateway.account_key}")
        for key in gateway.routing_gateway_keys or ():
            if key not in routing_gateways:
                raise ValueError(f"mapping gateway {gateway.id!r}: no routing gateway with key {key}")
        try:
            number.check_plan(gateway.number_plan)
            caller.check(gateway.caller)
        except ValueError as error:
            raise ValueError(f"mapping gateway {gateway.id!r}: {error}") from error


def _check_ledgers(accounts: Iterable[Account], gateways: Iterable[RoutingGateway]) -> None:
    """Each payer has a ledger of its own: two limits over one sum of money could not both be kept."""
    owners: dict[int, str] = {}
    for account in accounts:
        other = owners.setdefault(account.balance_ledger, account.id)
        if other != account.id:
            raise ValueError(
                f"ledger {account.balance_ledger} is the balance of {other!r} and of {account.id!r}"
            )
    for gateway in gateways:
        if gateway.clearing_ledger in owners:
            raise ValueError(
                f"ledger {gateway.clearing_ledger} is the balance of {owners[gateway.clearing_ledger]!r}"
                f" and clears routing gateway {gateway.id!r}"
            )


def _emergency_gateways(gateways: Iterable[RoutingGateway], settings: Settings) -> tuple[RoutingGateway, ...]:
    """As configured, but locked ones last: better tried than refused."""
    by_id = {gateway.id: gateway for gateway in gateways}
    for gateway_id in settings.emergency_gateway_ids:
        if gateway_id not in by_id:
            raise ValueError(f"emergency_gateway_ids: no routing gateway {gateway_id!r}")
    named = (by_id[gateway_id] for gateway_id in settings.emergency_gateway_ids)
    return tuple(sorted(named, key=lambda gateway: gateway.locked))
