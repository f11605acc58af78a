"""Rates: which row of which table prices a call, at every level of the chain and at the vendor.

The longest prefix with a row that is open at the moment of the INVITE counts; policy/window.py orders the
rows of one prefix. Rows lie in the native index, 32 bytes each, for there may be ten million; `Rate` values
are made when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from datetime import tzinfo
from functools import lru_cache
from itertools import count, islice
from typing import NamedTuple
from weakref import WeakValueDictionary

from sipguard.model import packed
from sipguard.model.money import Micros, format_micros
from sipguard.model.packed import RateShape
from sipguard.model.rate import PLAIN_TERMS, Rate, RateTable, Terms, check_rate
from sipguard.model.verdict import Level, Reason, Refusal
from sipguard.policy.chain import Chain
from sipguard.policy.prefix import Book, Sheet
from sipguard.policy.rating import cost_of, dearest
from sipguard.policy.refusal import account_rule
from sipguard.policy.window import is_open, precedence, zone_of

_CACHED_ROWS = 1 << 16
"""Rows kept as values: the destinations in use at a time, at about 300 bytes each."""

_CHUNK = 2_000  # rows handed over at a time, for which no other thread has a turn: about 0.3 ms

_ROW_BITS = 32  # of a row of one table, in the keys of the cache


class Priced(NamedTuple):
    """A rate, and what has to be held by it before the INVITE leaves."""

    rate: Rate
    hold_micros: Micros


class _Table:
    """A rate table with the rows that it has at one revision."""

    __slots__ = ("__weakref__", "_orders", "first", "longest", "serial", "sheet", "table", "terms", "zone")

    def __init__(self, table: RateTable, sheet: Sheet | None) -> None:
        self.table, self.sheet = table, sheet
        self.longest: Callable[[str], int] = _nothing if sheet is None else sheet.longest
        self.zone, self.terms = _zone(table), _terms(table)
        self.serial = next(_serials)
        """Of no other table, nor of this one with other rows."""
        self.first = self.serial << _ROW_BITS
        """What row 0 is cached by."""
        self._orders: dict[int, tuple[int, ...]] = {}

    def rate(self, row: int, tax_ppm: int) -> Rate:
        assert self.sheet is not None
        key, prefix, price, text, destination = self.sheet.row(row)
        terms = self.terms._replace(tax_ppm=tax_ppm) if tax_ppm else self.terms
        return _made(key, self.table.key, prefix, price, _shape(text), destination, terms)

    def first_open(self, digits: str, unix_ms: int, zone: tzinfo) -> int:
        """The row that prices a call where the longest prefix alone does not tell; -1: none is open."""
        assert self.sheet is not None
        for start, end in self.sheet.all(digits):
            rows = self._orders.get(start)
            if rows is None:
                ordered = sorted(range(start, end), key=lambda row: precedence(self.rate(row, 0)))
                rows = self._orders[start] = tuple(ordered)
            for row in rows:
                if is_open(_shape(self.sheet.row(row)[3]).window, unix_ms, self.zone or zone):
                    return row
        return -1


class Rates:
    """All rows of all rate tables. Immutable; `changed` makes the next, which shares what did not change."""

    __slots__ = ("_book", "_by_serial", "_read", "_read_taxed", "_slice_seconds", "_tables")

    _tables: dict[int, _Table]
    _by_serial: WeakValueDictionary[int, _Table]
    """Tables by their serials, in all states of this line that are still in use."""

    def __init__(self, book: Book, slice_seconds: int) -> None:
        """Without a table."""
        self._book, self._slice_seconds = book, slice_seconds
        self._tables, self._by_serial = {}, WeakValueDictionary()
        self._read, self._read_taxed = _readers(self._by_serial, slice_seconds)

    @classmethod
    def build(
        cls,
        tables: Iterable[RateTable],
        rates: Iterable[Rate | str],
        slice_seconds: int,
        make_book: Callable[[], Book],
    ) -> Rates:
        """From values, or from texts as the store makes them (model.packed).

        Raises ValueError that names a rate without a table, with a field out of range, or given twice; what
        the store hands over as texts cannot have been given twice there.
        """
        given = {table.key: table for table in tables}
        return cls(make_book(), slice_seconds).changed(given, (), (), rates)

    def changed(
        self,
        tables: Mapping[int, RateTable | None],
        cleared: Collection[int],
        gone: Collection[tuple[int, int]],
        rates: Iterable[Rate | str],
    ) -> Rates:
        """With other `tables` (None: gone); without the rows of the tables `cleared` and the rows `gone`
        (keys of table and rate); with `rates`, each in place of what has its key. Raises ValueError as
        `build`."""
        rows = self._book.rows()
        left = iter(rates)
        seen: dict[tuple[object, ...], int] = {}
        try:
            while some := list(islice(left, _CHUNK)):
                rows.add([rate if isinstance(rate, str) else _text(rate, seen) for rate in some])
        except ValueError as error:
            raise ValueError(f"rates: {error}") from error
        for shape, key in rows.shapes():
            _check_shape(shape, key)
        touched = {*tables, *cleared, *(table for table, _ in gone), *rows.spaces()}
        following = copy(self)
        following._book = self._book.patched(list(cleared), list(gone), rows)
        following._tables = dict(self._tables)
        for key in touched:
            table = tables[key] if key in tables else self.table(key)
            sheet = following._book.sheet(key)
            if table is not None:
                following._tables[key] = made = _Table(table, sheet)
                self._by_serial[made.serial] = made
            else:
                following._tables.pop(key, None)
                if sheet is not None:
                    raise ValueError(f"rate {sheet.row(0)[0]}: no rate table with key {key}")
        return following

    def table(self, key: int) -> RateTable | None:
        """The table with this key."""
        found = self._tables.get(key)
        return None if found is None else found.table

    def rows(self, table_key: int) -> Iterator[Rate]:
        """The rows of a table, by prefix."""
        table = self._tables[table_key]
        for row in range(0 if table.sheet is None else len(table.sheet)):
            yield table.rate(row, 0)

    def tables(self) -> Iterable[int]:
        """Keys of the tables."""
        return self._tables.keys()

    def find(self, table_key: int, digits: str, unix_ms: int, zone: tzinfo, tax_ppm: int) -> Priced | None:
        """The open row of a table with the longest prefix of `digits`; None where there is none.

        `zone` is that of the buyer; a table that names one itself is read by its own.
        """
        table = self._tables[table_key]
        row = table.longest(digits)
        if row < 0:
            if row == -1:
                return None
            row = table.first_open(digits, unix_ms, zone)
            if row < 0:
                return None
        return self._read_taxed(table.first + row, tax_ppm) if tax_ppm else self._read(table.first + row)

    def __len__(self) -> int:
        return len(self._book)

    def heap_bytes(self) -> int:
        """What the index takes, without texts."""
        return self._book.heap_bytes()


def levels(
    chain: Chain, rates: Rates, called: str, unix_ms: int, free_levels: bool
) -> tuple[Level, ...] | Refusal:
    """Price the call at every level, the caller's account first, then compare with the caps.

    A level without a rate table is refused unless `free_levels`; a table without a row for the number is
    refused always.
    """
    priced_levels: list[Level] = []
    for account, table_key, income_ledger, zone in chain.buyers:
        if table_key is None:
            if not free_levels:
                return _no_table(account.id, account_rule(account, "rate_table"))
            priced_levels.append(Level(account, None, 0, income_ledger))
            continue
        priced = rates.find(table_key, called, unix_ms, zone, account.tax_ppm)
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


_serials = count()
_shape = lru_cache(maxsize=1 << 12)(packed.rate_shape)


def _made(
    key: int, table_key: int, prefix: str, price: Micros, shape: RateShape, destination: str, terms: Terms
) -> Rate:
    fee, initial, following, grace, least_seconds, least, tiers, window = shape
    return Rate(
        *(key, table_key, prefix, destination, fee, initial, following, price),
        *(grace, least_seconds, least, tiers, window, terms),
    )


def _readers(
    tables: Mapping[int, _Table], slice_seconds: int
) -> tuple[Callable[[int], Priced], Callable[[int, int], Priced]]:
    """Rows as values, without a tax and with one. Apart, because a key of one number is looked up faster.

    Of a cache of this kind one value goes when another comes: to clear a full one would stop calls for long.
    """

    def read(key: int, tax_ppm: int = 0) -> Priced:
        rate = tables[key >> _ROW_BITS].rate(key & ((1 << _ROW_BITS) - 1), tax_ppm)
        return Priced(rate, cost_of(rate, slice_seconds))

    return lru_cache(maxsize=_CACHED_ROWS)(read), lru_cache(maxsize=_CACHED_ROWS)(read)


def _nothing(_: str) -> int:
    return -1


def _text(rate: Rate, seen: dict[tuple[object, ...], int]) -> str:
    """A value as a text, looked at whole; `seen`: those before, for none may come twice."""
    try:
        check_rate(rate)
    except ValueError as error:
        raise ValueError(f"rate {rate.key}: {error}") from error
    if rate.prefix and not (rate.prefix.isascii() and rate.prefix.isdecimal() and len(rate.prefix) <= 18):
        raise ValueError(f"rate {rate.key}: prefix is not 0 to 18 digits: {rate.prefix!r}")
    first = seen.setdefault((rate.table_key, rate.prefix, rate.window._replace(valid_till=None)), rate.key)
    if first != rate.key:
        raise ValueError(f"rate {rate.key}: prefix, hours, days and valid_from of rate {first}")
    return packed.rate(rate)


def _check_shape(text: str, key: int) -> None:
    """Raise ValueError that names the first rate with a shape that cannot be judged by."""
    shape = packed.rate_shape(text)
    try:
        check_rate(_made(key, 0, "", 0, shape, "", PLAIN_TERMS))
    except ValueError as error:
        raise ValueError(f"rate {key}: {error}") from error
