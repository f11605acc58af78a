"""Rates: which row of which table prices a call, at every level of the chain and at the vendor.

The longest prefix with a row that is open at the moment of the INVITE counts; policy/window.py orders the
rows of one prefix. Rows are kept in columns, 56 bytes each, for there may be ten million; `Rate` values are
made when asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from datetime import tzinfo
from functools import lru_cache
from typing import NamedTuple

from sipguard.model.money import Micros, format_micros
from sipguard.model.rate import ALWAYS, Rate, RateTable, Terms, Tier, Window, check_rate
from sipguard.model.verdict import Level, Reason, Refusal
from sipguard.policy.chain import Chain
from sipguard.policy.prefix import PrefixIndexer
from sipguard.policy.rating import cost_of, dearest
from sipguard.policy.refusal import account_rule
from sipguard.policy.window import is_open, precedence, zone_of

_CACHED_ROWS = 1 << 16
"""Rows kept as values: the destinations in use at a time, at about 300 bytes each."""


class Priced(NamedTuple):
    """A rate, and what has to be held by it before the INVITE leaves."""

    rate: Rate
    hold_micros: Micros


class Rates:
    """All rows of all rate tables, in one prefix index."""

    __slots__ = (
        "_all",
        "_columns",
        "_longest",
        "_row",
        "_tables",
        "_taxed_row",
        "_window",
        "_zones",
        "spaces",
    )

    spaces: dict[int, int]
    """Where `find` looks for the rows of a table, by the table's key."""

    def __init__(
        self,
        tables: Iterable[RateTable],
        rates: Iterable[Rate],
        slice_seconds: int,
        make_index: PrefixIndexer,
    ) -> None:
        """Raises ValueError that names a rate without a table, with a field out of range, or given twice."""
        self._tables = {table.key: table for table in tables}
        self.spaces = {key: space for space, key in enumerate(self._tables)}
        self._zones = [_zone(table) for table in self._tables.values()]
        self._columns = columns = _Columns(self.spaces, [_terms(table) for table in self._tables.values()])
        try:
            index = make_index(*columns.fill(rates))
        except ValueError as error:
            raise ValueError(f"rates: {error}") from error
        self._longest, self._all = index.longest, index.all
        self._window = columns.window
        self._row, self._taxed_row = _row_readers(columns, slice_seconds)

    def table(self, key: int) -> RateTable | None:
        """The table with this key."""
        return self._tables.get(key)

    def find(self, space: int, digits: str, unix_ms: int, zone: tzinfo, tax_ppm: int) -> Priced | None:
        """The open row with the longest prefix of `digits`, for a buyer in `zone`; None where there is none.

        `zone` is that of the buyer; a table that names one itself is read by its own.
        """
        row = self._longest(space, digits)
        if row < 0:
            return None
        # A row without a window stands alone, or behind all others of its prefix.
        if self._window[row]:
            row = self._first_open(space, digits, unix_ms, self._zones[space] or zone)
            if row < 0:
                return None
        return self._taxed_row(row, tax_ppm) if tax_ppm else self._row(row)

    def _first_open(self, space: int, digits: str, unix_ms: int, zone: tzinfo) -> int:
        columns = self._columns
        for head in self._all(space, digits):
            for row in (head, *columns.following.get(head, ())):
                window = columns.window[row]
                if not window or is_open(columns.windows[window], unix_ms, zone):
                    return row
        return -1


def levels(
    chain: Chain, rates: Rates, called: str, unix_ms: int, free_levels: bool
) -> tuple[Level, ...] | Refusal:
    """Price the call at every level, the caller's account first, then compare with the caps.

    A level without a rate table is refused unless `free_levels`; a table without a row for the number is
    refused always.
    """
    priced_levels: list[Level] = []
    for account, space, income_ledger, zone in chain.buyers:
        if space is None:
            if not free_levels:
                return _no_table(account.id, account_rule(account, "rate_table"))
            priced_levels.append(Level(account, None, 0, income_ledger))
            continue
        priced = rates.find(space, called, unix_ms, zone, account.tax_ppm)
        if priced is None:
            return _no_row(account.id, account_rule(account, "rate_table"), called)
        priced_levels.append(Level(account, priced[0], priced[1], income_ledger))
    for position, cap in chain.rate_caps:
        level = priced_levels[position]
        if level.rate is not None and dearest(level.rate) > cap:
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
        observed=f"{format_micros(dearest(rate))} per minute by rate:{rate.key}",
        required=f"at most {format_micros(cap)} per minute",
    )


def _zone(table: RateTable) -> tzinfo | None:
    try:
        return None if table.time_zone is None else zone_of(table.time_zone)
    except ValueError as error:
        raise ValueError(f"rate table {table.id!r}: {error}") from error


def _terms(table: RateTable) -> Terms:
    if table.money_unit_micros < 1:
        raise ValueError(f"rate table {table.id!r}: money unit {table.money_unit_micros} is less than 1")
    return Terms(table.time_rounding, table.money_rounding, table.money_unit_micros)


