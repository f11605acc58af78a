"""The configuration of the network as a whole: every noun that people configure, and all its objects.

Each noun says what its objects are known by, what form a line of its file has, and how all of them are read.
An object is a dictionary of all fields of its form in JSON types, so that what a file says and what the
database holds are compared field by field, and a field that a form gets is in the files from then on.

What is not configuration is not here: money, calls and their records, alerts, registrations, phone cards
(their PINs are told once), logins, keys and passwords.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sipguard.manage import (
    account_list,
    mapping_gateway,
    network_read,
    number_range,
    phone,
    rate_table,
    routing_gateway,
)
from sipguard.manage.account import AccountInfo
from sipguard.manage.account_form import NewAccount
from sipguard.manage.authorization_form import NewTemplate
from sipguard.manage.desk import View
from sipguard.manage.gateway_form import NewMappingGateway, NewRoutingGateway
from sipguard.manage.network_form import GrantLine, SectionsLine, SetLine, ThresholdLine
from sipguard.manage.network_read import SECRETS, Fields, Read, in_order, listed
from sipguard.manage.number_range_form import NewNumberRange
from sipguard.manage.page import Page
from sipguard.manage.phone_form import NewPhone
from sipguard.manage.rate_table_form import NewRateTable
from sipguard.manage.values import Form

Key: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A list of an object that has a CSV file of its own, a line for each of its elements."""

    field: str
    columns: Mapping[str, type]
    """Of an element: str or int. One that is called like the field itself: elements are plain text."""


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of objects."""

    name: str
    file: str
    """Name of its file, without ".jsonl"."""
    key: tuple[str, ...]
    """The fields that it is known by."""
    form: type[Form]
    read: Read
    """All objects by their key."""
    spread: Spread | None = None
    only_spread: bool = False
    """There is nothing more to it than that list: there is no other file."""
    named_after: str | None = None
    """A field that is the id where it is not given."""
    fixed: frozenset[str] = frozenset()
    """Fields that are decided when an object is made."""
    inherited: frozenset[str] = frozenset()
    """Fields that follow from another object where they are not given."""
    of_account: bool = False
    """Every account has one; where no file says anything it is empty."""
    unordered: frozenset[str] = frozenset()
    """Lists whose order means nothing."""

    @property
    def fields(self) -> list[str]:
        """Of its form, what it is known by first."""
        known = [name for name in self.form.model_fields if name not in SECRETS]
        return [*self.key, *(name for name in known if name not in self.key)]

    def key_of(self, fields: Fields) -> Key:
        return tuple(fields[name] for name in self.key)

    def defaults(self, fields: Fields) -> Fields:
        """What an object is where its line says nothing; required fields are not among it."""
        found = {
            name: each.get_default(call_default_factory=True)
            for name, each in self.form.model_fields.items()
            if name not in SECRETS and not each.is_required()
        }
        if self.named_after is not None and "id" in fields:
            found[self.named_after] = fields["id"]
        return found

    def canonical(self, fields: Fields) -> Fields:
        """With the lists whose order means nothing in order."""
        for name in self.unordered:
            if isinstance(fields.get(name), list):
                fields[name] = in_order(fields[name])
        return fields


async def _accounts(view: View, *, after: str | None, limit: int) -> Page[AccountInfo]:
    return await account_list.list_all(view, None, after=after, limit=limit)


TEMPLATE = Noun(
    "authorization_template",
    "authorization_templates",
    ("id",),
    NewTemplate,
    network_read.templates,
    unordered=frozenset({"authorizations"}),
)
RATE_TABLE = Noun(
    "rate_table",
    "rate_tables",
    ("id",),
    NewRateTable,
    listed(rate_table.list_tables, NewRateTable),
    fixed=frozenset(NewRateTable.model_fields),
    inherited=frozenset({"currency"}),
)
ACCOUNT = Noun(
    "account",
    "accounts",
    ("id",),
    NewAccount,
    listed(_accounts, NewAccount),
    named_after="name",
    fixed=frozenset({"currency"}),
    inherited=frozenset({"currency"}),
)
GRANT = Noun(
    "authorization",
    "authorizations",
    ("account_id",),
    GrantLine,
    network_read.grants,
    of_account=True,
    unordered=frozenset({"authorizations"}),
)
DESTINATION_SET = Noun(
    "destination_set",
    "destination_sets",
    ("owner_id", "id"),
    SetLine,
    network_read.destination_sets,
    Spread("prefixes", {"prefixes": str}),
    unordered=frozenset({"prefixes"}),
)
SECTION = Noun(
    "section",
    "sections",
    ("account_id",),
    SectionsLine,
    network_read.sections,
    Spread("rules", dict.fromkeys(("direction", "action", "prefix", "set_id", "set_owner_id"), str)),
    only_spread=True,
    of_account=True,
    unordered=frozenset({"rules"}),
)
NUMBER_RANGE = Noun(
    "number_range", "number_ranges", ("id",), NewNumberRange, listed(number_range.list_ranges, NewNumberRange)
)
ROUTING_GATEWAY = Noun(
    "routing_gateway",
    "routing_gateways",
    ("id",),
    NewRoutingGateway,
    listed(routing_gateway.list_gateways, NewRoutingGateway),
    Spread("routes", {"prefix": str, "priority": int, "weight": int, "mode": str}),
    fixed=frozenset({"owner_id"}),
    unordered=frozenset({"routes"}),
)
MAPPING_GATEWAY = Noun(
    "mapping_gateway",
    "mapping_gateways",
    ("id",),
    NewMappingGateway,
    listed(mapping_gateway.list_gateways, NewMappingGateway),
    fixed=frozenset({"account_id"}),
    unordered=frozenset({"sources", "certificates", "routing_gateway_ids", "tech_prefixes"}),
)
PHONE = Noun(
    "phone",
    "phones",
    ("id",),
    NewPhone,
    listed(phone.list_phones, NewPhone),
    named_after="username",
    fixed=frozenset({"account_id"}),
    unordered=frozenset({"sources"}),
)
THRESHOLD = Noun(
    "threshold", "alert_thresholds", ("account_id", "kind", "subtree"), ThresholdLine, network_read.thresholds
)

NOUNS = (
    TEMPLATE,
    RATE_TABLE,
    ACCOUNT,
    GRANT,
    DESTINATION_SET,
    SECTION,
    NUMBER_RANGE,
    ROUTING_GATEWAY,
    MAPPING_GATEWAY,
    PHONE,
    THRESHOLD,
)
"""In the order in which people read them; the rows of rate tables come with these."""

CONFIGURATION = frozenset(
    {
        *("authorization_template", "rate_table", "rate", "account", "account_path", "destination_set"),
        *("destination_prefix", "section", "section_set", "number_range", "routing_gateway", "route"),
        *("mapping_gateway", "mapping_gateway_source", "mapping_gateway_certificate"),
        *("mapping_gateway_route", "phone", "phone_number", "phone_source", "alert_threshold"),
    }
)
"""Tables that the files hold, or that follow from them."""
