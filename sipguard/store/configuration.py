"""Everything that a directory snapshot is built from, read in one piece; and what has changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from sipguard.model.configuration import Changes, Configuration
from sipguard.model.ledger import LedgerKind
from sipguard.store import account, credential, feed, gateway, ledger, phone, rate, section
from sipguard.store.feed import Change
from sipguard.store.metadata import Range

_Value = TypeVar("_Value")

CHANGES_MAX = 100_000
"""Accounts, owners of sections and phones that are read for themselves; where more have changed, reading
everything is as fast."""

_NOUNS = frozenset(
    [
        *("account", "section", "rate_table", "rate", "rates_of", "mapping_gateway", "routing_gateway"),
        *("route", "phone", "house"),
    ]
)
"""Nouns of the feed that name rows by their keys."""


def read(conn: Connection) -> Configuration:
    """Read it all, as the directory takes it in. `conn` is in a read transaction (Database.snapshot), so that
    all is of one revision; accounts, sections and rates are read while they are iterated over.

    Raises StoreError where the house has no ledger accounts: nothing was loaded into this database yet.
    """
    return Configuration(
        revision=feed.read_revision(conn),
        accounts=account.rows(conn),
        sections=section.texts(conn),
        rate_tables=rate.read_tables(conn),
        rates=rate.texts(conn),
        mapping_gateways=gateway.read_mapping_gateways(conn),
        routing_gateways=gateway.read_routing_gateways(conn),
        routes=gateway.read_routes(conn),
        operator_revenue_ledger=ledger.read_of_house(conn, LedgerKind.REVENUE),
        operator_cost_ledger=ledger.read_of_house(conn, LedgerKind.COST),
        tax_ledger=ledger.read_of_house(conn, LedgerKind.TAX),
        phones=phone.read_phones(conn),
        credentials=credential.read_credentials(conn),
    )


async def load(conn: AsyncConnection) -> Configuration:
    """The same as values, for who wants to look at them."""
    return Configuration(
        revision=await feed.revision(conn),
        accounts=await account.all_accounts(conn),
        sections=await section.all_sections(conn),
        rate_tables=await rate.all_rate_tables(conn),
        rates=await rate.all_rates(conn),
        mapping_gateways=await gateway.all_mapping_gateways(conn),
        routing_gateways=await gateway.all_routing_gateways(conn),
        routes=await gateway.all_routes(conn),
        operator_revenue_ledger=await ledger.of_house(conn, LedgerKind.REVENUE),
        operator_cost_ledger=await ledger.of_house(conn, LedgerKind.COST),
        tax_ledger=await ledger.of_house(conn, LedgerKind.TAX),
        phones=await phone.all_phones(conn),
        credentials=await credential.all_credentials(conn),
    )


def is_judged_by(change: Change) -> bool:
    """Whether the change may be one of what calls are judged by. What programs record beside the triggers
    names nothing more: whatever it tells of, and matters here, is named by them, too."""
    return change.first is not None or change.noun in ("configuration", "credential")


def changes(conn: Connection, rows: Iterable[Change]) -> Changes | None:
    """What these rows of the feed name, as it is now; None where everything has to be read.

    `conn` as in `read`; sections and rates are read while they are iterated over.
    """
    named = _Named()
    revision = 0
    for change in rows:
        revision = change.revision
        if not is_judged_by(change):
            continue
        if change.noun == "configuration" or (change.first is not None and change.noun not in _NOUNS):
            return None
        named.add(change)
    if named.count("account", "section", "phone") > CHANGES_MAX:
        return None
    accounts = named.read("account", lambda keys: ((row[0], row) for row in account.rows(conn, keys)))
    tables = named.read("rate_table", lambda keys: ((one.key, one) for one in rate.read_tables(conn, keys)))
    if any(row is None and account.is_named(conn, key) for key, row in accounts.items()) or any(
        table is None and rate.is_table_named(conn, key) for key, table in tables.items()
    ):
        return None  # left behind by somebody who has foreign keys off: to be told as what it is
    gone, present = _rates(conn, named.ranges("rate"))
    rates_of = named.keys("rates_of")
    sections = named.ranges("section")
    kinds = (LedgerKind.REVENUE, LedgerKind.COST, LedgerKind.TAX)
    return Changes(
        revision=revision,
        accounts=accounts,
        section_accounts=named.keys("section"),
        sections=chain.from_iterable(section.texts(conn, keys) for keys in sections),
        rate_tables=tables,
        rates_of=rates_of,
        rates_gone=gone,
        rates=chain(present, *(rate.texts(conn, key) for key in rates_of)) if present or rates_of else (),
        mapping_gateways=gateway.read_mapping_gateways(conn) if "mapping_gateway" in named else None,
        routing_gateways=gateway.read_routing_gateways(conn) if "routing_gateway" in named else None,
        routes=gateway.read_routes(conn) if "route" in named else None,
        phones=named.read("phone", lambda keys: ((one.key, one) for one in phone.read_phones(conn, keys))),
        credentials={
            username: next(iter(credential.read_credentials(conn, username)), None)
            for username in named.usernames
        },
        house=tuple(ledger.read_of_house(conn, kind) for kind in kinds) if "house" in named else None,  # type: ignore[arg-type]
    )


def _rates(conn: Connection, ranges: Iterable[Range]) -> tuple[list[tuple[int, int]], list[str]]:
    """Rates that have gone, and texts of those that are there."""
    gone, present = [], []
    for keys in ranges:
        for key, table_key, text in rate.told(conn, keys):
            if text is None:
                gone.append((table_key, key))
            else:
                present.append(text)
    return gone, present


class _Named:
    """Keys that the feed has named, by noun."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[Range]] = {}
        self.usernames: set[str] = set()

    def add(self, change: Change) -> None:
        if change.first is not None and change.last is not None:
            self._ranges.setdefault(change.noun, []).append((change.first, change.last))
        elif change.noun == "credential":
            self.usernames.add(change.id)

    def __contains__(self, noun: str) -> bool:
        return noun in self._ranges

    def ranges(self, noun: str) -> list[Range]:
        """In order, each key in one of them."""
        merged: list[Range] = []
        for first, last in sorted(self._ranges.get(noun, ())):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(last, merged[-1][1])
            else:
                merged.append((first, last))
        return merged

    def keys(self, noun: str) -> list[int]:
        return [key for first, last in self.ranges(noun) for key in range(first, last + 1)]

    def count(self, *nouns: str) -> int:
        return sum(last - first + 1 for noun in nouns for first, last in self.ranges(noun))

    def read(
        self, noun: str, those: Callable[[Range], Iterator[tuple[int, _Value]]]
    ) -> dict[int, _Value | None]:
        """What is there now of all that was named, and None for what is not."""
        found: dict[int, _Value | None] = {}
        for keys in self.ranges(noun):
            found.update(dict.fromkeys(range(keys[0], keys[1] + 1)))
            found.update(those(keys))
        return found
