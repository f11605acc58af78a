"""All accounts, a million of them in little memory: kept as packed rows, made into values when asked for.

Rows lie in pages by their keys, which the store numbers one by one; the next state shares every page that did
not change. Beside them, where each id is to be found.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any
from zlib import crc32

import msgspec

from sipguard.model.account import Account

_PAGE_BITS = 8
_PAGE = 1 << _PAGE_BITS
_BUCKETS = 1 << 12
"""Of ids: with a million accounts about 250 share a bucket, which are looked through in microseconds."""

_CACHED = 1 << 12
"""Accounts kept as values: agents above all, which stand in many chains. Few enough to let go of at once."""

Row = tuple[Any, ...]
"""The fields of an account in their order."""

FIELDS = tuple(Account.__slots__)
KEY, ID, AGENT, CURRENCY, TABLE = (
    FIELDS.index(name) for name in ("key", "id", "agent_key", "currency", "rate_table_key")
)
_BALANCE = FIELDS.index("balance_ledger")

_row: Callable[[Account], Row] = attrgetter(*FIELDS)
_pack = msgspec.msgpack.Encoder().encode
_unpack: Callable[[bytes], list[Any]] = msgspec.msgpack.Decoder(list[Any]).decode

_Page = tuple[bytes | None, ...]
_EMPTY: _Page = (None,) * _PAGE


class Accounts(Mapping[int, Account]):
    """Accounts by key. Immutable; `changed` makes the next, which shares what did not change."""

    __slots__ = ("_cache", "_count", "_ids", "_pages")

    def __init__(self, accounts: Iterable[Account | Row] = ()) -> None:
        """From values, or from rows as the store reads them."""
        pages: dict[int, list[bytes | None]] = {}
        ids: dict[int, array[int]] = {}
        count = 0
        for account in accounts:
            row = account if isinstance(account, tuple) else _row(account)
            number, slot = divmod(row[KEY], _PAGE)
            page = pages.get(number)
            if page is None:
                page = pages[number] = [None] * _PAGE
            count += page[slot] is None
            page[slot] = _pack(row)
            _enter(ids, row[ID], row[KEY])
        self._pages: dict[int, _Page] = {}
        while pages:
            number, page = pages.popitem()
            self._pages[number] = tuple(page)
        self._ids, self._count = ids, count
        self._cache: dict[int, tuple[bytes, Account]] = {}

    def changed(self, changes: Mapping[int, Row | Account | None], touched: Iterable[int] = ()) -> Accounts:
        """With other rows, by key (None: gone). `touched`: keys of accounts that are as they were, but whose
        packed rows are to be others, so that what was prepared from them is not taken for theirs any more."""
        following = Accounts()
        pages: dict[int, list[bytes | None]] = {}
        ids = self._ids
        count = self._count

        def page_of(number: int) -> list[bytes | None]:
            page = pages.get(number)
            if page is None:
                page = pages[number] = list(self._pages.get(number, _EMPTY))
            return page

        for key, account in changes.items():
            number, slot = divmod(key, _PAGE)
            page = page_of(number)
            before = page[slot]
            row = account if account is None or isinstance(account, tuple) else _row(account)
            page[slot] = None if row is None else _pack(row)
            count += (row is not None) - (before is not None)
            old_id = None if before is None else _unpack(before)[ID]
            new_id = None if row is None else row[ID]
            if old_id != new_id:
                ids = dict(ids) if ids is self._ids else ids
                if old_id is not None:
                    _leave(ids, old_id, key)
                if new_id is not None:
                    _replace(ids, new_id, key)
        for key in touched:
            page = page_of(key >> _PAGE_BITS)
            same = page[key % _PAGE]
            page[key % _PAGE] = None if same is None else bytes(bytearray(same))
        following._pages = {**self._pages, **{number: tuple(page) for number, page in pages.items()}}
        following._ids, following._count, following._cache = ids, count, self._cache
        return following

    def parts(self) -> list[object]:
        """What it is made of, for who lets go of it piece by piece."""
        return list(self._pages.values())

    def packed(self, key: int) -> bytes:
        """The packed row of an account: the very object, as long as the account and what it rules are as they
        were. Raises KeyError where there is none."""
        page = self._pages.get(key >> _PAGE_BITS)
        found = None if page is None else page[key % _PAGE]
        if found is None:
            raise KeyError(key)
        return found

    def row(self, key: int) -> list[Any] | None:
        """The fields of an account, for who needs few of them; None where there is none."""
        try:
            return _unpack(self.packed(key))
        except KeyError:
            return None

    def rows(self) -> Iterator[list[Any]]:
        """The fields of every account, by key."""
        for number in sorted(self._pages):
            for packed in self._pages[number]:
                if packed is not None:
                    yield _unpack(packed)

    def by_id(self, account_id: str) -> Account | None:
        """The account with this id."""
        places = self._ids.get(_bucket(account_id), ())
        for key in places:
            row = self.row(key)
            if row is not None and row[ID] == account_id:
                return self[key]
        return None

    def __getitem__(self, key: int) -> Account:
        packed = self.packed(key)
        kept = self._cache.get(key)
        if kept is not None and kept[0] is packed:
            return kept[1]
        if len(self._cache) >= _CACHED:
            self._cache.clear()
        account = Account(*_unpack(packed))
        self._cache[key] = packed, account
        return account

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, int):
            return False
        page = self._pages.get(key >> _PAGE_BITS)
        return page is not None and page[key % _PAGE] is not None

    def __iter__(self) -> Iterator[int]:
        for number in sorted(self._pages):
            for slot, packed in enumerate(self._pages[number]):
                if packed is not None:
                    yield number << _PAGE_BITS | slot

    def __len__(self) -> int:
        return self._count


def check_tree(accounts: Accounts) -> None:
    """Raise ValueError that names an account whose agent is missing, below it, or in another currency, or
    whose balance is that of another account, too."""
    currencies: dict[int, str] = {}  # of agents that reach the top, and as an account of them counts
    balances = _Seen()
    for row in accounts.rows():
        if not balances.add(row[_BALANCE]):
            _name_shared(accounts, row[_BALANCE])
        check_above(accounts, row, currencies)


def check_above(accounts: Accounts, row: list[Any] | Row, currencies: dict[int, str]) -> None:
    """Raise ValueError where the way from an account to the top is broken; see `check_tree`.

    `currencies`: of agents from which it is known to be whole, by key; grows.
    """
    path: dict[int, str] = {}
    while row[AGENT] is not None and row[AGENT] not in currencies:
        path[row[KEY]] = row[CURRENCY]
        agent = accounts.row(row[AGENT])
        if agent is None:
            raise ValueError(f"account {row[ID]!r}: no agent with key {row[AGENT]}")
        if agent[KEY] in path:
            raise ValueError(f"account {row[ID]!r} is its own agent through {agent[ID]!r}")
        _check_currency(row, agent[CURRENCY])
        row = agent
        path[row[KEY]] = row[CURRENCY]
    if row[AGENT] is not None:
        _check_currency(row, currencies[row[AGENT]])
    if len(path) > 1:  # the first is an account that may be nobody's agent
        path.pop(next(iter(path)))
        currencies.update(path)


def _check_currency(row: list[Any] | Row, currency: str) -> None:
    if row[CURRENCY] != currency:
        raise ValueError(f"account {row[ID]!r} is in {row[CURRENCY]}, its agent in {currency}")


def _name_shared(accounts: Accounts, ledger: int) -> None:
    first, second, *_ = [row[ID] for row in accounts.rows() if row[_BALANCE] == ledger]
    raise ValueError(f"ledger {ledger} is the balance of {first!r} and of {second!r}")


class _Seen:
    """Numbers that were met, a bit for each: the store numbers ledger accounts one by one."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def add(self, number: int) -> bool:
        """Whether it is new."""
        place, bit = number >> 15, 1 << (number & 7)
        page = self._pages.get(place)
        if page is None:
            page = self._pages[place] = bytearray(1 << 12)
        at = number >> 3 & 0xFFF
        if page[at] & bit:
            return False
        page[at] |= bit
        return True


def _bucket(account_id: str) -> int:
    return crc32(account_id.encode("utf-8", "surrogatepass")) % _BUCKETS


def _enter(ids: dict[int, array[int]], account_id: str, key: int) -> None:
    ids.setdefault(_bucket(account_id), array("q")).append(key)


def _replace(ids: dict[int, array[int]], account_id: str, key: int) -> None:
    bucket = _bucket(account_id)
    ids[bucket] = array("q", (*ids.get(bucket, ()), key))


def _leave(ids: dict[int, array[int]], account_id: str, key: int) -> None:
    bucket = _bucket(account_id)
    ids[bucket] = array("q", (other for other in ids[bucket] if other != key))
