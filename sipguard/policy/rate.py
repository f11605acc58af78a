"""Rates: which row of which table prices a call, at every level of the chain and at the vendor.

Rows are kept in columns, 48 bytes each, for there may be ten million; `Rate` values are made when asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from sipguard.model.money import Micros, format_micros
from sipguard.model.rate import Rate, RateTable
from sipguard.model.verdict import Level, Reason, Refusal
from sipguard.policy.chain import Chain
from sipguard.policy.prefix import PrefixIndexer
from sipguard.policy.rating import cost_of
from sipguard.policy.refusal import account_rule

_CACHED_ROWS = 1 << 16
"""Rows kept as values: the destinations in use at a time, at about 300 bytes each."""


class Priced(NamedTuple):
    """A rate, and what has to be held by it before the INVITE leaves."""

    rate: Rate
    hold_micros: Micros


class Rates:
    """All rows of all rate tables, in one prefix index."""

    __slots__ = ("_longest", "_row", "_tables", "spaces")

    spaces: dict[int, int]
    """Where `find` looks for the rows of a table, by the table's key."""

    def __init__(
        self,
        tables: Iterable[RateTable],
        rates: Iterable[Rate],
        slice_seconds: int,
        make_index: PrefixIndexer,
    ) -> None:
        """Raises ValueError that names a rate without a table, or with a field out of range."""
        self._tables = {table.key: table for table in tables}
        self.spaces = {key: space for space, key in enumerate(self._tables)}
        columns = _Columns(self.spaces)
        spaces, prefixes = columns.fill(rates)
        try:
            self._longest = make_index(spaces, prefixes, range(len(prefixes))).longest
        except ValueError as error:
            raise ValueError(f"rates: {error}") from error
        self._row = _row_reader(columns, slice_seconds)

    def table(self, key: int) -> RateTable | None:
        """The table with this key."""
        return self._tables.get(key)

    def find(self, space: int, digits: str) -> Priced | None:
        """The row with the longest prefix of `digits`; None where no row matches."""
        row = self._longest(space, digits)
        return None if row < 0 else self._row(row)


def levels(chain: Chain, rates: Rates, called: str, free_levels: bool) -> tuple[Level, ...] | Refusal:
    """Price the call at every level, the caller's account first, then compare with the caps.

    A level without a rate table is refused unless `free_levels`; a table without a row for the number is
    refused always.
    """
    priced_levels: list[Level] = []
    for account, space, income_ledger in chain.buyers:
        if space is None:
            if not free_levels:
                return _no_table(account.id, account_rule(account, "rate_table"))
            priced_levels.append(Level(account, None, 0, income_ledger))
            continue
        priced = rates.find(space, called)
        if priced is None:
            return _no_row(account.id, account_rule(account, "rate_table"), called)
        priced_levels.append(Level(account, priced[0], priced[1], income_ledger))
    for position, cap in chain.rate_caps:
        level = priced_levels[position]
        if level.rate is not None and level.rate.rate_micros > cap:
            return _above_cap(level, level.rate, cap)
    return tuple(priced_levels)


def _no_table(account_id: str, rule: str) -> Refusal:
    return Refusal(Reason.NO_RATE, account_id, rule, observed="no rate table", required="a rate table")


def _no_row(account_id: str, rule: str, called: str) -> Refusal:
    return Refusal(
        Reason.NO_RATE, account_id, rule, observed=called, required="a rate whose prefix the number has"
    )


def _above_cap(level: Level, rate: Rate, cap: Micros) -> Refusal:
    return Refusal(
        Reason.RATE_CAP,
        level.account.id,
        account_rule(level.account, "max_rate"),
        observed=f"{format_micros(rate.rate_micros)} per minute by rate:{rate.key}",
        required=f"at most {format_micros(cap)} per minute",
    )


class _Columns:
    """The rows, column by column. A prefix is kept as the integer of its digits behind a 1."""

    __slots__ = (
        "connect_fee",
        "destination",
        "destinations",
        "initial",
        "keys",
        "next",
        "prefix",
        "price",
        "table",
        "table_keys",
        "tables",
    )

    def __init__(self, spaces: dict[int, int]) -> None:
        self.tables = spaces
        self.table_keys = tuple(spaces)
        self.keys, self.prefix = array("q"), array("q")
        self.connect_fee, self.price = array("q"), array("q")
        self.table, self.destination = array("I"), array("I")
        self.initial, self.next = array("I"), array("I")
        self.destinations: list[str] = []

    def fill(self, rates: Iterable[Rate]) -> tuple[array[int], list[str]]:
        """Take all rows; returns the columns that the prefix index is built from and that go afterwards."""
        prefixes: list[str] = []
        same_text: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for key, table_key, prefix, destination, connect_fee, initial, following, price in rates:
            space = self.tables.get(table_key)
            if space is None:
                raise ValueError(f"rate {key}: no rate table with key {table_key}")
            if price < 0 or connect_fee < 0 or initial < 1 or following < 1:
                raise ValueError(
                    f"rate {key}: price {price}, connect fee {connect_fee}, increments {initial}/{following}"
                )
            if not (prefix.isascii() and prefix.isdecimal() and len(prefix) <= 18) and prefix:
                raise ValueError(f"rate {key}: prefix is not 0 to 18 digits: {prefix!r}")
            self.keys.append(key)
            self.table.append(space)
            prefixes.append(same_text.setdefault(prefix, prefix))
            self.prefix.append(int("1" + prefix))
            self.destination.append(numbers.setdefault(destination, len(numbers)))
            self.connect_fee.append(connect_fee)
            self.initial.append(initial)
            self.next.append(following)
            self.price.append(price)
        self.destinations = list(numbers)
        return self.table, prefixes

    def rate(self, row: int) -> Rate:
        return Rate(
            self.keys[row],
            self.table_keys[self.table[row]],
            str(self.prefix[row])[1:],
            self.destinations[self.destination[row]],
            self.connect_fee[row],
            self.initial[row],
            self.next[row],
            self.price[row],
        )


def _row_reader(columns: _Columns, slice_seconds: int) -> Callable[[int], Priced]:
    def read(row: int) -> Priced:
        rate = columns.rate(row)
        return Priced(rate, cost_of(rate, slice_seconds))

    return lru_cache(maxsize=_CACHED_ROWS)(read)
