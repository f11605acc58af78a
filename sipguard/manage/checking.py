"""What has to hold between the parts of a data set: names that exist, no circles, one currency per tree.

Parts that could not be read are skipped, but their ids count, so that one mistake is not reported twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from sipguard.manage import form
from sipguard.manage.leaf import Currency, Username
from sipguard.manage.reading import BROKEN, Reader
from sipguard.model.presentation import CallerFormat
from sipguard.model.rewrite import parsed
from sipguard.policy import rewrite

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Items(Generic[T]):
    """All tables of one kind: those that could be read, each with its path, and the ids of all."""

    read: Sequence[tuple[str, T]]
    ids: Mapping[str, str]
    """Id to the path of the first that bears it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as far as it could be read."""

    currency: str | None
    rate_tables: Items[form.RateTable]
    accounts: Items[form.Account]
    mapping_gateways: Items[form.MappingGateway]
    routing_gateways: Items[form.RoutingGateway]
    phones: Items[form.Phone]
    payments: Items[form.Payment]


def check(raw: Mapping[str, object], reader: Reader) -> None:
    """Complain to `reader` about everything in the file `raw` that does not fit together."""
    currency = Reader().value(raw.get("currency"), Currency, "")
    draft = Draft(
        currency=None if currency is BROKEN else currency,
        rate_tables=_items(raw, "rate_table", form.RateTable, reader),
        accounts=_items(raw, "account", form.Account, reader),
        mapping_gateways=_items(raw, "mapping_gateway", form.MappingGateway, reader),
        routing_gateways=_items(raw, "routing_gateway", form.RoutingGateway, reader),
        phones=_items(raw, "phone", form.Phone, reader),
        payments=_items(raw, "payment", form.Payment, reader, name="key"),
    )
    _Check(draft, reader).all()


def _items(
    raw: Mapping[str, object], kind: str, shape: type[S], reader: Reader, name: str = "id"
) -> Items[S]:
    """The tables of one kind. Every `name` must be new; what else is wrong inside was complained about."""
    tables = raw.get(kind)
    read: list[tuple[str, S]] = []
    ids: dict[str, str] = {}
    for index, table in enumerate(tables if isinstance(tables, list) else []):
        path = f"{kind}[{index}]"
        item = Reader().struct(table, shape, path)
        if item is not None:
            read.append((path, item))
        id = table.get(name) if isinstance(table, Mapping) else None
        if isinstance(id, str) and (first := ids.setdefault(id, path)) != path:
            reader.complain(f"{path}.{name}", id, f"a name of its own ({first} bears it)")
    return Items(read, ids)


class _Check:
    def __init__(self, draft: Draft, reader: Reader) -> None:
        self.draft = draft
        self.complain = reader.complain
        self.missing = reader.missing
        self.accounts = {account.id: account for _, account in draft.accounts.read}
        self.tables = {table.id: table for _, table in draft.rate_tables.read}

    def all(self) -> None:
        for path, table in self.draft.rate_tables.read:
            self.rate_table(path, table)
        for path, account in self.draft.accounts.read:
            self.account(path, account)
        for path, gateway in self.draft.routing_gateways.read:
            self.routing_gateway(path, gateway)
        self.mapping_gateways()
        self.phones()
        self.users()
        for path, payment in self.draft.payments.read:
            self.payment(path, payment)

    def rate_table(self, path: str, table: form.RateTable) -> None:
        self.once(
            f"{path}.rates",
            table.rates,
            lambda rate: (rate.prefix, rate.days, rate.hours, rate.valid_from),
            "prefix",
            "a prefix only once for the same days, hours and valid_from",
        )
        for index, rate in enumerate(table.rates):
            self.in_order(f"{path}.rates[{index}]", rate.valid_from, rate.valid_till)

    def account(self, path: str, account: form.Account) -> None:
        self.known(f"{path}.rate_table", account.rate_table, self.draft.rate_tables, "rate_table")
        self.known(f"{path}.agent", account.agent, self.draft.accounts, "account")
        self.currency(path, account)
        if (circle := self.circle(account)) is not None:
            self.complain(f"{path}.agent", account.agent, f"an agent that is not below it ({circle})")
        self.in_order(path, account.valid_from, account.valid_till)
        self.once(
            f"{path}.sections",
            account.sections,
            lambda section: (section.direction, section.action, section.prefix),
            "prefix",
            "a section only once",
        )

    def currency(self, path: str, account: form.Account) -> None:
        """One currency per tree, and the house is the root of every tree."""
        mine = account.currency or self.draft.currency
        agent = self.accounts.get(account.agent) if account.agent else None
        above = (agent and agent.currency) or self.draft.currency
        if None not in (mine, above) and mine != above:
            whose = f'its agent "{agent.id}"' if agent else "the house"
            self.complain(f"{path}.currency", mine, f'"{above}", the currency of {whose}')
        table = self.tables.get(account.rate_table) if account.rate_table else None
        if table is not None and (table.currency or self.draft.currency) != mine:
            self.complain(f"{path}.rate_table", table.id, f'a table in "{mine}"')

    def circle(self, account: form.Account) -> str | None:
        """The way from `account` up to itself; None where there is none."""
        way = [account.id]
        above = account.agent
        while above in self.accounts and above not in way:
            way.append(above)
            above = self.accounts[above].agent
        return " -> ".join([*way, above]) if above == account.id else None

    def routing_gateway(self, path: str, gateway: form.RoutingGateway) -> None:
        self.known(f"{path}.cost_table", gateway.cost_table, self.draft.rate_tables, "rate_table")
        table = self.tables.get(gateway.cost_table) if gateway.cost_table else None
        if table is not None and table.currency not in (None, self.draft.currency):
            self.complain(f"{path}.cost_table", table.id, f'a table in "{self.draft.currency}"')
        # Without a transport the DNS may say TLS of a name.
        secures = gateway.transport == "tls" or (gateway.transport is None and gateway.host.is_name)
        if not secures and (gateway.tls_name is not None or not gateway.tls_verify):
            key = "tls_verify" if gateway.tls_name is None else "tls_name"
            self.complain(f"{path}.{key}", getattr(gateway, key), 'transport = "tls" with it')
        if gateway.prepaid and gateway.vendor_credit is not None:
            self.complain(f"{path}.prepaid", True, "either prepaid or vendor_credit, not both")
        try:
            rules = parsed(gateway.called_rewrite)
            rewrite.check(rules, gateway.strip_digits, gateway.add_prefix or "")
        except ValueError as error:
            self.complain(f"{path}.called_rewrite", list(gateway.called_rewrite), str(error))
        if gateway.hides_call_id and not gateway.hides_topology:
            self.complain(f"{path}.hides_call_id", True, "hides_topology with it")
        if gateway.caller_format is CallerFormat.NATIONAL and gateway.country_code is None:
            self.complain(f"{path}.caller_format", "national", "a country_code with it")
        self.once(
            f"{path}.routes", gateway.routes, lambda route: route.prefix, "prefix", "a prefix only once"
        )

    def mapping_gateways(self) -> None:
        taken: dict[str, str] = {}
        held: dict[tuple[str, str | None], str] = {}
        for path, gateway in self.draft.mapping_gateways.read:
            self.known(f"{path}.account", gateway.account, self.draft.accounts, "account")
            if gateway.national_prefix and not gateway.country_code:
                self.complain(f"{path}.national_prefix", gateway.national_prefix, "a country_code with it")
            for index, routing in enumerate(gateway.routing_gateways or ()):
                where = f"{path}.routing_gateways[{index}]"
                self.known(where, routing, self.draft.routing_gateways, "routing_gateway")
            for index, network in enumerate(gateway.sources or ()):
                where = f"{path}.sources[{index}]"
                for prefix in gateway.tech_prefixes or (None,):
                    if (first := held.setdefault((network, prefix), where)) != where:
                        expected = (
                            "a network of its own" if prefix is None else f"one without {prefix} before"
                        )
                        self.complain(where, network, f"{expected} ({first} is the same)")
            for index, name in enumerate(gateway.certificates):
                where = f"{path}.certificates[{index}]"
                if (first := taken.setdefault(name, where)) != where:
                    self.complain(where, name, f"a certificate of its own ({first} is the same)")

            if gateway.sources is None and gateway.username is None and not gateway.certificates:
                self.missing(f"{path}.sources", "a list of networks, or a username, or certificates")
            if (gateway.username is None) != (gateway.password is None):
                absent = "password" if gateway.password is None else "username"
                self.missing(f"{path}.{absent}", "username and password, or neither")

    def phones(self) -> None:
        taken: dict[str, str] = {}
        for path, phone in self.draft.phones.read:
            self.known(f"{path}.account", phone.account, self.draft.accounts, "account")
            if phone.national_prefix and not phone.country_code:
                self.complain(f"{path}.national_prefix", phone.national_prefix, "a country_code with it")
            if phone.username is None:
                try:
                    Username.parse(phone.id)
                except ValueError:
                    self.missing(f"{path}.username", f"one, because the id is not {Username.expected}")
            for index, number in enumerate(phone.numbers):
                where = f"{path}.numbers[{index}]"
                if (first := taken.setdefault(number, where)) != where:
                    self.complain(where, number, f"a number of its own ({first} is the same)")

    def users(self) -> None:
        """A username is one party's alone, trunk or phone."""
        taken: dict[str, str] = {}
        named = [(path, gateway.username) for path, gateway in self.draft.mapping_gateways.read]
        named += [(path, phone.username or Username(phone.id)) for path, phone in self.draft.phones.read]
        for path, username in named:
            where = f"{path}.username"
            if username is not None and (first := taken.setdefault(username, where)) != where:
                self.complain(where, username, f"a username of its own ({first} is the same)")

    def payment(self, path: str, payment: form.Payment) -> None:
        if (payment.account is None) == (payment.vendor is None):
            found = [name for name in ("account", "vendor") if getattr(payment, name) is not None]
            self.complain(path, found, "either account or vendor")
        self.known(f"{path}.account", payment.account, self.draft.accounts, "account")
        self.known(f"{path}.vendor", payment.vendor, self.draft.routing_gateways, "routing_gateway")
        if payment.amount == 0:
            self.complain(f"{path}.amount", "0", "an amount above zero")

    def in_order(self, path: str, starts: int | None, ends: int | None) -> None:
        if starts is not None and ends is not None and ends <= starts:
            self.complain(f"{path}.valid_till", ends, f"a moment after valid_from ({starts}, Unix seconds)")

    def known(self, path: str, id: str | None, items: Items[Any], kind: str) -> None:
        if id is not None and id not in items.ids:
            self.complain(path, id, f"the id of a [[{kind}]]")

    def once(
        self, path: str, items: Iterable[T], key: Callable[[T], Hashable], shown: str, expected: str
    ) -> None:
        first: dict[Hashable, int] = {}
        for index, item in enumerate(items):
            if (before := first.setdefault(key(item), index)) != index:
                found = getattr(item, shown)
                self.complain(f"{path}[{index}].{shown}", found, f"{expected} ({path}[{before}] is the same)")
