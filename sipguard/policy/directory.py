"""The directory: an immutable snapshot of all configuration, indexed for what a decision asks.

The next snapshot is made out of this one and what has changed, shares with it what has not, and is put in its
place in one step: so a decision is by one revision, however large the change.

The only file of this room that touches the native engine, for its prefix indexes.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sipguard._engine import PrefixBook, PrefixMap
from sipguard.model.account import Account
from sipguard.model.configuration import Changes, Configuration, Settings
from sipguard.model.credential import Credential
from sipguard.model.gateway import MappingGateway, Route, RoutingGateway
from sipguard.model.section import Section
from sipguard.policy import accounts as accounts_
from sipguard.policy import caller, number, owner, phone, rewrite, tech_prefix
from sipguard.policy.accounts import AGENT, CURRENCY, FIELDS, ID, TABLE, Accounts
from sipguard.policy.certificate import Certificates
from sipguard.policy.chain import Chain
from sipguard.policy.chains import Chains
from sipguard.policy.credential import Logins
from sipguard.policy.identity import Sources
from sipguard.policy.phone import Phones
from sipguard.policy.rate import Rates
from sipguard.policy.route import Routes
from sipguard.policy.section import Sections
from sipguard.policy.window import zone_of

_ADD_PREFIX = re.compile(r"\+?[0-9]*", re.ASCII)


class Directory:
    """What is configured, at one revision. Made by `build` or out of another by `changed`; nothing that can
    be seen of it changes afterwards."""

    __slots__ = (
        "_chain_state",
        "_chains",
        "_credentials",
        "_routes",
        "_trunks",
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
    accounts: Accounts
    """By key."""
    mapping_gateways: Mapping[int, MappingGateway]
    """By key; phones among them, by negative keys (policy.phone)."""
    routing_gateways: Mapping[int, RoutingGateway]
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
    _trunks: dict[int, MappingGateway]
    """Mapping gateways without the phones."""
    _routes: tuple[Route, ...]
    _credentials: dict[str, Credential]
    _chains: Chains
    _chain_state: object

    @classmethod
    def build(cls, configuration: Configuration, settings: Settings) -> Directory:
        """Index a configuration; its iterables are read once.

        Raises ValueError that names the row where a key points nowhere or a value cannot be judged by. The
        store upholds the same rules, so this is a bug there or a database edited by hand.
        """
        _check_settings(settings)
        self = cls()
        self.revision = configuration.revision
        self.settings = settings
        self._set_house(
            (
                configuration.operator_revenue_ledger,
                configuration.operator_cost_ledger,
                configuration.tax_ledger,
            )
        )
        self.accounts = Accounts(configuration.accounts)
        self.rates = Rates.build(
            configuration.rate_tables, configuration.rates, settings.slice_seconds, PrefixBook
        )
        accounts_.check_tree(self.accounts)
        self.routing_gateways = {gateway.key: gateway for gateway in configuration.routing_gateways}
        self.phones = Phones(configuration.phones)
        self._check_phones(self.phones.by_key)
        self._credentials = {one.username: one for one in configuration.credentials}
        self._trunks = {gateway.key: gateway for gateway in configuration.mapping_gateways}
        self._routes = tuple(configuration.routes)
        self.sections = Sections.build(configuration.sections, self.accounts, PrefixBook)
        self._index_egress()
        self._index_ingress()
        _check_accounts(self.accounts, self.rates, self.routing_gateways.values())
        self._chain_state = object()
        return self

    def changed(self, changes: Changes) -> Directory:
        """The directory of a later revision: this one, and what has changed since.

        Raises ValueError as `build` does, and where what did not change would have to be looked at as well: a
        currency has changed. That nobody names what is gone is for the store to see.
        """
        self._check_currencies(changes)
        following = Directory()
        for name in Directory.__slots__:
            setattr(following, name, getattr(self, name))
        following.revision = changes.revision
        if changes.house is not None:
            following._set_house(changes.house)
        if changes.accounts or changes.section_accounts:
            following.accounts = self.accounts.changed(changes.accounts, changes.section_accounts)
            following._chain_state = object()
        if changes.rate_tables or changes.rates_of or changes.rates_gone or changes.rates:
            following.rates = self.rates.changed(
                changes.rate_tables, changes.rates_of, changes.rates_gone, changes.rates
            )
        if changes.section_accounts:
            following.sections = self.sections.changed(changes.section_accounts, changes.sections)
        following._check_changed_accounts(changes.accounts)
        if changes.routing_gateways is not None:
            following.routing_gateways = _kept(self.routing_gateways, changes.routing_gateways)
        if changes.routes is not None:
            following._routes = tuple(changes.routes)
        if changes.routing_gateways is not None or changes.routes is not None or changes.rate_tables:
            following._index_egress()
        if changes.phones:
            following.phones = self.phones.changed(changes.phones)
            following._check_phones(key for key, one in changes.phones.items() if one is not None)
        if changes.mapping_gateways is not None:
            following._trunks = _kept(self._trunks, changes.mapping_gateways)
        if changes.credentials:
            credentials = {**self._credentials, **changes.credentials}
            following._credentials = {name: one for name, one in credentials.items() if one is not None}
        gone = any(row is None for row in changes.accounts.values())
        if gone:
            following._check_phones(following.phones.by_key)
        if (
            changes.mapping_gateways is not None
            or changes.routing_gateways is not None
            or changes.phones
            or changes.credentials
            or gone
            or self._moves_owners(changes.accounts)
        ):
            following._index_ingress()
        return following

    def account(self, account_id: str) -> Account | None:
        """The account with this id."""
        return self.accounts.by_id(account_id)

    def chain(self, account_key: int) -> Chain:
        """The prepared chain of an account; KeyError where there is no such account.

        Made at the first call of the account and kept: of a million accounts few call at a time.
        """
        return self._chains.find(account_key, self._chain_state) or self._chains.prepare(
            account_key, self._chain_state, self.accounts, self.sections, self.operator_revenue_ledger
        )

    def _set_house(self, ledgers: tuple[int, int, int]) -> None:
        self.operator_revenue_ledger, self.operator_cost_ledger, self.tax_ledger = ledgers
        self._chains = Chains()  # all of them name the revenue ledger

    def _index_egress(self) -> None:
        """Where calls go."""
        gateways = self.routing_gateways
        _check_routing_gateways(gateways.values(), self.rates)
        self.emergency_gateways = _emergency_gateways(gateways.values(), self.settings)
        self.routes = Routes(self._routes, gateways, self.rates, PrefixMap)

    def _index_ingress(self) -> None:
        """Where calls come from."""
        _check_mapping_gateways(self._trunks.values(), self.accounts, self.routing_gateways)
        gateways = {**self._trunks, **self.phones.by_ingress}
        gateways = self.mapping_gateways = owner.restricted(gateways, self.routing_gateways, self.accounts)
        trunks = [gateways[key] for key in self._trunks]
        self.believes_assertions = any(gateway.trusted for gateway in trunks)
        self.sources = Sources(trunks)
        self.certificates = Certificates(trunks)
        self.logins = Logins(self._credentials, gateways, self.phones.by_key, self.settings.realm)

    def _moves_owners(self, changes: Mapping[int, tuple[Any, ...] | None]) -> bool:
        """Whether accounts stand below other agents, and gateways of agents make that matter to trunks."""
        if all(gateway.owner_key is None for gateway in self.routing_gateways.values()):
            return False
        before = ((row, self.accounts.row(key)) for key, row in changes.items())
        return any(row is not None and old is not None and row[AGENT] != old[AGENT] for row, old in before)

    def _check_phones(self, keys: Iterable[int]) -> None:
        trunks = (self.phones.by_ingress[phone.ingress_key(key)] for key in keys)
        _check_mapping_gateways(trunks, self.accounts, self.routing_gateways)

    def _check_currencies(self, changes: Changes) -> None:
        for key, row in changes.accounts.items():
            before = self.accounts.row(key) if row is not None else None
            if row is not None and before is not None and before[CURRENCY] != row[CURRENCY]:
                raise ValueError(f"account {row[ID]!r} has another currency")
        for key, table in changes.rate_tables.items():
            old = self.rates.table(key)
            if table is not None and old is not None and old.currency != table.currency:
                raise ValueError(f"rate table {table.id!r} has another currency")

    def _check_changed_accounts(self, changes: Mapping[int, tuple[Any, ...] | None]) -> None:
        whole: dict[int, str] = {}
        for row in changes.values():
            if row is not None:
                _check_account(row, self.rates)
                accounts_.check_above(self.accounts, row, whole)


_Gateway = TypeVar("_Gateway", MappingGateway, RoutingGateway)

_CREDIT_LIMIT, _TAX, _ZONE = (FIELDS.index(name) for name in ("credit_limit_micros", "tax_ppm", "time_zone"))
_BALANCE = FIELDS.index("balance_ledger")


def _kept(before: Mapping[int, _Gateway], now: Iterable[_Gateway]) -> dict[int, _Gateway]:
    """By key; of one that is as it was the very value from before, so that it is known to be the same."""
    gateways = {}
    for gateway in now:
        old = before.get(gateway.key)
        gateways[gateway.key] = old if old is not None and old == gateway else gateway
    return gateways


def sections_of(sections: Iterable[Section], accounts: Container[int]) -> Sections:
    """An index of some accounts' sections, to try numbers by. Raises ValueError as `Sections` does."""
    return Sections.build(sections, accounts, PrefixBook)