class _Extra(NamedTuple):
    """What few rows have of their own; kept once for all rows that have the same."""

    grace_seconds: int
    minimum_seconds: int
    minimum_micros: Micros
    tiers: tuple[Tier, ...]


class _Columns:
    """The rows, column by column. A prefix is kept as the integer of its digits behind a 1."""

    __slots__ = (
        "connect_fee",
        "destination",
        "destinations",
        "extra",
        "extras",
        "following",
        "initial",
        "keys",
        "next",
        "prefix",
        "price",
        "table",
        "table_keys",
        "tables",
        "terms",
        "window",
        "windows",
    )

    window: array[int]
    """Number of the row's window in `windows`; 0: always open."""
    following: dict[int, tuple[int, ...]]
    """Where a prefix has several rows: the first of them, which the index knows, to the others in order."""

    def __init__(self, spaces: dict[int, int], terms: list[Terms]) -> None:
        self.tables = spaces
        self.terms = terms
        self.table_keys = tuple(spaces)
        self.keys, self.prefix = array("q"), array("q")
        self.connect_fee, self.price = array("q"), array("q")
        self.table, self.destination = array("I"), array("I")
        self.initial, self.next = array("I"), array("I")
        self.extra, self.window = array("I"), array("I")
        self.destinations: list[str] = []
        self.extras: list[_Extra] = []
        self.windows: list[Window] = []
        self.following = {}

    def fill(self, rates: Iterable[Rate]) -> tuple[list[int], list[str], list[int]]:
        """Take all rows; returns the columns that the prefix index is built from and that go afterwards."""
        prefixes: list[str] = []
        same_text: dict[str, str] = {}
        numbers: dict[str, int] = {}
        extras: dict[_Extra, int] = {}
        windows: dict[Window, int] = {ALWAYS: 0}
        for rate in rates:
            key, table_key, prefix, destination, connect_fee, initial, following, price = rate[:8]
            extra = _Extra(rate.grace_seconds, rate.minimum_seconds, rate.minimum_micros, rate.tiers)
            window = rate.window
            space = self.tables.get(table_key)
            if space is None:
                raise ValueError(f"rate {key}: no rate table with key {table_key}")
            # Looked at whole only where something in it is new: rows share few extras and windows.
            plain = price >= 0 <= connect_fee and initial >= 1 <= following
            if not plain or extra not in extras or window not in windows:
                try:
                    check_rate(rate)
                except ValueError as error:
                    raise ValueError(f"rate {key}: {error}") from error
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
            self.extra.append(extras.setdefault(extra, len(extras)))
            self.window.append(windows.setdefault(window, len(windows)))
        self.destinations, self.extras, self.windows = list(numbers), list(extras), list(windows)
        return self._heads(prefixes)

    def _heads(self, prefixes: list[str]) -> tuple[list[int], list[str], list[int]]:
        """Leave one row of each prefix to the index; the others follow it in `following`."""
        rows: list[int] = list(range(len(prefixes)))
        groups: dict[tuple[int, str], list[int]] = {}
        for row in rows:
            if self.window[row]:
                groups.setdefault((self.table[row], prefixes[row]), []).append(row)
        if groups:
            for row in rows:
                if not self.window[row] and (group := groups.get((self.table[row], prefixes[row]))):
                    group.append(row)
            hidden: set[int] = set()
            for group in groups.values():
                if len(group) > 1:
                    head, *others = self._in_order(group)
                    self.following[head] = tuple(others)
                    hidden.update(others)
            rows = [row for row in rows if row not in hidden]
            prefixes = [prefixes[row] for row in rows]
        return [self.table[row] for row in rows], prefixes, rows

    def _in_order(self, group: list[int]) -> list[int]:
        seen: dict[Window, int] = {}
        for row in group:
            window = self.windows[self.window[row]]._replace(valid_till=None)
            if (first := seen.setdefault(window, row)) != row:
                raise ValueError(
                    f"rate {self.keys[row]}: prefix, hours, days and valid_from of rate {self.keys[first]}"
                )
        return sorted(group, key=lambda row: precedence(self.rate(row, 0)))

    def rate(self, row: int, tax_ppm: int) -> Rate:
        terms = self.terms[self.table[row]]
        return Rate(
            self.keys[row],
            self.table_keys[self.table[row]],
            str(self.prefix[row])[1:],
            self.destinations[self.destination[row]],
            self.connect_fee[row],
            self.initial[row],
            self.next[row],
            self.price[row],
            *self.extras[self.extra[row]],
            window=self.windows[self.window[row]],
            terms=terms._replace(tax_ppm=tax_ppm) if tax_ppm else terms,
        )


def _row_readers(
    columns: _Columns, slice_seconds: int
) -> tuple[Callable[[int], Priced], Callable[[int, int], Priced]]:
    """Rows as values, without a tax and with one. Apart, because a key of one number is looked up faster."""

    def read(row: int, tax_ppm: int = 0) -> Priced:
        rate = columns.rate(row, tax_ppm)
        return Priced(rate, cost_of(rate, slice_seconds))

    return lru_cache(maxsize=_CACHED_ROWS)(read), lru_cache(maxsize=_CACHED_ROWS)(read)
