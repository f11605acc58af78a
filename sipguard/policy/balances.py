"""Balances of millions of ledger accounts in little memory: eight bytes each, until somebody asks for one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping

from sipguard.model.money import Micros

_PAGE_BITS = 10
_PAGE = 1 << _PAGE_BITS


class Balances(dict[int, Micros]):
    """By ledger account; a dictionary of those that were asked for. One that nobody has posted to has 0."""

    __slots__ = ("_pages",)

    def __init__(self, balances: Mapping[int, Micros] | Iterable[tuple[int, Micros]] = ()) -> None:
        super().__init__()
        self._pages: dict[int, array[int]] = {}
        for ledger, micros in balances.items() if isinstance(balances, Mapping) else balances:
            if not micros:
                continue
            page = self._pages.get(ledger >> _PAGE_BITS)
            if page is None:
                page = self._pages[ledger >> _PAGE_BITS] = array("q", bytes(8 * _PAGE))
            try:
                page[ledger & (_PAGE - 1)] = micros
            except OverflowError:  # more than the store takes
                self[ledger] = micros

    def __missing__(self, ledger: int) -> Micros:
        page = self._pages.get(ledger >> _PAGE_BITS)
        micros = self[ledger] = 0 if page is None else page[ledger & (_PAGE - 1)]
        return micros