def _check_settings(settings: Settings) -> None:
    if settings.slice_seconds < 1:
        raise ValueError(f"slice_seconds is {settings.slice_seconds}, at least 1 is needed")
    for text in settings.emergency_numbers:
        dialled = number.read(text)
        if dialled is None or dialled.digits != text:
            raise ValueError(f"emergency number {text!r} is not digits, so it would never match")


def _check_accounts(accounts: Accounts, rates: Rates, gateways: Iterable[RoutingGateway]) -> None:
    """Each by itself; and a vendor's ledger is no account's balance: of two limits over one sum of money not
    both could be kept."""
    clearing = {gateway.clearing_ledger: gateway.id for gateway in gateways}
    for row in accounts.rows():
        _check_account(row, rates)
        if row[_BALANCE] in clearing:
            raise ValueError(
                f"ledger {row[_BALANCE]} is the balance of {row[ID]!r}"
                f" and clears routing gateway {clearing[row[_BALANCE]]!r}"
            )


def _check_account(row: Sequence[Any], rates: Rates) -> None:
    account_id, table_key = row[ID], row[TABLE]
    if row[_CREDIT_LIMIT] < 0:
        raise ValueError(f"account {account_id!r}: credit limit {row[_CREDIT_LIMIT]} is negative")
    if row[_TAX] < 0:
        raise ValueError(f"account {account_id!r}: tax {row[_TAX]} parts per million is negative")
    try:
        zone_of(row[_ZONE])
    except ValueError as error:
        raise ValueError(f"account {account_id!r}: {error}") from error
    if table_key is None:
        return
    table = rates.table(table_key)
    if table is None:
        raise ValueError(f"account {account_id!r}: no rate table with key {table_key}")
    if table.currency != row[CURRENCY]:
        raise ValueError(
            f"account {account_id!r} is in {row[CURRENCY]}, its rate table {table.id!r} in {table.currency}"
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
        try:
            rewrite.check(gateway.called_rewrite, gateway.strip_digits, gateway.add_prefix)
        except ValueError as error:
            raise ValueError(f"routing gateway {gateway.id!r}: {error}") from error


def _check_mapping_gateways(
    gateways: Iterable[MappingGateway],
    accounts: Container[int],
    routing_gateways: Mapping[int, RoutingGateway],
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
            tech_prefix.check(gateway.tech_prefixes)
        except ValueError as error:
            raise ValueError(f"mapping gateway {gateway.id!r}: {error}") from error


def _emergency_gateways(gateways: Iterable[RoutingGateway], settings: Settings) -> tuple[RoutingGateway, ...]:
    """As configured, but locked ones last: better tried than refused."""
    by_id = {gateway.id: gateway for gateway in gateways}
    for gateway_id in settings.emergency_gateway_ids:
        if gateway_id not in by_id:
            raise ValueError(f"emergency_gateway_ids: no routing gateway {gateway_id!r}")
    named = (by_id[gateway_id] for gateway_id in settings.emergency_gateway_ids)
    return tuple(sorted(named, key=lambda gateway: gateway.locked))
